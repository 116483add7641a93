//! Shared steps of compiling a list of rules.

use std::collections::HashSet;

use super::{ConfigError, ConfigErrors, ConfigPath, OneOrMany, Problem};

/// A rule that is being compiled, and the errors found in it so far.
pub(crate) struct RuleCompiler<'r, R> {
    pub(crate) rule: &'r R,
    section: &'static str,
    index: usize,
    pub(crate) errors: Vec<ConfigError>,
}

/// Compiles every rule of `section` with `compile`. Rule ids, read with `id`, must be unique.
///
/// # Errors
///
/// Every error in any of the rules.
pub(crate) fn compile<'r, R, C>(
    section: &'static str,
    rules: &'r [R],
    id: fn(&R) -> &String,
    compile: impl Fn(&mut RuleCompiler<'r, R>) -> Option<C>,
) -> Result<Vec<C>, ConfigErrors> {
    let (mut compiled, mut errors) = (Vec::with_capacity(rules.len()), Vec::new());
    let mut ids = HashSet::new();
    for (index, rule) in rules.iter().enumerate() {
        let mut rule_compiler = RuleCompiler {
            rule,
            section,
            index,
            errors: Vec::new(),
        };
        if !ids.insert(id(rule)) {
            rule_compiler.report("id", Problem::DuplicateId(id(rule).clone()));
        }
        compiled.extend(compile(&mut rule_compiler));
        errors.append(&mut rule_compiler.errors);
    }
    ConfigErrors::check(errors)?;
    Ok(compiled)
}

/// Creates the problem of a value that is not valid for its key.
pub(crate) fn invalid_value(found: &str, why: &'static str) -> Problem {
    let found = found.to_owned();
    Problem::Value { found, why }
}

impl<R> RuleCompiler<'_, R> {
    /// Parses each entry of a list and reports those that fail.
    pub(crate) fn parse_each<'t, T>(
        &mut self,
        key: &'static str,
        texts: &'t OneOrMany,
        parse: impl Fn(&'t str) -> Result<T, Problem>,
    ) -> Vec<T> {
        let mut parsed = Vec::with_capacity(texts.len());
        for (entry, text) in texts.iter().enumerate() {
            match parse(text) {
                Ok(value) => parsed.push(value),
                Err(problem) => {
                    let path = self.path(key).entry(entry);
                    self.errors.push(path.error(problem));
                }
            }
        }
        parsed
    }

    /// Records an error at `key` of this rule.
    pub(crate) fn report(&mut self, key: &'static str, problem: impl Into<Problem>) {
        let error = self.path(key).error(problem);
        self.errors.push(error);
    }

    /// Returns the path of `key` in this rule.
    pub(crate) const fn path(&self, key: &'static str) -> ConfigPath {
        ConfigPath::new(self.section, key).rule(self.index)
    }
}
