//! Refuses spellings of a path that the server behind reads otherwise than most.
//!
//! Deny rules are asked of every reading of a path, so these spellings hide nothing from them. But a
//! server may have rules of its own behind the guard (security constraints, `location` blocks), and
//! they are walked around in the same way. What stands behind decides which spellings are refused:
//!
//! | spelling | generic | tomcat | spring | php | node | nginx |
//! |---|---|---|---|---|---|---|
//! | `/..;/`: `path/dot-params` | 400 | 400 | 400 | 400 | 400 | 400 |
//! | `\`, `%5c`: `path/backslash` | 400 | 400 | 400 | 400 | 400 | |
//! | `;`, `%3b`, but a final `;jsessionid=`: `path/params` | | 400 | 400 | | | |
//! | `%2f`: `path/encoded-slash` | | 400 | 400 | | | 400 |
//! | `%25`: `path/encoded-percent` | | | 400 | | | |
//! | `//` at the beginning: `path/leading-slashes` | | | | | 400 | |
//! | `//` anywhere: `path/double-slash` | | | 400 | | | |
//! | `/a/../b`, `%2e`: `path/dot-segments` | | | 400 | | | |
//! | `/a/.`, `/a/..` at the end: `path/dots-at-end` | | 400 | | | | |
//! | `/static../x`: `path/dots-after-name` | | | | | | 400 |
//!
//! Where nothing is said of the server, nothing is refused for its spelling. The list of spellings
//! says of each why it is refused.

mod check;
mod kind;
#[cfg(test)]
mod tests;

use gabion_core::{
    Cause, Denial, Facts, Inspect, Mode, Reason, RequestState, RuleId, Transformations, Verdict,
};
use http::StatusCode;

use check::CHECKS;

pub use kind::ServerKind;

/// Refuses what one kind of server reads otherwise. Immutable.
///
/// # Cost
///
/// A few passes over a path; none over one of plain characters.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerQuirks {
    kind: Option<ServerKind>,
    mode: Mode,
}

impl ServerQuirks {
    /// Refuses, or observes, what `kind` reads otherwise; nothing where it is not known.
    pub const fn new(kind: Option<ServerKind>, mode: Mode) -> Self {
        Self { kind, mode }
    }

    fn judges(self, path: &[u8]) -> Option<Denial> {
        let kind = self.kind?;
        let mut checks = CHECKS.iter().filter(|check| check.behind.contains(&kind));
        let found = checks.find(|check| (check.is_in)(path))?;
        let cause = Cause::in_path(
            RuleId::builtin(found.id),
            Reason::Other(found.why.into()),
            path,
            Transformations::AS_SENT,
        );
        Some(Denial::new(cause, StatusCode::BAD_REQUEST).with_mode(self.mode))
    }
}

impl Inspect for ServerQuirks {
    fn name(&self) -> &'static str {
        "behind"
    }

    fn inspect(&self, facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        let found = self.judges(facts.path.raw());
        found.map_or(Verdict::Pass, Verdict::from)
    }
}
