//! Expressions, bounded in what they cost.

use regex_automata::{
    MatchKind,
    meta::{BuildError, Config, Regex},
    nfa::thompson::WhichCaptures,
    util::syntax,
};

use crate::Problem;

/// How large one expression may become, in bytes.
pub(crate) const MAX_ONE: usize = 1 << 20;

/// How large all expressions that are searched for at once may become, in bytes.
pub(crate) const MAX_ALL: usize = 32 << 20;

/// Refuses what does not compile alone.
pub(crate) fn check(pattern: &str) -> Result<(), Problem> {
    build(&[pattern], MAX_ONE)
        .map(drop)
        .map_err(|error| Problem::Regex {
            pattern: pattern.to_owned(),
            why: say(&error),
        })
}

/// Compiles several expressions that are sound alone, which make up `what`.
pub(crate) fn all(patterns: &[String], what: &str) -> Result<Regex, Problem> {
    build(patterns, MAX_ALL).map_err(|error| Problem::Regex {
        pattern: format!("{what}, all {} together", patterns.len()),
        why: say(&error),
    })
}

/// Captures stay off: with them, memory grows with patterns times states, up to gigabytes. So only
/// `is_match` and the set of patterns that match may be asked for; every other search would find
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

/// The innermost reason: the outer ones only say that building failed.
fn say(error: &BuildError) -> String {
    match (error.size_limit(), error.syntax_error()) {
        (Some(limit), _) => format!("needs more than {limit} bytes once compiled"),
        (None, Some(syntax)) => syntax.to_string(),
        (None, None) => error.to_string(),
    }
}
