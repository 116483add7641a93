//! Properties of a WebSocket message, and denials of it.

use std::{borrow::Cow, fmt};

use crate::{ClientIp, Mode, Now, Offense, RuleId, stable_hash};

/// A complete message that a client sent in an open session, unmasked and inflated. Judged by
/// [`InspectMessage`](crate::InspectMessage).
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "built by every adapter, and by tests"
)]
pub struct MessageFacts<'m> {
    /// The client.
    pub client: &'m ClientIp,
    /// The path of the handshake, as sent.
    pub path: &'m str,
    /// `true` for a text message, which is then valid UTF-8.
    pub is_text: bool,
    /// The payload.
    pub payload: &'m [u8],
    /// The start of its first frame: the number of bytes that the client sent before it.
    pub offset: u64,
    /// The time at which the message was complete.
    pub now: Now,
}

/// The control frames (RFC 6455, 5.5) that a payload can come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "all that RFC 6455 defines")]
pub enum ControlKind {
    /// The reason of a close frame, without its code.
    Close,
    /// The payload of a ping.
    Ping,
    /// The payload of a pong.
    Pong,
}

/// A rule's denial of a message.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MessageDenial {
    /// The rule.
    pub rule: RuleId,
    /// The reason, in the rule's words. Never contains bytes of the message.
    pub why: Cow<'static, str>,
    /// The mode: the session is closed, or only an event is recorded.
    pub mode: Mode,
    /// The ban that comes with the denial.
    pub offense: Option<Offense>,
}

/// The denials of one message: those in observe mode, and the first enforced one.
///
/// # Examples
///
/// ```
/// use gabion_core::{Mode, MessageDenial, MessageDenials, RuleId};
///
/// let mut denials = MessageDenials::default();
/// let denial = MessageDenial::new(RuleId::builtin("no-secrets"), "it contains a secret");
/// denials.add(denial.clone().with_mode(Mode::Observe));
/// assert!(!denials.are_final(), "the message passes");
/// denials.add(denial);
/// assert!(denials.are_final(), "the message is denied");
/// ```
#[derive(Clone, Debug, Default)]
pub struct MessageDenials {
    observed: Vec<MessageDenial>,
    enforced: Option<MessageDenial>,
}

/// The position, length and hash of a message or of the payload of a control frame, without its
/// content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct MessageEvidence {
    /// The kind of control frame; `None` for a message.
    pub control: Option<ControlKind>,
    /// The number of bytes that the client sent before its first frame.
    pub offset: u64,
    /// The length in bytes, unmasked and inflated.
    pub len: u64,
    /// A hash of the content ([`MessageFacts::hash`]).
    pub hash: u64,
}

// === impl MessageFacts ===

impl MessageFacts<'_> {
    /// A hash of the message (FNV-1a, 64 bits), to find the same message in other logs. It is not
    /// secret: it confirms a correct guess of the message.
    pub fn hash(&self) -> u64 {
        stable_hash(self.payload)
    }

    /// The data that events contain about the message, or about the payload of a control frame.
    pub fn evidence(&self, control: Option<ControlKind>) -> MessageEvidence {
        MessageEvidence {
            control,
            offset: self.offset,
            len: self.payload.len() as u64,
            hash: self.hash(),
        }
    }
}

// === impl ControlKind ===

impl ControlKind {
    /// The name of the payload in events: `close reason`, `ping payload` or `pong payload`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Close => "close reason",
            Self::Ping => "ping payload",
            Self::Pong => "pong payload",
        }
    }
}

// === impl MessageDenial ===

impl MessageDenial {
    /// Creates an enforced denial.
    pub fn new(rule: RuleId, why: impl Into<Cow<'static, str>>) -> Self {
        Self {
            rule,
            why: why.into(),
            mode: Mode::Enforce,
            offense: None,
        }
    }

    /// Sets whether the denial is enforced.
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Adds a ban.
    pub fn with_offense(self, offense: Offense) -> Self {
        let offense = Some(offense);
        Self { offense, ..self }
    }
}

// === impl MessageDenials ===

impl MessageDenials {
    /// The maximum number of denials in observe mode that are kept per message.
    pub const MAX_OBSERVED: usize = 8;

    /// Adds a denial. Only the first enforced one is kept.
    pub fn add(&mut self, denial: MessageDenial) {
        match denial.mode {
            Mode::Enforce => drop(self.enforced.get_or_insert(denial)),
            Mode::Observe if self.observed.len() < Self::MAX_OBSERVED => {
                self.observed.push(denial);
            }
            Mode::Observe => {}
        }
    }

    /// Returns `true` if a denial is enforced, so that no further rule needs to run.
    pub const fn are_final(&self) -> bool {
        self.enforced.is_some()
    }

    /// The denials in observe mode, and the enforced one.
    pub fn into_parts(self) -> (Vec<MessageDenial>, Option<MessageDenial>) {
        (self.observed, self.enforced)
    }
}

// === impl MessageEvidence ===

impl fmt::Display for MessageEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.control.map_or("message", ControlKind::name);
        write!(
            f,
            "{what} of {} bytes at byte {}, hash {:016x}",
            self.len, self.offset, self.hash
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(rule: &'static str, mode: Mode) -> MessageDenial {
        MessageDenial::new(RuleId::builtin(rule), "why").with_mode(mode)
    }

    #[test]
    fn first_enforced_denial_counts_and_observed_ones_are_kept() {
        let mut denials = MessageDenials::default();
        for (rule, mode) in [
            ("a/1", Mode::Observe),
            ("a/2", Mode::Enforce),
            ("a/3", Mode::Enforce),
            ("a/4", Mode::Observe),
        ] {
            denials.add(denial(rule, mode));
        }
        assert!(denials.are_final());
        let (observed, enforced) = denials.into_parts();
        let observed: Vec<_> = observed.iter().map(|one| one.rule.to_string()).collect();
        assert_eq!(observed, ["a/1", "a/4"]);
        assert_eq!(enforced.unwrap().rule.to_string(), "a/2");
    }

    #[test]
    fn observed_denials_are_capped() {
        let mut denials = MessageDenials::default();
        for _ in 0..=MessageDenials::MAX_OBSERVED {
            denials.add(denial("a/1", Mode::Observe));
        }
        assert!(!denials.are_final());
        assert_eq!(denials.into_parts().0.len(), MessageDenials::MAX_OBSERVED);
    }
}
