//! Verdicts, denials and their causes.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode};
use ipnet::IpNet;

use crate::{Diagnosis, Evidence, Malformed, Mode, Offense, RuleId, Transformations};

/// The result of an inspector.
///
/// `Pass` and `Allow` differ: after a pass, the next inspector judges the request; an allow ends
/// the judgment in the request's favor.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an enforcing service must handle every verdict"
)]
pub enum Verdict {
    /// The inspector does not object.
    Pass,
    /// The request is allowed, whatever later inspectors would return.
    Allow(Box<Cause>),
    /// The request is denied.
    Deny(Box<Denial>),
}

/// A denied request: the cause, the response, and whether the denial is enforced.
///
/// # Examples
///
/// ```
/// use gabion_core::{Denial, Mode, Verdict};
///
/// let denial = Denial::forbidden("no-debugging", "header x-debug is not allowed");
/// let verdict = Verdict::from(denial.clone());
/// assert!(verdict.refuses());
/// assert_eq!(
///     verdict.to_string(),
///     "denied (403): rule no-debugging: header x-debug is not allowed"
/// );
///
/// let observed = Verdict::from(denial.with_mode(Mode::Observe));
/// assert!(!observed.refuses(), "the request passes");
/// assert!(observed.to_string().starts_with("would have been denied (403): "));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Denial {
    /// The cause.
    pub cause: Cause,
    /// The status of the response.
    pub status: StatusCode,
    /// The mode: the denial is enforced, or only recorded as an event.
    pub mode: Mode,
    /// The ban that comes with it.
    pub offense: Option<Offense>,
    /// The time after which a retry can succeed, for `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Headers that the status requires in the response, whichever reply is configured: for example
    /// `Allow` with a 405.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The diagnosis of the WebSocket that the request tried to open. Sent to the client.
    pub diagnosis: Option<Diagnosis>,
    /// The id of the denial, set when it is answered. Sent to the client and recorded in the event.
    pub event: Option<EventId>,
}

/// The id of a denial: the only detail that a client receives in addition to the status.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId(u64);

/// The cause of a verdict: the rule, its reason, and the matched bytes in a view of the path.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// The rule that decided.
    pub rule: RuleId,
    /// The kind of match.
    pub reason: Reason,
    /// The matched bytes; empty if an address decided.
    pub evidence: Evidence,
    /// The view of the path in which they matched; `None` if the path did not decide.
    pub view: Option<Transformations>,
}

/// The kind of match that a rule made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The path has no single interpretation.
    Malformed(Malformed),
    /// The path equals a path of the rule.
    ExactPath,
    /// The path is below a prefix of the rule.
    Prefix,
    /// A segment of the path has a name of the rule.
    Name,
    /// A segment of the path ends in a file extension of the rule.
    Extension,
    /// The path matches a regular expression of the rule.
    Regex,
    /// The `User-Agent` contains a word of the rule.
    Agent,
    /// The address is in a network of a list.
    Listed {
        /// The longest network of the list that contains the address.
        network: IpNet,
        /// The list: a file name, or a key of the policy document.
        list: Arc<str>,
        /// The line (or entry) of the list, from 1.
        line: u32,
    },
    /// The client is banned for a time.
    Banned {
        /// The rule that banned it.
        by: RuleId,
        /// The remaining time of the ban.
        left: Duration,
    },
    /// The client, or the other key that a limit counts by, exceeded the limit.
    OverLimit {
        /// The number allowed per window.
        limit: u32,
        /// The window.
        window: Duration,
        /// The key of the limit, such as `client`.
        by: Arc<str>,
    },
    /// Any other reason, in the rule's words.
    Other(Cow<'static, str>),
}

/// Displays [`Cause::summary`].
struct Summary<'c>(&'c Cause);

// === impl Verdict ===

impl Verdict {
    /// Allows the request for `cause`.
    pub fn allow(cause: Cause) -> Self {
        Self::Allow(Box::new(cause))
    }

    /// Returns `true` if this verdict, once returned, denies the request: a denial in
    /// [`Mode::Enforce`].
    pub fn refuses(&self) -> bool {
        matches!(self, Self::Deny(denial) if !denial.is_observed())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("pass"),
            Self::Allow(cause) => write!(f, "allowed: {cause}"),
            Self::Deny(denial) => write!(f, "{denial}"),
        }
    }
}

// === impl Denial ===

impl Denial {
    /// Creates an enforced denial.
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

    /// Creates an enforced denial with 403, for a custom rule.
    pub fn forbidden(rule: &'static str, why: &'static str) -> Self {
        let cause = Cause::new(RuleId::builtin(rule), Reason::Other(why.into()));
        Self::new(cause, StatusCode::FORBIDDEN)
    }

    /// Sets whether the denial is enforced.
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Returns `true` if the denial is only recorded as an event ([`Mode::Observe`]).
    pub fn is_observed(&self) -> bool {
        self.mode == Mode::Observe
    }

