//! Denies path spellings that the guarded server resolves differently from most servers.
//!
//! Deny rules are evaluated on every view of a path, so these spellings do not evade them. But the
//! guarded server may have its own rules (security constraints, `location` blocks), which such
//! spellings evade. The kind of server selects the denied spellings:
//!
//! | spelling | generic | tomcat | spring | php | node | express | axum | python | nginx |
//! |---|---|---|---|---|---|---|---|---|---|
//! | `/..;/`: `path/dot-params` | 400 | 400 | 400 | 400 | 400 | 400 | 400 | 400 | 400 |
//! | `\`, `%5c`: `path/backslash` | 400 | 400 | 400 | 400 | 400 | 400 | 400 | 400 | |
//! | `;`, `%3b`, but a final `;jsessionid=`: `path/params` | | 400 | 400 | | | | | | |
//! | `%2f`: `path/encoded-slash` | | 400 | 400 | | | | | | |
//! | `%2f` beside a dot segment: `path/encoded-slash` | | 400 | 400 | | | | | | 400 |
//! | `%25`: `path/encoded-percent` | | | 400 | | | | | | |
//! | `//` and no valid host: `path/leading-slashes` | | | | | 400 | | | | |
//! | `//` anywhere: `path/double-slash` | | | 400 | | | | | | |
//! | `/a/../b`, `%2e`: `path/dot-segments` | | | 400 | | | | | | |
//! | `/a/../b`, `/a/%2e%2e/b`: `path/unresolved-dots` | | | | | 400 | 400 | 400 | 400 | |
//! | `/a/.`, `/a/..` at the end: `path/dots-at-end` | | 400 | | | | | | | |
//! | `/static../x`: `path/dots-after-name` | | | | | | | | | 400 |
//!
//! If no kind of server is configured, no spelling is denied. The list of checks gives the reason
//! for each spelling.

mod check;
mod kind;
#[cfg(test)]
mod tests;

use gabion_core::{
    Cause, Denial, Facts, Inspect, Mode, Needs, PathViews, Reason, RequestState, RuleId,
    Transformations, Verdict,
};
use http::StatusCode;

use check::CHECKS;

pub use kind::ServerKind;

/// Denies the path spellings that one [`ServerKind`] resolves differently from most servers.
/// Immutable. See [`ServerConfig::behind`](crate::ServerConfig::behind).
///
/// # Cost
///
/// One comparison per check, and one pass over the path for each check of which the path has a class
/// of bytes ([`gabion_core::PathClasses`]).
///
/// # Examples
///
/// ```
/// use gabion_core::{ClientRules, Inspect, Mode, RequestState, Verdict};
/// use gabion_inspect::{ServerKind, ServerQuirks};
/// # use gabion_testkit::OwnedHead;
///
/// let quirks = ServerQuirks::new(Some(ServerKind::Tomcat), Mode::Enforce);
/// let judge = |target: &str| {
///     let head = OwnedHead::get(target);
///     let facts = head.facts(&ClientRules::default());
///     quirks.inspect(&facts, &mut RequestState::new(&facts))
/// };
/// assert_eq!(judge("/list;jsessionid=1F2E"), Verdict::Pass);
/// assert!(judge("/public/..;/admin").to_string().starts_with("denied (400): rule path/dot-params"));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerQuirks {
    kind: Option<ServerKind>,
    mode: Mode,
}

impl ServerQuirks {
    /// Creates checks for `kind`, or none if it is `None`.
    pub const fn new(kind: Option<ServerKind>, mode: Mode) -> Self {
        Self { kind, mode }
    }

    fn find_denial(self, path: &PathViews<'_>) -> Option<Denial> {
        let kind = self.kind?;
        let found = CHECKS.iter().find(|check| {
            path.classes().intersects(check.triggers)
                && check.kinds.contains(&kind)
                && (check.matches)(path)
        })?;
        let cause = Cause::in_path(
            RuleId::builtin(found.id),
            Reason::Other(found.why.into()),
            path.raw(),
            Transformations::AS_SENT,
        );
        Some(Denial::new(cause, StatusCode::BAD_REQUEST).with_mode(self.mode))
    }
}

impl Inspect for ServerQuirks {
    fn name(&self) -> &'static str {
        "quirks"
    }

    fn needs(&self) -> Needs {
        Needs::REQUESTS.only_if(self.kind.is_some())
    }

    fn inspect(&self, facts: &Facts<'_>, _state: &mut RequestState) -> Verdict {
        let found = self.find_denial(&facts.path);
        found.map_or(Verdict::Pass, Verdict::from)
    }
}
