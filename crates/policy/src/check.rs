//! Validates a document without putting it in force.

use std::{fmt, path::Path};

use crate::{
    Diagnostic, PolicyError, PolicyOptions, Severity, State,
    compile::{CompileInput, CompiledPolicy, LoadedDocument},
    inventory::PolicyInventory,
    options::CustomRules,
};

/// A summary of a valid document, returned by [`check`].
///
/// `Display` prints the warnings and then one line of counts, such as `5 deny rules, 0 banned
/// networks, 1 allowed entries; 4 of 4 [[expect]] tests pass`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The number of deny rules, those of [packs](crate::Pack) included.
    pub deny: usize,
    /// The number of networks that the document bans, ban list files included.
    pub banned: usize,
    /// The number of allowed networks and paths.
    pub allowed: usize,
    /// The number of `[[expect]]` tests ([`Expect`](crate::Expect)), all of which pass.
    pub expected: usize,
    /// Settings that are valid but possibly not intended
    /// ([`Severity::Warning`](crate::Severity::Warning)).
    pub warnings: Vec<Diagnostic>,
    /// `true` if a running guard refuses the document for what it removes
    /// ([`ShrinkGuard`](crate::ShrinkGuard)); the losses are among the warnings.
    pub shrinks: bool,
}

/// Reads and compiles a document and its lists, and runs its `[[expect]]` tests.
///
/// `name` is the file name in errors. Relative names of list files are resolved against `base`;
/// without a base they are errors. The document is not put in force: see
/// [`PolicyHandle`](crate::PolicyHandle).
///
/// # Errors
///
/// Every error of the document, as [`PolicyHandle::open`](crate::PolicyHandle::open) returns it.
///
/// # Examples
///
/// ```
/// let test = "[[expect]]\nrequest = '/.env'\nverdict = 'deny'\n";
/// let report = gabion_policy::check(
///     &format!("version = 1\npacks = ['never']\n{test}"),
///     "policy.toml",
///     None,
/// )?;
/// assert!(report.to_string().ends_with("1 of 1 [[expect]] tests pass"));
///
/// let error = gabion_policy::check(&format!("version = 1\n{test}"), "policy.toml", None).unwrap_err();
/// assert_eq!(
///     error.diagnostics()[0].message(),
///     "[[expect]] test failed: expected `deny` for `/.env`, got: pass",
/// );
/// # Ok::<(), gabion_policy::PolicyError>(())
/// ```
pub fn check(text: &str, name: &str, base: Option<&Path>) -> Result<Report, PolicyError> {
    compile(text, name, base, None).map(Report::new)
}

/// Like [`check`], with a warning for each loss of entries since the document `previous`, as a running
/// guard would refuse it ([`ShrinkGuard`](crate::ShrinkGuard)).
///
/// The lists of both are resolved against `base`.
///
/// # Errors
///
/// Every error of the document; if it has none, those of `previous`.
///
/// # Examples
///
/// ```
/// let previous = ("version = 1\nallow.networks = ['203.0.113.63']\n", "old.toml");
/// let report = gabion_policy::check_replacement("version = 1\n", "new.toml", None, previous)?;
/// assert!(report.warnings[0].message().starts_with("this edit removes 203.0.113.63 from [allow]"));
/// # Ok::<(), gabion_policy::PolicyError>(())
/// ```
pub fn check_replacement(
    text: &str,
    name: &str,
    base: Option<&Path>,
    (previous, previous_name): (&str, &str),
) -> Result<Report, PolicyError> {
    compile(text, name, base, None)?;
    let previous = compile(previous, previous_name, base, None)?.inventory;
    compile(text, name, base, Some((&previous, Severity::Warning))).map(Report::new)
}

fn compile(
    text: &str,
    name: &str,
    base: Option<&Path>,
    previous: Option<(&PolicyInventory, Severity)>,
) -> Result<CompiledPolicy, PolicyError> {
    let loaded = LoadedDocument::read(text, name, base, PolicyOptions::BUDGET);
    loaded.compile(&CompileInput {
        state: &State::with_capacity(1),
        custom: &CustomRules::default(),
        previous,
    })
}

// === impl Report ===

impl Report {
    pub(crate) fn new(compiled: CompiledPolicy) -> Self {
        let document = &compiled.document;
        Self {
            deny: compiled.deny_rules,
            banned: compiled.inventory.banned(),
            allowed: document.allow.networks.len() + document.allow.paths.len(),
            expected: document.expect.len(),
            warnings: compiled.warnings,
            shrinks: compiled.shrinks,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            deny,
            banned,
            allowed,
            expected,
            warnings,
            shrinks: _,
        } = self;
        for warning in warnings {
            writeln!(f, "{warning}\n")?;
        }
        write!(
            f,
            "{deny} deny rules, {banned} banned networks, {allowed} allowed entries; "
        )?;
        match expected {
            0 => f.write_str("no [[expect]] tests"),
            _ => write!(f, "{expected} of {expected} [[expect]] tests pass"),
        }
    }
}
