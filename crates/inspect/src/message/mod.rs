//! Rules on messages that clients send over open WebSockets.
//!
//! A message passes if no enforced rule for its kind and the path of its WebSocket matches it: it
//! contains none of the rule's literals, none of its regular expressions match, it is no longer and
//! its JSON is nested no deeper than the rule allows. Text messages are valid UTF-8 by then.
//! Literals and expressions are matched against bytes, in binary messages, too.
//!
//! The reasons of close frames and the payloads of pings and pongs are judged by literals and
//! expressions, as a text message if they are valid UTF-8, and as a binary one otherwise.
//!
//! The reason of a denial never contains any part of the message.
//!
//! # Limits
//!
//! A rule sees one complete message at a time; content that is split over several messages is not
//! joined. Nothing in a message is decoded: an expression must account for `\u0041` in JSON by
//! itself. Messages over `[upgrade] max_message` close their WebSocket before the rules run.
//!
//! # Cost
//!
//! A message is searched once for all rules, in linear time: for the literals of `contains` and
//! those that regular expressions require, for expressions that require none, and for the depth.
//! Only rules for which something was found are judged one by one, and only then an expression
//! with a required literal runs. No allocation for a message in which nothing is found.

mod compile;
mod config;
mod depth;
mod filter;
mod literals;
mod matcher;
mod required;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, time::Duration};

use gabion_core::{
    Attribution, ControlKind, InspectMessage, MessageDenial, MessageDenials, MessageFacts,
    MessageKinds, Mode, Offense, PathPrefixes, PathViews, RuleId,
};
use regex_automata::meta::Regex;

use crate::{ByteSize, Config, ConfigErrors, Context};
use matcher::{Candidates, Matcher};

pub use config::{MessageAction, MessageActionError, MessageRule};

/// Denies WebSocket messages of clients. Compiled from [`MessageRule`]s; immutable.
///
/// # Examples
///
/// ```
/// # use std::time::{Duration, UNIX_EPOCH};
/// use gabion_core::{InspectMessage, MessageDenials, MessageFacts, Now};
/// use gabion_inspect::{Config, Context, MessageRule, State};
/// # let client = gabion_testkit::client_at("203.0.113.9");
///
/// let rule = MessageRule::new("jndi").contains(["${jndi:"]);
/// let messages = [rule].compile(&Context::new(&State::scratch()))?;
/// let judge = |payload: &str| {
///     let mut denials = MessageDenials::default();
///     let message = MessageFacts {
///         client: &client,
///         path: "/chat",
///         is_text: true,
///         payload: payload.as_bytes(),
///         offset: 0,
///         now: Now::new(Duration::ZERO, UNIX_EPOCH),
///     };
///     messages.inspect_message(&message, &mut denials);
///     denials.into_parts().1
/// };
/// assert!(judge("hello").is_none());
/// assert_eq!(judge("${jndi:ldap://x}").unwrap().rule.as_str(), "jndi");
/// # Ok::<(), gabion_inspect::ConfigErrors>(())
/// ```
#[derive(Debug, Default)]
pub struct Messages {
    rules: Vec<Rule>,
    matcher: Matcher,
    /// `true` if only pages of configured origins can have opened a WebSocket.
    origins_are_known: bool,
    /// The message kinds that other inspectors need on all paths, and whether one of them enforces.
    other_kinds: (MessageKinds, bool),
}

#[derive(Debug)]
struct Rule {
    id: RuleId,
    mode: Mode,
    ban_for: Option<Duration>,
    paths: PathPrefixes,
    kinds: Kinds,
    /// All expressions of the rule, several in each automaton.
    expressions: Vec<Regex>,
    longer_than: Option<ByteSize>,
    json_depth: Option<u32>,
}

/// Kinds of messages.
#[derive(Clone, Copy, Debug, Default)]
struct Kinds {
    texts: bool,
    binaries: bool,
}

impl Config for [MessageRule] {
    type Output = Messages;

    /// # Errors
    ///
    /// Every entry that cannot be compiled; more than 1,000 rules, or more than 10,000 literals and
    /// expressions; the rule with which all literals need more than 1 MiB, or all compiled
    /// expressions more than 64 MiB.
    fn compile(&self, context: &Context) -> Result<Messages, ConfigErrors> {
        let (rules, matcher) = compile::compile(self, context)?;
        Ok(Messages {
            rules,
            matcher,
            origins_are_known: false,
            other_kinds: (MessageKinds::None, false),
        })
    }
}

// === impl Messages ===

impl Messages {
    /// Adds the message kinds that another inspector needs on all paths
    /// ([`InspectMessage::message_kinds`]), and its mode.
    pub fn with_other(mut self, message_kinds: MessageKinds, mode: Mode) -> Self {
        let acts = message_kinds != MessageKinds::None && mode == Mode::Enforce;
        self.other_kinds = (
            self.other_kinds.0.max(message_kinds),
            self.other_kinds.1 || acts,
        );
        self
    }

    /// Returns `true` if no inspector reads any message.
    pub fn read_nothing(&self) -> bool {
        self.is_empty() && self.other_kinds.0 == MessageKinds::None
    }

