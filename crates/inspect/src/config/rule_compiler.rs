//! Rules on their way from what is written to what is asked, and what is wrong with them.

use std::collections::HashSet;

use super::{ConfigError, ConfigErrors, ConfigPath, OneOrMany, Problem};

/// One rule of a section, and what is wrong with it.
pub(crate) struct RuleCompiler<'r, R> {
    pub(crate) rule: &'r R,
    section: &'static str,
    index: usize,
    pub(crate) errors: Vec<ConfigError>,
}

/// Compiles every rule of `section`, each named by its `id` as no other.
///
/// # Errors
///
/// Everything that is wrong with any of them.
pub(crate) fn compile<'r, R, C>(
    section: &'static str,
    rules: &'r [R],
    id: fn(&R) -> &String,
    compile: impl Fn(&mut RuleCompiler<'r, R>) -> Option<C>,
) -> Result<Vec<C>, ConfigErrors> {
    let (mut finished, mut errors) = (Vec::with_capacity(rules.len()), Vec::new());
    let mut names = HashSet::new();
    for (index, rule) in rules.iter().enumerate() {
        let mut rule_compiler = RuleCompiler {
            rule,
            section,
            index,
            errors: Vec::new(),
        };
        if !names.insert(id(rule)) {
            rule_compiler.refuse("id", Problem::DuplicateId(id(rule).clone()));
        }
        finished.extend(compile(&mut rule_compiler));
        errors.append(&mut rule_compiler.errors);
    }
    ConfigErrors::any(errors)?;
    Ok(finished)
}

/// A value that is not one for this place.
pub(crate) fn value(found: &str, why: &'static str) -> Problem {
    let found = found.to_owned();
    Problem::Value { found, why }
}

impl<R> RuleCompiler<'_, R> {
    /// Reads each entry of a list; what cannot be read is refused.
    pub(crate) fn each<T>(
        &mut self,
        key: &'static str,
        texts: &OneOrMany,
        read: impl Fn(&str) -> Result<T, Problem>,
    ) -> Vec<T> {
        let mut made = Vec::with_capacity(texts.len());
        for (entry, text) in texts.iter().enumerate() {
            match read(text) {
                Ok(one) => made.push(one),
                Err(problem) => {
                    let place = self.place(key).entry(entry);
                    self.errors.push(place.refuse(problem));
                }
            }
        }
        made
    }

    /// Says what is wrong with a key.
    pub(crate) fn refuse(&mut self, key: &'static str, problem: impl Into<Problem>) {
        let error = self.place(key).refuse(problem);
        self.errors.push(error);
    }

    /// The place of a key of it.
    pub(crate) const fn place(&self, key: &'static str) -> ConfigPath {
        ConfigPath::new(self.section, key).rule(self.index)
    }
}
