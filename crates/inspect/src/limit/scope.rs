//! What a limit counts.

use gabion_core::{Facts, View};
use http::{
    Method, StatusCode,
    header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN},
};

use crate::{HostAllowlist, deny::Paths, hosts};

/// Where a limit applies; what is empty applies everywhere.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) methods: Vec<Method>,
    /// Prefixes.
    pub(super) paths: Paths,
    pub(super) hosts: Option<HostAllowlist>,
    /// Counted once they are answered.
    pub(super) statuses: Vec<StatusCode>,
}

impl Scope {
    /// Whether the limit counts such a request, whatever its answer.
    pub(super) fn holds(&self, facts: &Facts<'_>) -> bool {
        let method = self.methods.is_empty() || self.methods.contains(facts.method);
        method && self.holds_host(facts) && self.holds_path(facts)
    }

    /// Whether it counts by the answer.
    pub(super) const fn waits_for_answer(&self) -> bool {
        !self.statuses.is_empty()
    }

    fn holds_host(&self, facts: &Facts<'_>) -> bool {
        let asked = || hosts::without_port(hosts::asked(facts));
        self.hosts.as_ref().is_none_or(|hosts| hosts.knows(asked()))
    }

    fn holds_path(&self, facts: &Facts<'_>) -> bool {
        let is_below = |view: View<'_>| self.paths.above(view.path).is_some();
        self.paths.is_empty() || facts.path.iter().any(is_below)
    }
}

/// Whether a browser asks if it may ask (Fetch, 4.8).
pub(super) fn is_preflight(facts: &Facts<'_>) -> bool {
    *facts.method == Method::OPTIONS
        && facts.headers.contains_key(ORIGIN)
        && facts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}
