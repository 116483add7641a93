//! Compilation of regular expressions with a bound on their size.

use regex_automata::{
    MatchKind,
    meta::{BuildError, Config, Regex},
    nfa::thompson::WhichCaptures,
    util::syntax,
};
use regex_syntax::hir::Hir;

use crate::Problem;

/// The largest size of one compiled expression, in bytes.
pub(crate) const MAX_ONE: usize = 1 << 20;

/// The largest size of all expressions that are searched together, in bytes.
pub(crate) const MAX_ALL: usize = 32 << 20;

/// The largest size of a group of expressions, in bytes. Expressions of twice that size need more
/// states than the cache of a lazy DFA holds, and are then searched a thousand times slower.
const MAX_GROUP: usize = 2 << 20;

/// The smallest and the largest cache of the lazy DFA of a group, in bytes. Each thread that
/// searches at the same time has its own.
const CACHE: (usize, usize) = (256 << 10, 2 << 20);

/// An expression that compiles, and its size in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked<'p> {
    pub(crate) pattern: &'p str,
    pub(crate) size: usize,
}

/// Returns an error if `pattern` does not compile alone.
pub(crate) fn check(pattern: &str) -> Result<Checked<'_>, Problem> {
    let regex = build(&[pattern], MAX_ONE, CACHE.1).map_err(|error| Problem::Regex {
        pattern: pattern.to_owned(),
        why: message(&error),
    })?;
    let size = regex.memory_usage();
    Ok(Checked { pattern, size })
}

/// Returns the syntax tree of an expression.
pub(crate) fn parse(pattern: &str) -> Result<Hir, Problem> {
    syntax::parse_with(pattern, &syntax()).map_err(|error| Problem::Regex {
        pattern: pattern.to_owned(),
        why: error.to_string(),
    })
}

/// Compiles expressions that passed [`check`] into one automaton. `what` describes them in errors.
pub(crate) fn all(patterns: &[String], what: &str) -> Result<Regex, Problem> {
    build(patterns, MAX_ALL, CACHE.1).map_err(|error| Problem::Regex {
        pattern: format!("{what}, all {} together", patterns.len()),
        why: message(&error),
    })
}

/// Compiles expressions into few automata: one for each group of consecutive expressions, with the
/// number of expressions in it.
pub(crate) fn groups(expressions: &[Checked<'_>]) -> Result<Vec<(Regex, usize)>, Problem> {
    let mut groups = Vec::new();
    let mut rest = expressions;
    while !rest.is_empty() {
        let sizes = rest.iter().scan(0_usize, |size, expression| {
            *size = size.saturating_add(expression.size);
            Some(*size)
        });
        let fits = sizes.take_while(|size| *size <= MAX_GROUP).count().max(1);
        let (group, after) = rest.split_at(fits);
        let size: usize = group.iter().map(|expression| expression.size).sum();
        let patterns: Vec<_> = group.iter().map(|expression| expression.pattern).collect();
        let regex = build(&patterns, MAX_ALL, size.clamp(CACHE.0, CACHE.1));
        let regex = regex.map_err(|error| Problem::Regex {
            pattern: format!("{fits} expressions together"),
            why: message(&error),
        })?;
        groups.push((regex, fits));
        rest = after;
    }
    Ok(groups)
}

/// Captures stay off: with them, memory grows with patterns times states, up to gigabytes. Only
/// `is_match` and `which_overlapping_matches` work without captures; every other search finds
/// nothing.
fn build<P: AsRef<str>>(
    patterns: &[P],
    size: usize,
    cache: usize,
) -> Result<Regex, Box<BuildError>> {
    let config = Config::new()
        .match_kind(MatchKind::All)
        .which_captures(WhichCaptures::None)
        .utf8_empty(false)
        .nfa_size_limit(Some(size))
        .onepass_size_limit(Some(size))
        .hybrid_cache_capacity(cache);
    Regex::builder()
        .configure(config)
        .syntax(syntax())
        .build_many(patterns)
        .map_err(Box::new)
}

/// Expressions are matched against bytes, which need not be UTF-8.
fn syntax() -> syntax::Config {
    syntax::Config::new().utf8(false)
}

/// Returns the innermost error message; the outer ones only state that building failed.
fn message(error: &BuildError) -> String {
    match (error.size_limit(), error.syntax_error()) {
        (Some(limit), _) => format!("needs more than {limit} bytes once compiled"),
        (None, Some(syntax)) => syntax.to_string(),
        (None, None) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_searched_in_few_groups() {
        let small: Vec<_> = (0..50).map(|n| format!("[0-9]{{4}}x{n}")).collect();
        let large = [r"\w{18}!", r"\w{18}\?", r"\w{18};"].map(str::to_owned);
        let patterns = [&small[..], &large].concat();
        let checked: Vec<_> = patterns
            .iter()
            .map(|pattern| check(pattern).unwrap())
            .collect();
        let groups = groups(&checked).unwrap();
        let counts: Vec<_> = groups.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts.iter().sum::<usize>(), patterns.len(), "{counts:?}");
        assert!((2..=3).contains(&counts.len()), "{counts:?}");
        for (regex, count) in &groups {
            assert!(*count == 1 || regex.memory_usage() <= MAX_GROUP);
        }
        let found = |text: &str| {
            let matching = groups.iter().filter(|(regex, _)| regex.is_match(text));
            matching.count()
        };
        for text in ["1234x0", "1234x49", "eighteen-characters_in_a_row;"] {
            assert_eq!(found(text), 1, "{text}");
        }
        assert_eq!(found("1234y0"), 0);
    }
}
