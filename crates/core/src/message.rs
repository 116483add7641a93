//! What is known of a message before judgment.

use std::{borrow::Cow, fmt};

use crate::{ClientIp, Mode, Now, Offense, RuleId, fnv};

/// A whole message that a client sent over an open socket, unmasked and inflated.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "built by every adapter, and by tests"
)]
pub struct MessageFacts<'m> {
    /// Whom we hold responsible.
    pub client: &'m ClientIp,
    /// The path of the handshake, as it was sent.
    pub path: &'m str,
    /// Whether it is text, which is then known to be UTF-8.
    pub is_text: bool,
    /// The message.
    pub payload: &'m [u8],
    /// Where its first frame began: how many bytes the client had sent before it.
    pub offset: u64,
    /// When it was whole.
    pub now: Now,
}

/// What a rule has against a message.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MessageDenial {
    /// The rule.
    pub rule: RuleId,
    /// Why, in words of the rule's: never the message's.
    pub why: Cow<'static, str>,
    /// Whether the socket ends, or the objection is only told.
    pub mode: Mode,
    /// The ban that comes with it.
    pub offense: Option<Offense>,
}

/// What rules have against one message: those that only observe, and the first that acts.
#[derive(Clone, Debug, Default)]
pub struct MessageDenials {
    observed: Vec<MessageDenial>,
    enforced: Option<MessageDenial>,
}

/// Where a message stood and what it was, without what it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "three numbers")]
pub struct MessageEvidence {
    /// How many bytes the client had sent before its first frame.
    pub offset: u64,
    /// How many bytes it has, unmasked and inflated.
    pub len: u64,
    /// A hash that is the same for the same message ([`MessageFacts::hash`]).
    pub hash: u64,
}

// === impl MessageFacts ===

impl MessageFacts<'_> {
    /// A hash of the message (FNV-1a, 64 bits): to find the same one again in other logs. Who can
    /// guess a message can confirm the guess by it.
    pub fn hash(&self) -> u64 {
        fnv::hash(self.payload)
    }

    /// What events tell of it.
    pub fn evidence(&self) -> MessageEvidence {
        MessageEvidence {
            offset: self.offset,
            len: self.payload.len() as u64,
            hash: self.hash(),
        }
    }
}

// === impl Objection ===

impl MessageDenial {
    /// An objection that acts.
    pub fn new(rule: RuleId, why: impl Into<Cow<'static, str>>) -> Self {
        Self {
            rule,
            why: why.into(),
            mode: Mode::Enforce,
            offense: None,
        }
    }

    /// Sets whether it acts.
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Adds a ban.
    pub fn with_offense(self, offense: Offense) -> Self {
        let offense = Some(offense);
        Self { offense, ..self }
    }
}

// === impl Objections ===

impl MessageDenials {
    /// How many that only observe are kept of one message.
    pub const MAX_OBSERVED: usize = 8;

    /// Takes note of an objection. Of those that act the first counts.
    pub fn add(&mut self, denial: MessageDenial) {
        match denial.mode {
            Mode::Enforce => drop(self.enforced.get_or_insert(denial)),
            Mode::Observe if self.observed.len() < Self::MAX_OBSERVED => {
                self.observed.push(denial);
            }
            Mode::Observe => {}
        }
    }

    /// Whether nothing more need be asked: one acts.
    pub const fn are_final(&self) -> bool {
        self.enforced.is_some()
    }

    /// Those that only observe, and the one that acts.
    pub fn into_parts(self) -> (Vec<MessageDenial>, Option<MessageDenial>) {
        (self.observed, self.enforced)
    }
}

// === impl MessageEvidence ===

impl fmt::Display for MessageEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a message of {} bytes at byte {}, hash {:016x}",
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
    fn first_that_acts_counts_and_hides_none_that_observes() {
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
    fn those_that_observe_are_capped() {
        let mut denials = MessageDenials::default();
        for _ in 0..=MessageDenials::MAX_OBSERVED {
            denials.add(denial("a/1", Mode::Observe));
        }
        assert!(!denials.are_final());
        assert_eq!(denials.into_parts().0.len(), MessageDenials::MAX_OBSERVED);
    }
}
