//! The literals that a regular expression requires.

use std::cmp::Reverse;

use regex_syntax::hir::{
    Hir, HirKind,
    literal::{ExtractKind, Extractor, Seq},
};

use crate::{Problem, expression};

/// Literals in lower case. Each match of an expression contains one of them, in any case.
type Literals = Vec<Box<[u8]>>;

/// The largest number of literals per expression.
const MAX_LITERALS: usize = 16;

/// The largest length of a literal.
const MAX_LEN: usize = 16;

/// The smallest weight of a literal. Literals of less weight are in so many messages that a search
/// for them saves nothing.
const MIN_WEIGHT: usize = 3;

/// The number of parts of a concatenation that are read for literals from each part on.
const MAX_PARTS: usize = 32;

/// Returns literals that any match of `pattern` requires, or `None` if there are none, or too many
/// or too common ones.
pub(super) fn literals(pattern: &str) -> Result<Option<Literals>, Problem> {
    Ok(required(&expression::parse(pattern)?))
}

fn required(hir: &Hir) -> Option<Literals> {
    // Of equally useful literals, the last ones are taken.
    let suffixes = at_end(hir, &ExtractKind::Suffix);
    let prefixes = at_end(hir, &ExtractKind::Prefix);
    let all = [inside(hir), suffixes, prefixes].into_iter().flatten();
    all.max_by_key(usefulness)
}

/// Returns the literals with which each match begins, or ends.
fn at_end(hir: &Hir, end: &ExtractKind) -> Option<Literals> {
    let mut literals: Seq = Extractor::new().kind(end.clone()).extract(hir);
    match end {
        ExtractKind::Suffix => literals.keep_last_bytes(MAX_LEN),
        _ => literals.keep_first_bytes(MAX_LEN),
    }
    let literals = literals.literals()?.iter();
    let literals = literals.map(|literal| literal.as_bytes().to_ascii_lowercase().into());
    checked(literals.collect())
}

/// Returns literals that each match contains.
fn inside(hir: &Hir) -> Option<Literals> {
    match hir.kind() {
        HirKind::Concat(parts) => {
            let tails = (1..parts.len()).filter_map(|from| parts.get(from..));
            let tails = tails.filter_map(|tail| {
                let tail = tail.iter().take(MAX_PARTS).cloned().collect();
                at_end(&Hir::concat(tail), &ExtractKind::Prefix)
            });
            tails
                .chain(parts.iter().filter_map(inside))
                .max_by_key(usefulness)
        }
        HirKind::Alternation(branches) => {
            let branches = branches.iter().map(required).collect::<Option<Vec<_>>>()?;
            checked(branches.concat())
        }
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        _ => None,
    }
}

/// Removes duplicates, and returns `None` if the literals do not limit the number of messages.
fn checked(mut literals: Literals) -> Option<Literals> {
    literals.sort_unstable();
    literals.dedup();
    let are_rare = literals.iter().all(|literal| weight(literal) >= MIN_WEIGHT);
    (literals.len() <= MAX_LITERALS && are_rare).then_some(literals)
}

/// Returns a larger value for literals that are in fewer messages.
fn usefulness(literals: &Literals) -> (usize, Reverse<usize>) {
    let lightest = literals.iter().map(|literal| weight(literal)).min();
    (lightest.unwrap_or(usize::MAX), Reverse(literals.len()))
}

/// The number of bytes, where those that are rare in prose count twice.
fn weight(literal: &[u8]) -> usize {
    let is_common = |byte: &&u8| byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace();
    2 * literal.len() - literal.iter().filter(is_common).count()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select, test_runner::Config};

    use super::*;

    const PARTS: [&str; 13] = [
        "a", "b", "ab", "c", "A", "B", "k", "\u{212a}", "s", "\u{17f}", "S", "1", " ",
    ];

    fn required(pattern: &str) -> Option<Vec<String>> {
        let literals = literals(pattern).unwrap()?;
        let texts = literals
            .iter()
            .map(|literal| str::from_utf8(literal).unwrap().to_owned());
        Some(texts.collect())
    }

    #[test]
    fn most_useful_literals_are_required() {
        for (pattern, expected) in [
            ("evil", &["evil"][..]),
            ("EVIL", &["evil"]),
            // Unicode has a second small `s` and a second capital `K`.
            (r"(?i)<script[\s>]", &["<script", "<\u{17f}cript"]),
            ("(?i)kill", &["kill", "\u{212a}ill"]),
            (r"\bunion\s+select\b", &["select"]),
            (r"\w+://evil", &["://evil"]),
            (r"\d+[a-z]*secret\d+", &["secret"]),
            (r"\d(secret|token)\d", &["secret", "token"]),
            (r"(?:\d+abc\d+)+x", &["abc"]),
            (r"\d+abc\d+|\w+defg\w+", &["abc", "defg"]),
            (r"\$\{.*\}", &["${"]),
            ("a very long literal that is cut", &["a very long lite"]),
            // Cannot match.
            (r"[a&&b]", &[]),
        ] {
            let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
            assert_eq!(required(pattern), Some(expected), "{pattern}");
        }
        for pattern in [
            r"\d{4}-\d{2}",
            "",
            "<",
            "or",
            "(abc)?",
            "abc|",
            "(?:abc|x)y*",
            "a.b.c",
            "[a-z]{9}",
        ] {
            assert_eq!(required(pattern), None, "{pattern}");
        }
    }

    fn pattern() -> impl Strategy<Value = String> {
        let atom = select(
            &[
                "a", "b", "ab", "abc", "k", "s", "[ab]", "[^a]", ".", r"\d", r"\b", "^", "$", "S",
                "\u{17f}",
            ][..],
        );
        let atom = atom.prop_map(str::to_owned);
        atom.prop_recursive(5, 40, 5, |inner| {
            prop_oneof![
                6 => vec(inner.clone(), 1..6).prop_map(|parts| parts.concat()),
                2 => vec(inner.clone(), 1..4).prop_map(|parts| format!("({})", parts.join("|"))),
                1 => inner.clone().prop_map(|part| format!("(?i:{part})")),
                1 => (inner, select(&["?", "*", "+", "{2}", "{1,3}"][..])).prop_map(|(part, times)| format!("(?:{part}){times}")),
            ]
        })
    }

    #[test]
    fn each_match_contains_a_required_literal() {
        let config = Config {
            cases: 2000,
            failure_persistence: None,
            ..Config::default()
        };
        let text = vec(select(&PARTS[..]), 0..12).prop_map(|parts| parts.concat());
        proptest!(config, |(pattern in pattern(), texts in vec(text, 20))| {
            let Some(literals) = literals(&pattern).unwrap() else {
                return Ok(());
            };
            let checked = [expression::check(&pattern).unwrap()];
            let regex = &expression::groups(&checked).unwrap()[0].0;
            for text in texts.iter().filter(|text| regex.is_match(text.as_bytes())) {
                let text = text.to_ascii_lowercase().into_bytes();
                let is_in = |literal: &[u8]| text.windows(literal.len()).any(|window| window == literal);
                prop_assert!(literals.iter().any(|literal| is_in(literal)), "{pattern} {}", text.escape_ascii());
            }
        });
    }
}
