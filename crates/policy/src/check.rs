//! A document held to everything, and put in force nowhere.

use std::{fmt, path::Path};

use crate::{
    Diagnostic, PolicyError, PolicyOptions, State,
    compile::{CompileInput, LoadedDocument},
};

/// What a sound document holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// How many deny rules.
    pub deny: usize,
    /// How many networks are banned from the start, lists included.
    pub banned: usize,
    /// How many networks and paths are allowed.
    pub allowed: usize,
    /// How many `[[expect]]` cases were held.
    pub expected: usize,
    /// What works, but perhaps not as meant.
    pub warnings: Vec<Diagnostic>,
}

/// Reads and compiles `text`, with the lists that it names from `base`, and holds it to its cases.
///
/// # Errors
///
/// Everything that is wrong with the document, as [`crate::PolicyHandle::open`] would tell it.
pub fn check(text: &str, name: &str, base: Option<&Path>) -> Result<Report, PolicyError> {
    let state = State::with_capacity(1);
    let reading = LoadedDocument::read(text, name, base, PolicyOptions::BUDGET);
    let compiled = reading.compile(&CompileInput {
        state: &state,
        custom: &[],
        held: None,
    })?;
    let document = &compiled.document;
    Ok(Report {
        deny: document.deny_rules().len(),
        banned: compiled.inventory.banned(),
        allowed: document.allow.networks.len() + document.allow.paths.len(),
        expected: document.expect.len(),
        warnings: compiled.warnings,
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            deny,
            banned,
            allowed,
            expected,
            warnings,
        } = self;
        for warning in warnings {
            writeln!(f, "{warning}\n")?;
        }
        write!(
            f,
            "{deny} deny rules, {banned} banned networks, {allowed} allowed entries; \
             {expected} of {expected} [[expect]] tests pass"
        )
    }
}