    /// Adds a ban.
    pub fn with_offense(self, offense: Offense) -> Self {
        Self {
            offense: Some(offense),
            ..self
        }
    }

    /// Sets the time after which a retry can succeed.
    pub fn with_retry_after(self, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..self
        }
    }

    /// Adds a header that the response must have.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds the diagnosis of the WebSocket that the request tried to open.
    pub fn with_diagnosis(self, diagnosis: Diagnosis) -> Self {
        let diagnosis = Some(diagnosis);
        Self { diagnosis, ..self }
    }

    /// Adds the matched bytes.
    pub fn with_evidence(mut self, bytes: &[u8]) -> Self {
        self.cause.evidence = Evidence::new(bytes);
        self
    }
}

impl From<Denial> for Verdict {
    fn from(denial: Denial) -> Self {
        Self::Deny(Box::new(denial))
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = match self.mode {
            Mode::Enforce => "denied",
            Mode::Observe => "would have been denied",
        };
        write!(f, "{result} ({}): {}", self.status.as_u16(), self.cause)?;
        match self.diagnosis {
            Some(diagnosis) => write!(f, "; {diagnosis}; {}", diagnosis.advice()),
            None => Ok(()),
        }
    }
}

// === impl EventId ===

impl EventId {
    /// Creates an id from the number that the enforcing service assigned.
    pub const fn new(id: u64) -> Self {
        Self(id)
    }

    /// The id as 16 hexadecimal digits in lower case, as it is displayed.
    ///
    /// # Examples
    ///
    /// ```
    /// use gabion_core::EventId;
    ///
    /// let id = EventId::new(0x2a_c0de);
    /// assert_eq!(id.digits(), *b"00000000002ac0de");
    /// assert_eq!(id.to_string(), "00000000002ac0de");
    /// ```
    pub fn digits(self) -> [u8; 16] {
        let [high, low] = [self.0 >> 32, self.0 & u64::from(u32::MAX)].map(hex_digits);
        let mut digits = [0; 16];
        for (digit, byte) in digits.iter_mut().zip(high.into_iter().chain(low)) {
            *digit = byte;
        }
        digits
    }
}

/// The eight hexadecimal digits of the lower half of `number`, computed at once.
const fn hex_digits(number: u64) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // Spreads the four bits of each digit to a byte.
    let halves = (number | number << 16) & 0x0000_ffff_0000_ffff;
    let bytes = (halves | halves << 8) & 0x00ff_00ff_00ff_00ff;
    let digits = (bytes | bytes << 4) & (ONES * 0xf);
    // 10 to 15 reach 16 with 6 more.
    let letters = digits.wrapping_add(ONES * 6) >> 4 & ONES;
    let gap = letters.wrapping_mul((b'a' - b'9' - 1) as u64);
    let zeros = ONES * b'0' as u64;
    digits.wrapping_add(zeros).wrapping_add(gap).to_be_bytes()
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.digits()))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({self})")
    }
}

// === impl Cause ===

impl Cause {
    /// Creates a cause without matched bytes.
    pub const fn new(rule: RuleId, reason: Reason) -> Self {
        Self {
            rule,
            reason,
            evidence: Evidence::NONE,
            view: None,
        }
    }

    /// The reason with the matched bytes, escaped and quoted.
    pub const fn summary(&self) -> impl fmt::Display {
        Summary(self)
    }

    /// Creates a cause with the bytes that matched in one view of the path.
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
        write!(f, "rule {}: {}", self.rule, self.summary())?;
        match self.view {
            Some(view) => write!(f, " (path {view})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (reason, evidence) = (&self.0.reason, &self.0.evidence);
        match reason {
            _ if evidence.is_empty() => reason.fmt(f),
            Reason::ExactPath => write!(f, "path is `{evidence}`"),
            Reason::Name => write!(f, "path contains `{evidence}`"),
            Reason::Agent => write!(f, "User-Agent contains `{evidence}`"),
            _ => write!(f, "{reason}: `{evidence}`"),
        }
    }
}

// === impl Reason ===

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::ExactPath => f.write_str("path equals one of the rule"),
            Self::Prefix => f.write_str("path is under a prefix of the rule"),
            Self::Name => f.write_str("path contains a name of the rule"),
            Self::Extension => f.write_str("path has a file extension of the rule"),
            Self::Regex => f.write_str("path matches a regex of the rule"),
            Self::Agent => f.write_str("User-Agent contains a word of the rule"),
            Self::Listed {
                network,
                list,
                line,
            } => write!(f, "address is in {network} ({list}:{line})"),
            Self::Banned { by, left } => {
                write!(f, "banned by rule {by} for another {} s", left.as_secs())
            }
            Self::OverLimit { limit, window, by } => {
                write!(f, "more than {limit} in {window:?} per {by}")
            }
            Self::Other(words) => f.write_str(words),
        }
    }
}
