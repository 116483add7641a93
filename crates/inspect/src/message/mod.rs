//! Refuses messages that clients send over open WebSockets.
//!
//! A message passes when no enforced rule that is about its kind and the path of its socket objects
//! to it: it holds none of the rule's literals, none of its expressions is found in it, it is no
//! longer and its JSON is no deeper than the rule says. Text is known to be UTF-8 by then; literals and
//! expressions are searched for in bytes, in binary messages as well.
//!
//! What a rule says of a message never holds any of it.
//!
//! # Limits
//!
//! A rule sees one message, whole, and no other: what is spread over several is not put together.
//! Nothing in it is decoded: an expression must know of `\u0041` in JSON by itself. Messages longer
//! than `[upgrade] max_message` end their socket before they are judged.
//!
//! # Cost
//!
//! Per rule that is about the message: one pass for all literals, one for all expressions, one for
//! the depth, in time that is linear in the message. No allocation for a message that passes on a
//! plain path (see [`PathViews`]).

mod compile;
mod config;
mod depth;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, time::Duration};

use aho_corasick::AhoCorasick;
use gabion_core::{
    Facts, Inspect, MessageFacts, Mode, Objection, Objections, Offence, PathViews, Proof, Reads,
    RuleId, Trace, Verdict,
};
use regex_automata::meta::Regex;

use crate::{ByteSize, ConfigErrors};
use depth::Depth;

pub use config::{MessageRule, MessageThen, MessageThenError};

/// Refuses messages. Compiled from [`MessageRule`]s; immutable.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use gabion_core::Mode;
/// use gabion_inspect::{MessageRule, Messages};
///
/// let rule = MessageRule::new("jndi").contains(["${jndi:"]);
/// let messages = Messages::compile(&[rule], Mode::Enforce, Duration::from_secs(600))?;
/// assert_eq!(messages.len(), 1);
/// # Ok::<(), gabion_inspect::ConfigErrors>(())
/// ```
#[derive(Debug, Default)]
pub struct Messages {
    rules: Vec<Rule>,
    /// Whether only pages whose origins are named can have opened a socket.
    pages_are_known: bool,
    /// What others have read everywhere, and whether any of them acts.
    others: (Reads, bool),
}

#[derive(Debug)]
struct Rule {
    id: RuleId,
    mode: Mode,
    ban_for: Option<Duration>,
    /// The empty one is above every path.
    paths: Vec<Box<[u8]>>,
    texts: bool,
    binaries: bool,
    literals: Option<AhoCorasick>,
    regex: Option<Regex>,
    longer_than: Option<ByteSize>,
    json_depth: Option<u32>,
}

// === impl Messages ===

impl Messages {
    /// Compiles `rules`. A rule that names no mode has `mode`; one that bans without saying for how
    /// long bans for `first`.
    ///
    /// # Errors
    ///
    /// Every entry of every rule that cannot be compiled.
    pub fn compile(
        rules: &[MessageRule],
        mode: Mode,
        first: Duration,
    ) -> Result<Self, ConfigErrors> {
        Ok(Self {
            rules: compile::compile(rules, mode, first)?,
            pages_are_known: false,
            others: (Reads::Nothing, false),
        })
    }

    /// Has read what an inspector beside these rules asks for ([`Inspect::reads`]), wherever that is,
    /// and whether it may act.
    pub fn with_other(mut self, reads: Reads, mode: Mode) -> Self {
        let acts = reads != Reads::Nothing && mode == Mode::Enforce;
        self.others = (self.others.0.max(reads), self.others.1 || acts);
        self
    }

    /// Whether nothing of any message is read.
    pub fn read_nothing(&self) -> bool {
        self.is_empty() && self.others.0 == Reads::Nothing
    }

    /// Says that no page can open a socket but those whose origins are named, so that a client can
    /// be held to what it says on one. Any page else can have its visitors send anything: what it has
    /// them send counts together with others, as a link does.
    pub fn with_known_pages(self, pages_are_known: bool) -> Self {
        Self {
            pages_are_known,
            ..self
        }
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What must be read of sockets below `route` that lie below none of the routes `before`, and
    /// whether any rule acts there.
    pub(crate) fn reads(&self, route: &[u8], before: &[Box<[u8]>]) -> (Reads, bool) {
        let about = |path: &[u8]| {
            let elsewhere = || before.iter().any(|before| is_below(path, before));
            is_below(route, path) || is_below(path, route) && !elsewhere()
        };
        let rules = self
            .rules
            .iter()
            .filter(|rule| rule.paths.iter().any(|path| about(path)));
        rules.fold(self.others, |(reads, holds), rule| {
            let acts = rule.mode == Mode::Enforce;
            (reads.max(rule.reads()), holds || acts)
        })
    }
}

impl Inspect for Messages {
    fn name(&self) -> &'static str {
        "message"
    }

    /// It has nothing to say of requests.
    fn inspect(&self, _facts: &Facts<'_>, _trace: &mut Trace) -> Verdict {
        Verdict::Pass
    }

    fn message(&self, message: &MessageFacts<'_>, objections: &mut Objections) {
        let path = PathViews::of(message.path.as_bytes());
        let about = self
            .rules
            .iter()
            .filter(|rule| rule.is_about(message, &path));
        for rule in about {
            if objections.are_final() {
                return;
            }
            if let Some(why) = rule.objects(message.payload) {
                let proof = if self.pages_are_known {
                    Proof::Certain
                } else {
                    Proof::Forgeable { path: path.hash() }
                };
                objections.add(rule.objection(why, proof));
            }
        }
    }
}

/// Whether `path` is `prefix` or lies below it, where both are as rules hold them.
fn is_below(path: &[u8], prefix: &[u8]) -> bool {
    matches!(path.strip_prefix(prefix), Some([] | [b'/', ..]))
}

// === impl Rule ===

impl Rule {
    const fn reads(&self) -> Reads {
        if self.binaries {
            Reads::All
        } else {
            Reads::Text
        }
    }

    fn is_about(&self, message: &MessageFacts<'_>, path: &PathViews<'_>) -> bool {
        let kind = if message.is_text {
            self.texts
        } else {
            self.binaries
        };
        let below = |prefix: &[u8]| path.iter().any(|view| view.lies_below(prefix));
        kind && self.paths.iter().any(|prefix| below(prefix))
    }

    /// Cheapest first.
    fn objects(&self, payload: &[u8]) -> Option<Cow<'static, str>> {
        if let Some(most) = self
            .longer_than
            .filter(|most| payload.len() as u64 > most.0)
        {
            return Some(format!("the message is longer than {most}").into());
        }
        if self
            .literals
            .as_ref()
            .is_some_and(|all| all.is_match(payload))
        {
            return Some("the message holds what the rule names".into());
        }
        if self.regex.as_ref().is_some_and(|all| all.is_match(payload)) {
            return Some("an expression matches the message".into());
        }
        let most = self
            .json_depth
            .filter(|most| Depth::is_beyond(payload, *most))?;
        Some(format!("the message is JSON of more than {most} levels").into())
    }

    fn objection(&self, why: Cow<'static, str>, proof: Proof) -> Objection {
        let objection = Objection::new(self.id.clone(), why).with_mode(self.mode);
        let Some(ban_for) = self.ban_for else {
            return objection;
        };
        let offence = Offence::certain(self.id.clone(), ban_for);
        objection.with_offence(offence.with_proof(proof).with_mode(self.mode))
    }
}
