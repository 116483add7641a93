//! Rules that only observe, or are off, in general or on some paths.

use gabion_core::{Facts, PathPrefixes};

use super::{ProtocolConfig, ProtocolException, ProtocolRule, rules::RuleSet};
use crate::{ConfigError, ConfigPath, Problem, config::rule_compiler::invalid_value, deny};

/// The largest number of exceptions. Each is compared for each request that a rule would deny.
const MAX_EXCEPTIONS: usize = 256;

/// The rules that do not deny.
#[derive(Clone, Debug, Default)]
pub(super) struct Exemptions {
    everywhere: Exempt,
    exceptions: Vec<(PathPrefixes, Exempt)>,
}

/// The rules that do not deny a request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Exempt {
    pub(super) off: RuleSet,
    pub(super) observed: RuleSet,
}

// === impl Exemptions ===

impl Exemptions {
    /// Compiles the keys `observe`, `off` and `except`. Adds invalid entries to `errors`, and skips
    /// them.
    pub(super) fn from_config(config: &ProtocolConfig, errors: &mut Vec<ConfigError>) -> Self {
        let found = config.except.len();
        if let Err(problem) = Problem::at_most("exceptions", found, MAX_EXCEPTIONS) {
            errors.push(ConfigPath::new("protocol", "except").error(problem));
            return Self::default();
        }
        let section = ConfigPath::new("protocol", "");
        let everywhere = Exempt::new(&config.observe, &config.off, section, errors);
        let compile = |(index, exception): (usize, &ProtocolException)| {
            let section = ConfigPath::new("protocol.except", "").rule(index);
            let exempt = Exempt::new(&exception.observe, &exception.off, section, errors);
            if exempt.is_empty() {
                let problem = invalid_value("[]", "name the rules in `observe` or `off`");
                errors.push(section.error(problem));
            }
            (paths(exception, section, errors), exempt)
        };
        Self {
            everywhere,
            exceptions: config.except.iter().enumerate().map(compile).collect(),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.everywhere.is_empty() && self.exceptions.is_empty()
    }

    /// Returns the rules that do not deny a request: those in general, and those of the exceptions that
    /// contain its path in every view.
    pub(super) fn for_request(&self, facts: &Facts<'_>) -> Exempt {
        let contain = |paths: &PathPrefixes| {
            let mut views = facts.path.iter().peekable();
            views.peek().is_some()
                && !facts.path.is_incomplete()
                && views.all(|view| paths.containing(view).next().is_some())
        };
        let exceptions = self.exceptions.iter();
        let applying = exceptions.filter(|(paths, _)| contain(paths));
        applying.fold(self.everywhere, |all, (_, exempt)| all.union(*exempt))
    }
}

/// Compiles the paths of an exception.
fn paths(
    exception: &ProtocolException,
    section: ConfigPath,
    errors: &mut Vec<ConfigError>,
) -> PathPrefixes {
    let at = ConfigPath {
        key: "paths",
        ..section
    };
    let mut prefixes = PathPrefixes::default();
    if exception.paths.is_empty() {
        errors.push(at.error(invalid_value("[]", "an exception applies to some paths")));
    }
    for (entry, path) in exception.paths.iter().enumerate() {
        match deny::canonical_path(path) {
            Ok(path) => prefixes.add(&path, entry),
            Err(problem) => errors.push(at.entry(entry).error(problem)),
        }
    }
    prefixes
}

// === impl Exempt ===

impl Exempt {
    fn new(
        observe: &[ProtocolRule],
        off: &[ProtocolRule],
        section: ConfigPath,
        errors: &mut Vec<ConfigError>,
    ) -> Self {
        let observed = observe.iter().copied().collect();
        for (entry, rule) in off.iter().enumerate() {
            let why = if !rule.may_be_off() {
                "this rule can be observed, but not switched off: without it, the server could read a \
                 part of one request as another"
            } else if RuleSet::contains(observed, *rule) {
                "the rule is in `observe`, too"
            } else {
                continue;
            };
            let at = ConfigPath {
                key: "off",
                ..section
            };
            errors.push(at.entry(entry).error(invalid_value(rule.id(), why)));
        }
        let off = off.iter().copied().filter(|rule| rule.may_be_off());
        Self {
            off: off.collect(),
            observed,
        }
    }

    const fn is_empty(&self) -> bool {
        self.off.is_empty() && self.observed.is_empty()
    }

    const fn union(self, other: Self) -> Self {
        Self {
            off: self.off.union(other.off),
            observed: self.observed.union(other.observed),
        }
    }
}
