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
    Attribution, Facts, Inspect, MessageDenial, MessageDenials, MessageFacts, MessageKinds, Mode,
    Offense, PathViews, RequestState, RuleId, Verdict,
};
use regex_automata::meta::Regex;

use crate::{ByteSize, Config, ConfigErrors, Context};
use depth::Depth;

pub use config::{MessageAction, MessageActionError, MessageRule};

/// Refuses messages. Compiled from [`MessageRule`]s; immutable.
///
/// # Examples
///
/// ```
/// use gabion_inspect::{Config, Context, MessageRule, State};
///
/// let rule = MessageRule::new("jndi").contains(["${jndi:"]);
/// let messages = [rule].compile(&Context::new(&State::scratch()))?;
/// assert_eq!(messages.len(), 1);
/// # Ok::<(), gabion_inspect::ConfigErrors>(())
/// ```
#[derive(Debug, Default)]
pub struct Messages {
    rules: Vec<Rule>,
    /// Whether only pages whose origins are named can have opened a socket.
    pages_are_known: bool,
    /// What others have read everywhere, and whether any of them acts.
    others: (MessageKinds, bool),
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

impl Config for [MessageRule] {
    type Output = Messages;

    /// # Errors
    ///
    /// Every entry of every rule that cannot be compiled; more than 256 rules, or 10,000 literals and
    /// expressions.
    fn compile(&self, context: &Context) -> Result<Messages, ConfigErrors> {
        Ok(Messages {
            rules: compile::compile(self, context)?,
            pages_are_known: false,
            others: (MessageKinds::None, false),
        })
    }
}

// === impl Messages ===

impl Messages {
    /// Has read what an inspector beside these rules asks for ([`Inspect::message_kinds`]), wherever that is,
    /// and whether it may act.
    pub fn with_other(mut self, message_kinds: MessageKinds, mode: Mode) -> Self {
        let acts = message_kinds != MessageKinds::None && mode == Mode::Enforce;
        self.others = (self.others.0.max(message_kinds), self.others.1 || acts);
        self
    }

    /// Whether nothing of any message is read.
    pub fn read_nothing(&self) -> bool {
        self.is_empty() && self.others.0 == MessageKinds::None
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
    pub(crate) fn message_kinds(&self, route: &[u8], before: &[Box<[u8]>]) -> (MessageKinds, bool) {
        let about = |path: &[u8]| {
            let elsewhere = || before.iter().any(|before| is_below(path, before));
            is_below(route, path) || is_below(path, route) && !elsewhere()
        };
        let rules = self
            .rules
            .iter()
            .filter(|rule| rule.paths.iter().any(|path| about(path)));
        rules.fold(self.others, |(message_kinds, holds), rule| {
            let acts = rule.mode == Mode::Enforce;
            (message_kinds.max(rule.message_kinds()), holds || acts)
        })
    }
}

impl Inspect for Messages {
    fn name(&self) -> &'static str {
        "message"
    }

    /// It has nothing to say of requests.
    fn inspect(&self, _facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        Verdict::Pass
    }

    fn message(&self, message: &MessageFacts<'_>, denials: &mut MessageDenials) {
        let path = PathViews::new(message.path.as_bytes());
        let about = self
            .rules
            .iter()
            .filter(|rule| rule.is_about(message, &path));
        for rule in about {
            if denials.are_final() {
                return;
            }
            if let Some(why) = rule.objects(message.payload) {
                let attribution = if self.pages_are_known {
                    Attribution::Certain
                } else {
                    Attribution::Forgeable { path: path.hash() }
                };
                denials.add(rule.denial(why, attribution));
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
    const fn message_kinds(&self) -> MessageKinds {
        if self.binaries {
            MessageKinds::All
        } else {
            MessageKinds::Text
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

    fn denial(&self, why: Cow<'static, str>, attribution: Attribution) -> MessageDenial {
        let denial = MessageDenial::new(self.id.clone(), why).with_mode(self.mode);
        let Some(ban_for) = self.ban_for else {
            return denial;
        };
        let offense = Offense::certain(self.id.clone(), ban_for);
        denial.with_offense(offense.with_attribution(attribution).with_mode(self.mode))
    }
}
