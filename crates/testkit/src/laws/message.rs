//! Laws of message rules.

use std::{
    num::NonZeroU16,
    time::{Duration, UNIX_EPOCH},
};

use arbitrary::Arbitrary;
use gabion_core::{
    Attribution, InspectMessage as _, MessageDenial, MessageDenials, MessageFacts, Mode, Now,
    Offense, PathPrefixes, PathViews, RuleId,
};
use gabion_inspect::{ByteSize, Config as _, Context, MessageAction, MessageRule, Messages, State};
use regex_automata::{meta::Regex, util::syntax};

use super::json_depth::json_depth;
use crate::client_at;

/// Message rules, and a message.
#[derive(Arbitrary, Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "an input, read from bytes")]
pub struct MessageInput<'i> {
    /// The index of the WebSocket's path in `PATHS`, modulo its length.
    pub path: u8,
    /// Whether the message is a text message.
    pub is_text: bool,
    /// Rules, one per line, with tabs between their conditions and options, such as `contains=evil`,
    /// `matches=(?i)evil`, `depth=8`, `longer=100`, a `path=` in `PREFIXES`, `ignore_case`, `binary`, `all`, `observe`
    /// and `ban`; an empty line; the message.
    pub text: &'i [u8],
}

/// The maximum number of rules.
const MAX_RULES: usize = 12;

const PATHS: [&str; 4] = ["/chat", "/chat/1", "/CHAT;a/../x", "/admin"];

const PREFIXES: [&str; 3] = ["/chat", "/chat/1", "/admin"];

/// The number of times that a message is repeated, so that it contains everything often.
const REPEATED: usize = 20;

/// Checks that rules judged together deny what each of them denies alone, for the same reasons and in their
/// order, by comparison with a search for one condition after the other:
/// 1. the message;
/// 2. the message, repeated.
///
/// # Panics
///
/// Panics if a law is broken.
pub fn messages(input: &MessageInput<'_>) {
    let (rules, payload) = split(input.text);
    let messages = rules
        .compile(&Context::new(&State::scratch()))
        .expect("each of the rules compiles");
    agrees(input, &rules, &messages, payload, "1");
    agrees(input, &rules, &messages, &payload.repeat(REPEATED), "2");
}

fn agrees(
    input: &MessageInput<'_>,
    rules: &[MessageRule],
    messages: &Messages,
    payload: &[u8],
    law: &str,
) {
    let client = client_at("203.0.113.9");
    let message = MessageFacts {
        client: &client,
        path: PATHS[usize::from(input.path) % PATHS.len()],
        is_text: input.is_text,
        payload,
        offset: 0,
        now: Now::new(Duration::ZERO, UNIX_EPOCH),
    };
    let (mut found, mut expected) = (MessageDenials::default(), MessageDenials::default());
    messages.inspect_message(&message, &mut found);
    for denial in rules.iter().filter_map(|rule| judge(rule, &message)) {
        if !expected.are_final() {
            expected.add(denial);
        }
    }
    let context = || format!("{law}: {rules:?} {}", payload.escape_ascii());
    assert_eq!(found.into_parts(), expected.into_parts(), "{}", context());
}

/// Judges a message by one rule.
fn judge(rule: &MessageRule, message: &MessageFacts<'_>) -> Option<MessageDenial> {
    let path = PathViews::new(message.path.as_bytes());
    let kind = if message.is_text { "text" } else { "binary" };
    let prefixes: PathPrefixes = rule.paths.iter().collect();
    let applies = rule.paths.is_empty() || prefixes.contain_any(&path);
    if !applies || !rule.kinds.iter().any(|name| name == kind) {
        return None;
    }
    let id = RuleId::new(&rule.id).expect("a valid id");
    let mode = rule.mode.unwrap_or(Mode::Enforce);
    let denial = MessageDenial::new(id.clone(), reason(rule, message.payload)?).with_mode(mode);
    let MessageAction::Ban(_) = rule.then else {
        return Some(denial);
    };
    let offense = Offense::certain(id, Context::BAN_FOR);
    let attribution = Attribution::Forgeable { path: path.hash() };
    Some(denial.with_offense(offense.with_attribution(attribution).with_mode(mode)))
}

/// Returns the reason of the first condition that matches.
fn reason(rule: &MessageRule, payload: &[u8]) -> Option<String> {
    let len = payload.len() as u64;
    if let Some(most) = rule.longer_than.filter(|most| len > most.0) {
        return Some(format!("message is longer than {most}"));
    }
    let contains = |literal: &String| {
        let literal = literal.as_bytes();
        let mut windows = payload.windows(literal.len());
        windows.any(|window| {
            window == literal || rule.ignore_case && window.eq_ignore_ascii_case(literal)
        })
    };
    if rule.contains.iter().any(contains) {
        return Some("message contains a string of `contains`".into());
    }
    let matches = |pattern: &String| {
        let regex = Regex::builder()
            .configure(Regex::config().utf8_empty(false))
            .syntax(syntax::Config::new().utf8(false))
            .build(pattern);
        regex.expect("a rule that compiles").is_match(payload)
    };
    if rule.matches.iter().any(matches) {
        return Some("message matches a regular expression".into());
    }
    let most = rule.json_depth?;
    (json_depth(payload) > usize::from(most.get()))
        .then(|| format!("message is JSON nested deeper than {most} levels"))
}

/// Splits the text into the rules that compile and the message.
fn split(text: &[u8]) -> (Vec<MessageRule>, &[u8]) {
    let end = text.windows(2).position(|pair| pair == b"\n\n");
    let Some(end) = end else {
        return (Vec::new(), text);
    };
    let lines = text[..end]
        .split(|&byte| byte == b'\n')
        .take(MAX_RULES)
        .enumerate();
    let rules = lines.filter_map(|(index, line)| {
        let rule = rule(index, str::from_utf8(line).ok()?)?;
        let alone = [rule.clone()].compile(&Context::new(&State::scratch()));
        alone.is_ok().then_some(rule)
    });
    (rules.collect(), &text[end + 2..])
}

fn rule(index: usize, line: &str) -> Option<MessageRule> {
    let mut rule = MessageRule::new(format!("rule-{index}"));
    let (mut contains, mut matches, mut paths) = (Vec::new(), Vec::new(), Vec::new());
    for field in line.split('\t') {
        match field.split_once('=').unwrap_or((field, "")) {
            ("contains", literal) => contains.push(literal),
            ("matches", pattern) => matches.push(pattern),
            ("path", path) if PREFIXES.contains(&path) => paths.push(path),
            ("depth", depth) => rule.json_depth = Some(depth.parse::<NonZeroU16>().ok()?),
            ("longer", size) => rule.longer_than = Some(ByteSize(size.parse().ok()?)),
            ("ignore_case", _) => rule.ignore_case = true,
            ("binary", _) => rule.kinds = ["binary"].into_iter().collect(),
            ("all", _) => rule.kinds = ["text", "binary"].into_iter().collect(),
            ("observe", _) => rule.mode = Some(Mode::Observe),
            ("ban", _) => rule.then = MessageAction::Ban(None),
            _ => return None,
        }
    }
    rule.paths = paths.into_iter().collect();
    Some(rule.contains(contains).matches(matches))
}
