//! Compilation of regular expressions with a bound on their size.

use regex_automata::{
    MatchKind,
    meta::{BuildError, Config, Regex},
    nfa::thompson::WhichCaptures,
    util::syntax,
};

use crate::Problem;

/// The largest size of one compiled expression, in bytes.
pub(crate) const MAX_ONE: usize = 1 << 20;

/// The largest size of all expressions that are searched together, in bytes.
pub(crate) const MAX_ALL: usize = 32 << 20;

/// Returns an error if `pattern` does not compile alone.
pub(crate) fn check(pattern: &str) -> Result<(), Problem> {
    build(&[pattern], MAX_ONE)
        .map(drop)
        .map_err(|error| Problem::Regex {
            pattern: pattern.to_owned(),
            why: message(&error),
        })
}

/// Compiles expressions that passed [`check`] into one automaton. `what` describes them in errors.
pub(crate) fn all(patterns: &[String], what: &str) -> Result<Regex, Problem> {
    build(patterns, MAX_ALL).map_err(|error| Problem::Regex {
        pattern: format!("{what}, all {} together", patterns.len()),
        why: message(&error),
    })
}

/// Captures stay off: with them, memory grows with patterns times states, up to gigabytes. Only
/// `is_match` and `which_overlapping_matches` work without captures; every other search finds
/// nothing.
fn build<P: AsRef<str>>(patterns: &[P], size: usize) -> Result<Regex, Box<BuildError>> {
    let config = Config::new()
        .match_kind(MatchKind::All)
        .which_captures(WhichCaptures::None)
        .utf8_empty(false)
        .nfa_size_limit(Some(size))
        .onepass_size_limit(Some(size));
    Regex::builder()
        .configure(config)
        .syntax(syntax::Config::new().utf8(false))
        .build_many(patterns)
        .map_err(Box::new)
}

/// Returns the innermost error message; the outer ones only state that building failed.
fn message(error: &BuildError) -> String {
    match (error.size_limit(), error.syntax_error()) {
        (Some(limit), _) => format!("needs more than {limit} bytes once compiled"),
        (None, Some(syntax)) => syntax.to_string(),
        (None, None) => error.to_string(),
    }
}
