//! Search for the rule that matches a view.

use gabion_core::{NameFilter, PathPrefixes, PathViews, Reason, Segment, View};
use regex_automata::{Input, PatternSet, meta::Regex};

use super::{agent::Agents, embedded_url, hidden::HiddenNames, names::Names};

/// The conditions of many rules, by kind. Each key maps to the index of the first rule that
/// contains it.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    pub(super) exact: PathPrefixes,
    pub(super) prefix: PathPrefixes,
    pub(super) names: Names,
    pub(super) hidden: HiddenNames,
    /// Extensions without the dot.
    pub(super) extensions: Names,
    /// Extensions that do not match in a URL inside the path.
    pub(super) own_extensions: Names,
    /// The names other than hidden ones with any extension, the extensions, and the first segments of the paths.
    gate: NameFilter,
    /// The first segments of the paths.
    first_segments: NameFilter,
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

/// The conditions of a matcher that may match a path, in some view.
#[derive(Clone, Copy, Debug)]
pub(super) enum Candidates {
    All,
    /// The expressions.
    Regex,
}

// === impl Matcher ===

impl Matcher {
    /// Closes the gate to all that no condition names. Call it after the last condition is added.
    pub(super) fn close_gate(&mut self) {
        for paths in [&self.exact, &self.prefix] {
            self.first_segments.merge(paths.first_segments());
        }
        for filter in [
            self.names.filter(),
            self.extensions.filter(),
            self.own_extensions.filter(),
            &self.first_segments,
        ] {
            self.gate.merge(filter);
        }
    }

    /// Returns `true` if there is no condition on the path.
    pub(super) const fn has_no_paths(&self) -> bool {
        self.has_no_lists() && self.regex.is_none()
    }

    /// Returns `true` if there is no condition on the path but expressions.
    const fn has_no_lists(&self) -> bool {
        self.gate.is_empty() && self.hidden.is_empty()
    }

    /// Returns the conditions that may match `path`, or `None` if certainly none matches any view.
    #[inline]
    pub(super) fn candidates(&self, path: &PathViews<'_>) -> Option<Candidates> {
        let is_listed = || {
            if path.has_one_form() {
                path.iter().any(|view| self.may_be_listed(view))
            } else {
                self.may_list_a_form(path)
            }
        };
        if !self.has_no_lists() && is_listed() {
            return Some(Candidates::All);
        }
        self.regex.as_ref().map(|_| Candidates::Regex)
    }

    /// Returns `false` if certainly no condition but an expression matches any view of a path that has
    /// several, by the names in all of them.
    #[cold]
    fn may_list_a_form(&self, path: &PathViews<'_>) -> bool {
        let is_listed = |name: Segment<'_>| {
            let may_be_listed = |name| self.gate.may_contain(name);
            let passes_gate = may_be_listed(name.bytes())
                || name.extension().is_some_and(may_be_listed)
                || name.bytes().starts_with(b".") && !self.hidden.is_empty();
            passes_gate
                && (self.find_name(name, true).is_some()
                    || self.first_segments.may_contain(name.bytes()))
        };
        // The root has no segment, and may be an exact path.
        self.first_segments.accepts_all() || path.any_name(is_listed)
    }

    /// Returns the first match of a candidate, by the cheapest kind of condition first.
    pub(super) fn find<'v>(&self, view: View<'v>, candidates: Candidates) -> Option<Found<'v>> {
        let are_all = matches!(candidates, Candidates::All);
        let may_be_listed = are_all && self.may_be_listed(view);
        let listed = may_be_listed.then(|| self.find_listed(view));
        listed.flatten().or_else(|| self.find_regex(view.path))
    }

    /// Returns `false` if certainly no condition but an expression matches `view`.
    #[inline]
    fn may_be_listed(&self, view: View<'_>) -> bool {
        // The root has no segment, and may be an exact path.
        let may_be_hidden = || !self.hidden.is_empty() && view.may_have_hidden_names();
        self.gate.may_contain_any(view) || view.path == b"/" || may_be_hidden()
    }

    /// Returns the first match of a condition other than an expression.
    #[cold]
    fn find_listed<'v>(&self, view: View<'v>) -> Option<Found<'v>> {
        self.find_segment(view).or_else(|| self.find_path(view))
    }

    fn find_segment<'v>(&self, view: View<'v>) -> Option<Found<'v>> {
        let mut is_own = true;
        view.segments().find_map(|segment| {
            is_own = is_own
                && (self.own_extensions.is_empty() || !embedded_url::begins_in(segment.bytes()));
            let (rule, reason) = if segment.is_canonical() {
                self.find_name(segment, is_own)?
            } else {
                let mut names = segment.interpretations();
                names.find_map(|name| self.find_name(name, is_own))?
            };
            Some(Found {
                rule,
                reason,
                bytes: segment.bytes(),
            })
        })
    }

    /// Returns the rule that matches a name, which `is_own` unless it is in a URL inside the path.
    fn find_name(&self, name: Segment<'_>, is_own: bool) -> Option<(usize, Reason)> {
        let named = self.names.find(name.bytes());
        if let Some(rule) = named.or_else(|| self.hidden.find(name.bytes())) {
            return Some((rule, Reason::Name));
        }
        let extension = name.extension()?;
        let own = is_own
            .then(|| self.own_extensions.find(extension))
            .flatten();
        let rule = self
            .extensions
            .find(extension)
            .into_iter()
            .chain(own)
            .min()?;
        Some((rule, Reason::Extension))
    }

    fn find_path<'v>(&self, view: View<'v>) -> Option<Found<'v>> {
        let prefix = || Some((self.prefix.containing(view).next()?, Reason::Prefix));
        let exact = || Some((self.exact.equal(view)?, Reason::ExactPath));
        let (rule, reason) = prefix().or_else(exact)?;
        Some(Found {
            rule,
            reason,
            bytes: view.path,
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
