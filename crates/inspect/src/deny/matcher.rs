//! Search for the rule that matches a view.

use gabion_core::Reason;
use regex_automata::{Input, PatternSet, meta::Regex};

use super::{
    agent::Agents,
    name,
    table::{Names, Paths},
};

/// The conditions of many rules, by kind. Each key maps to the index of the first rule that
/// contains it.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    pub(super) exact: Paths,
    pub(super) prefix: Paths,
    pub(super) names: Names,
    /// Extensions without the dot.
    pub(super) extensions: Names,
    /// All expressions in one automaton, and the rule of each.
    pub(super) regex: Option<(Regex, Vec<usize>)>,
    /// Substrings of the user agent, which are not searched in the path.
    pub(super) agents: Agents,
}

/// A match: the rule, the reason, and the matching bytes of the view.
pub(super) struct Found<'v> {
    pub(super) rule: usize,
    pub(super) reason: Reason,
    pub(super) bytes: &'v [u8],
}

impl Matcher {
    /// Returns the first match, by the cheapest kind of condition first.
    pub(super) fn find<'v>(&self, view: &'v [u8]) -> Option<Found<'v>> {
        self.find_segment(view)
            .or_else(|| self.find_path(view))
            .or_else(|| self.find_regex(view))
    }

    fn find_segment<'v>(&self, view: &'v [u8]) -> Option<Found<'v>> {
        if self.names.is_empty() && self.extensions.is_empty() {
            return None;
        }
        let segments = view.split(|&byte| byte == b'/').filter(|s| !s.is_empty());
        segments.into_iter().find_map(|segment| {
            let (rule, reason) =
                name::interpretations(segment).find_map(|name| self.find_name(name))?;
            Some(Found {
                rule,
                reason,
                bytes: segment,
            })
        })
    }

    fn find_name(&self, name: &[u8]) -> Option<(usize, Reason)> {
        if let Some(rule) = self.names.find(name) {
            return Some((rule, Reason::Name));
        }
        if self.extensions.is_empty() {
            return None;
        }
        let rule = self.extensions.find(name::extension(name)?)?;
        Some((rule, Reason::Extension))
    }

    fn find_path<'v>(&self, view: &'v [u8]) -> Option<Found<'v>> {
        let prefix = || Some((self.prefix.find_ancestor(view)?, Reason::Prefix));
        let exact = || Some((self.exact.find_exact(view)?, Reason::ExactPath));
        let (rule, reason) = prefix().or_else(exact)?;
        Some(Found {
            rule,
            reason,
            bytes: view,
        })
    }

    /// Returns the match of the first rule whose expression matches.
    fn find_regex<'v>(&self, view: &'v [u8]) -> Option<Found<'v>> {
        let (regex, rules) = self.regex.as_ref()?;
        if !regex.is_match(view) {
            return None;
        }
        let mut matching = PatternSet::new(regex.pattern_len());
        regex.which_overlapping_matches(&Input::new(view), &mut matching);
        Some(Found {
            rule: *rules.get(matching.iter().next()?.as_usize())?,
            reason: Reason::Regex,
            bytes: view,
        })
    }
}
