//! All message rules are searched at once. The result is that of one rule after the other.

use gabion_testkit::laws::{MessageInput, messages};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::Config};

/// Parts of literals and messages. Some begin others, and some differ in case only, also by the rules of
/// Unicode.
const PARTS: [&str; 24] = [
    "a", "b", "A", "ab", "abc", "B", "$", "${", "<", "<a", "k", "\u{212a}", "s", "\u{17f}", "S",
    "\u{e9}", "script", "SCRIPT", " ", "1", "--", "'", "x", "union",
];

/// Parts of JSON.
const JSON: [&str; 20] = [
    "[", "]", "{", "}", "\"", ":", ",", "\\", "\\\"", "{\"a\":", "[[", "]]", "true", "null",
    "-1.5", "nul", "\"[{\"", " ", "\n", "[1,",
];

const EXPRESSIONS: [&str; 28] = [
    "a",
    "b",
    "ab",
    "[ab]",
    "a+",
    "b?",
    "(a|b)",
    "(ab|<a)",
    "(?i:k)",
    "(?i:s)",
    "(?i:union)",
    r"\d",
    ".*",
    "<",
    "script",
    r"\b",
    "$",
    "^",
    "\u{e9}",
    r"\s",
    "x{2}",
    "[^a]",
    "(?:ab){2,}",
    "(script|SCRIPT)?",
    "-",
    "(?s:.)",
    r"\x{17f}",
    "[k-s]",
];

fn joined(parts: &'static [&str], most: usize) -> impl Strategy<Value = String> {
    vec(select(parts), 1..most).prop_map(|parts| parts.concat())
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => joined(&PARTS, 5).prop_map(|literal| format!("contains={literal}")),
        6 => (any::<bool>(), joined(&EXPRESSIONS, 6)).prop_map(|(ignore_case, pattern)| {
            let flags = if ignore_case { "(?i)" } else { "" };
            format!("matches={flags}{pattern}")
        }),
        2 => (1..6).prop_map(|depth| format!("depth={depth}")),
        1 => (1..200).prop_map(|size| format!("longer={size}")),
        3 => Just("ignore_case".into()),
        4 => Just("observe".into()),
        3 => select(&["all", "binary", "ban", "path=/chat", "path=/chat/1", "path=/admin"][..]).prop_map(Into::into),
    ]
}

fn rules() -> impl Strategy<Value = String> {
    let rule = vec(field(), 1..5).prop_map(|fields| fields.join("\t"));
    vec(rule, 1..8).prop_map(|rules| rules.join("\n"))
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let text = vec(select(&PARTS[..]), 0..80).prop_map(|parts| parts.concat().into_bytes());
    let json = vec(
        prop_oneof![9 => select(&JSON[..]), 1 => select(&PARTS[..])],
        0..60,
    );
    let json = json.prop_map(|parts| parts.concat().into_bytes());
    let flood = (select(&PARTS[..]), 1..300_usize, select(&PARTS[..]));
    let flood = flood.prop_map(|(part, count, last)| (part.repeat(count) + last).into_bytes());
    prop_oneof![3 => text, 2 => json, 1 => flood, 1 => vec(any::<u8>(), 0..40)]
}

#[test]
fn rules_together_judge_as_alone() {
    let config = Config {
        cases: 3000,
        failure_persistence: None,
        ..Config::default()
    };
    proptest!(config, |(path: u8, is_text in prop::bool::weighted(0.8), rules in rules(), message in message())| {
        let text = [rules.as_bytes(), b"\n\n", &message].concat();
        messages(&MessageInput { path, is_text, text: &text });
    });
}
