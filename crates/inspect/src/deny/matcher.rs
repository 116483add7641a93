//! Finds the rule that a view matches.

use std::collections::HashMap;

use gabion_core::Reason;
use regex_automata::{Input, PatternSet, meta::Regex};

use super::{
    agent::Agents,
    name::{self, Folded},
};

/// The parts of many rules, by kind. Each key leads to the first rule that holds it.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    /// Folded paths, without a slash at the end.
    pub(super) exact: HashMap<Box<[u8]>, usize>,
    /// Folded paths, without a slash at the end.
    pub(super) prefix: HashMap<Box<[u8]>, usize>,
    /// Folded names.
    pub(super) names: HashMap<Box<[u8]>, usize>,
    /// Folded extensions, without the dot.
    pub(super) extensions: HashMap<Box<[u8]>, usize>,
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
        let look_up = |map: &HashMap<Box<[u8]>, usize>, name: &[u8]| {
            if map.is_empty() {
                return None;
            }
            map.get(Folded::of(name)?.as_bytes()).copied()
        };
        if let Some(rule) = look_up(&self.names, name) {
            return Some((rule, Reason::Name));
        }
        let rule = look_up(&self.extensions, name::extension(name)?)?;
        Some((rule, Reason::Extension))
    }

    fn find_path<'v>(&self, view: &'v [u8]) -> Option<Found<'v>> {
        if self.prefix.is_empty() && self.exact.is_empty() {
            return None;
        }
        let mut path = Folded::new();
        let mut found = self.prefix.get(path.as_bytes()).copied();
        for segment in view.split(|&byte| byte == b'/').filter(|s| !s.is_empty()) {
            if found.is_some() || !path.push(b"/") || !path.push(name::plain(segment)) {
                break;
            }
            found = self.prefix.get(path.as_bytes()).copied();
        }
        if let Some(rule) = found {
            return Some(Found {
                rule,
                reason: Reason::Prefix,
                bytes: view,
            });
        }
        let rule = *self.exact.get(fold_path(view)?.as_bytes())?;
        Some(Found {
            rule,
            reason: Reason::ExactPath,
            bytes: view,
        })
    }

    /// Without captures (see `compile`) only `is_match` and the set of patterns that match may be
    /// asked for; every other search would find nothing.
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

/// A path as rules hold it: folded, its names plain, no slash at the end. `None` where it is
/// longer than any rule.
pub(super) fn fold_path(path: &[u8]) -> Option<Folded> {
    let mut folded = Folded::new();
    let segments = path.split(|&byte| byte == b'/').filter(|s| !s.is_empty());
    for segment in segments {
        if !folded.push(b"/") || !folded.push(name::plain(segment)) {
            return None;
        }
    }
    Some(folded)
}
