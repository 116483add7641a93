//! Finds the rule that a view matches.

use gabion_core::Reason;
use regex_automata::{Input, PatternSet, meta::Regex};

use super::{
    agent::Agents,
    name,
    table::{Names, Paths},
};

/// The parts of many rules, by kind. Each key leads to the first rule that holds it.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    pub(super) exact: Paths,
    pub(super) prefix: Paths,
    pub(super) names: Names,
    /// Without the dot.
    pub(super) extensions: Names,
    /// All expressions in one, and the rule of each.
    pub(super) regex: Option<(Regex, Vec<usize>)>,
    /// What is asked of the header, not of the path.
    pub(super) agents: Agents,
}

/// A match: which rule, why, and on which bytes of the view.
pub(super) struct Found<'v> {
    pub(super) rule: usize,
    pub(super) reason: Reason,
    pub(super) bytes: &'v [u8],
}

impl Matcher {
    /// The first part that matches, cheapest kind first.
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
            let (rule, reason) = name::readings(segment).find_map(|name| self.find_name(name))?;
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
        let prefix = || Some((self.prefix.above(view)?, Reason::Prefix));
        let exact = || Some((self.exact.equal(view)?, Reason::ExactPath));
        let (rule, reason) = prefix().or_else(exact)?;
        Some(Found {
            rule,
            reason,
            bytes: view,
        })
    }

    /// The first rule of those that match.
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