    /// Sets whether only pages of configured origins can open a WebSocket
    /// ([`UpgradeConfig::names_origins`](crate::UpgradeConfig::names_origins)). If `true`, offenses
    /// are [`Attribution::Certain`]. If `false`, any page can make its visitors send messages, and
    /// offenses are [`Attribution::Forgeable`], as for a link.
    pub fn with_known_pages(self, origins_are_known: bool) -> Self {
        Self {
            origins_are_known,
            ..self
        }
    }

    /// Returns the number of rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Returns `true` if there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns the message kinds needed on WebSockets below `route` but below none of the routes
    /// `before`, and whether a rule enforces there.
    pub(crate) fn message_kinds_on(
        &self,
        route: &[u8],
        before: &[Box<[u8]>],
    ) -> (MessageKinds, bool) {
        let applies = |path: &[u8]| {
            let in_earlier_route = || before.iter().any(|before| is_below(path, before));
            is_below(route, path) || is_below(path, route) && !in_earlier_route()
        };
        let rules = self
            .rules
            .iter()
            .filter(|rule| rule.paths.iter().any(&applies));
        rules.fold(self.other_kinds, |(message_kinds, enforces), rule| {
            let acts = rule.mode == Mode::Enforce;
            (
                message_kinds.max(rule.kinds.message_kinds()),
                enforces || acts,
            )
        })
    }

    /// Judges a message, or the payload of a control frame.
    fn judge(
        &self,
        control: Option<ControlKind>,
        message: &MessageFacts<'_>,
        denials: &mut MessageDenials,
    ) {
        if denials.are_final() {
            return;
        }
        let Some(candidates) = self.matcher.search(control, message) else {
            return;
        };
        let path = PathViews::new(message.path.as_bytes());
        let what = control.map_or("message", ControlKind::name);
        for (index, rule) in self.rules.iter().enumerate() {
            if !candidates.contain(index, rule) || !rule.applies_to(message, &path) {
                continue;
            }
            let Some(condition) = rule.find_match(index, message.payload, &candidates) else {
                continue;
            };
            let attribution = if self.origins_are_known {
                Attribution::Certain
            } else {
                Attribution::Forgeable { path: path.hash() }
            };
            denials.add(rule.denial(format!("{what} {condition}").into(), attribution));
            if denials.are_final() {
                return;
            }
        }
    }
}

impl InspectMessage for Messages {
    fn message_kinds(&self) -> MessageKinds {
        let kinds = self.rules.iter().map(|rule| rule.kinds.message_kinds());
        kinds.fold(self.other_kinds.0, MessageKinds::max)
    }

    fn inspect_message(&self, message: &MessageFacts<'_>, denials: &mut MessageDenials) {
        self.judge(None, message, denials);
    }

    fn inspect_control(
        &self,
        kind: ControlKind,
        message: &MessageFacts<'_>,
        denials: &mut MessageDenials,
    ) {
        self.judge(Some(kind), message, denials);
    }
}

/// Returns `true` if `path` is `prefix` or lies below it, both in the form of [`PathPrefixes::fold`].
fn is_below(path: &[u8], prefix: &[u8]) -> bool {
    matches!(path.strip_prefix(prefix), Some([] | [b'/', ..]))
}

// === impl Rule ===

impl Rule {
    fn applies_to(&self, message: &MessageFacts<'_>, path: &PathViews<'_>) -> bool {
        self.kinds.contain(message) && self.paths.contain_any(path)
    }

    /// Returns the first condition that matches, cheapest first, in words.
    fn find_match(
        &self,
        index: usize,
        payload: &[u8],
        candidates: &Candidates,
    ) -> Option<Cow<'static, str>> {
        if let Some(most) = self.longer_than.filter(|most| candidates.len > most.0) {
            return Some(format!("is longer than {most}").into());
        }
        if candidates.literals.contains(index) {
            return Some("contains a string of `contains`".into());
        }
        let may_match = candidates.expressions.contains(index);
        if may_match && self.expressions.iter().any(|regex| regex.is_match(payload)) {
            return Some("matches a regular expression".into());
        }
        let most = self.json_depth.filter(|most| candidates.depth > *most)?;
        Some(format!("is JSON nested deeper than {most} levels").into())
    }

    fn denial(&self, reason: Cow<'static, str>, attribution: Attribution) -> MessageDenial {
        let denial = MessageDenial::new(self.id.clone(), reason).with_mode(self.mode);
        let Some(ban_for) = self.ban_for else {
            return denial;
        };
        let offense = Offense::certain(self.id.clone(), ban_for);
        denial.with_offense(offense.with_attribution(attribution).with_mode(self.mode))
    }
}

// === impl Kinds ===

impl Kinds {
    const fn contain(self, message: &MessageFacts<'_>) -> bool {
        if message.is_text {
            self.texts
        } else {
            self.binaries
        }
    }

    const fn union(self, other: Self) -> Self {
        Self {
            texts: self.texts || other.texts,
            binaries: self.binaries || other.binaries,
        }
    }

    const fn message_kinds(self) -> MessageKinds {
        if self.binaries {
            MessageKinds::All
        } else {
            MessageKinds::Text
        }
    }
}
