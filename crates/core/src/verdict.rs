//! What a guard may answer, and why.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode};
use ipnet::IpNet;

use crate::{Diagnosis, Evidence, Malformed, Mode, Offense, RuleId, Transformations};

/// The answer of an inspector.
///
/// `Pass` and `Allow` differ: a pass leaves the request to whoever judges next, an allow ends the
/// judgment in the request's favor.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "who enforces must handle every answer"
)]
pub enum Verdict {
    /// Nothing to say against it.
    Pass,
    /// Let it through, whatever comes later.
    Allow(Cause),
    /// Refuse it.
    Deny(Denial),
}

/// A refusal: why, how it is answered, and whether it acts.
#[derive(Clone, Debug, PartialEq)]
pub struct Denial {
    /// Why.
    pub cause: Cause,
    /// The status of the answer.
    pub status: StatusCode,
    /// Whether the refusal acts or is only told.
    pub mode: Mode,
    /// The ban that comes with it.
    pub offense: Option<Offense>,
    /// When it is worth trying again.
    pub retry_after: Option<Duration>,
    /// What the status obliges the answer to say, whatever reply is chosen: `Allow` with a 405, for
    /// one.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What is wrong with the WebSocket that was asked for: the client is told it.
    pub diagnosis: Option<Diagnosis>,
    /// Its name, once it is answered: the client is told it, and the event bears it.
    pub event: Option<EventId>,
}

/// The name of a denial: all that a client is told of it besides the status.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId(u64);

/// Why a verdict fell: the rule, its reason, and the bytes that matched in a view of the path.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// The rule that decided.
    pub rule: RuleId,
    /// What it decided on.
    pub reason: Reason,
    /// The bytes that matched; empty where an address decided.
    pub evidence: Evidence,
    /// How the path was read when they matched; `None` where the path did not decide.
    pub view: Option<Transformations>,
}

/// What a rule decided on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The path cannot be read in one way only.
    Malformed(Malformed),
    /// The path equals a rule's.
    ExactPath,
    /// The path lies under a rule's prefix.
    Prefix,
    /// A segment of the path bears a rule's name.
    Name,
    /// A segment of the path ends in a rule's extension.
    Extension,
    /// A rule's expression matches.
    Regex,
    /// The `User-Agent` holds a part that a rule names.
    Agent,
    /// The address lies in a network of a list.
    Listed {
        /// The longest network that holds the address.
        network: IpNet,
        /// The list: a file's name, or the key of the document.
        list: Arc<str>,
        /// The line (or entry) of the list, from 1.
        line: u32,
    },
    /// The client is banned for a time.
    Banned {
        /// The rule that banned it.
        by: RuleId,
        /// How long the ban still lasts.
        left: Duration,
    },
    /// The client, or whatever else a limit counts by, has had its share.
    OverLimit {
        /// How much there is of it in a window.
        limit: u32,
        /// The window.
        window: Duration,
        /// What it is counted by.
        by: Arc<str>,
    },
    /// Anything else, in words.
    Other(Cow<'static, str>),
}

// === impl Verdict ===

impl Verdict {
    /// Whether this verdict, if it is returned, refuses the request.
    pub fn refuses(&self) -> bool {
        matches!(self, Self::Deny(denial) if denial.mode == Mode::Enforce)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("pass"),
            Self::Allow(cause) => write!(f, "allow: {cause}"),
            Self::Deny(denial) => write!(f, "{denial}"),
        }
    }
}

// === impl Denial ===

impl Denial {
    /// An enforced refusal.
    pub fn new(cause: Cause, status: StatusCode) -> Self {
        Self {
            cause,
            status,
            mode: Mode::Enforce,
            offense: None,
            retry_after: None,
            headers: Vec::new(),
            diagnosis: None,
            event: None,
        }
    }

    /// An enforced 403 by a rule of one's own.
    pub fn forbidden(rule: &'static str, why: &'static str) -> Self {
        let cause = Cause::new(RuleId::builtin(rule), Reason::Other(why.into()));
        Self::new(cause, StatusCode::FORBIDDEN)
    }

    /// Sets whether the refusal acts.
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Adds a ban.
    pub fn with_offense(self, offense: Offense) -> Self {
        Self {
            offense: Some(offense),
            ..self
        }
    }

    /// Adds when it is worth trying again.
    pub fn with_retry_after(self, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..self
        }
    }

    /// Adds a header that the answer must have.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds what is wrong with the WebSocket that was asked for.
    pub fn with_diagnosis(self, diagnosis: Diagnosis) -> Self {
        let diagnosis = Some(diagnosis);
        Self { diagnosis, ..self }
    }

    /// Adds the bytes that matched.
    pub fn with_evidence(mut self, bytes: &[u8]) -> Self {
        self.cause.evidence = Evidence::new(bytes);
        self
    }
}

impl From<Denial> for Verdict {
    fn from(denial: Denial) -> Self {
        Self::Deny(denial)
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.mode {
            Mode::Enforce => "deny",
            Mode::Observe => "would deny",
        };
        write!(f, "{verb} with {}: {}", self.status.as_u16(), self.cause)?;
        match self.diagnosis {
            Some(diagnosis) => write!(f, "; {diagnosis}; {}", diagnosis.advice()),
            None => Ok(()),
        }
    }
}

// === impl EventId ===

impl EventId {
    /// A name from whoever answers.
    pub const fn new(id: u64) -> Self {
        Self(id)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({self})")
    }
}

// === impl Cause ===

impl Cause {
    /// A cause that rests on no bytes.
    pub const fn new(rule: RuleId, reason: Reason) -> Self {
        Self {
            rule,
            reason,
            evidence: Evidence::NONE,
            view: None,
        }
    }

    /// A cause that rests on bytes of the path, as read in one view.
    pub fn in_path(rule: RuleId, reason: Reason, matched: &[u8], view: Transformations) -> Self {
        Self {
            rule,
            reason,
            evidence: Evidence::new(matched),
            view: Some(view),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}: {}", self.rule, self.reason)?;
        if !self.evidence.is_empty() {
            write!(f, " \"{}\"", self.evidence)?;
        }
        match self.view {
            Some(view) => write!(f, " in the path {view}"),
            None => Ok(()),
        }
    }
}

// === impl Reason ===

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::ExactPath => f.write_str("path is"),
            Self::Prefix => f.write_str("path is under"),
            Self::Name => f.write_str("a segment is named"),
            Self::Extension => f.write_str("a segment's extension is one of the rule's"),
            Self::Regex => f.write_str("expression matches"),
            Self::Agent => f.write_str("agent holds"),
            Self::Listed {
                network,
                list,
                line,
            } => write!(f, "address is in {network} ({list}:{line})"),
            Self::Banned { by, left } => {
                write!(f, "banned by {by} for another {} s", left.as_secs())
            }
            Self::OverLimit { limit, window, by } => {
                write!(f, "more than {limit} in {window:?} by {by}")
            }
            Self::Other(words) => f.write_str(words),
        }
    }
}
