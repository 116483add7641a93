//! The requests to which a limit applies.

use gabion_core::{Facts, KnownHeader, PathPrefixes};
use http::{Method, StatusCode};

use crate::{HostAllowlist, hosts};

/// The conditions of a limit. An empty condition matches every request.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) methods: Vec<Method>,
    /// Path prefixes.
    pub(super) paths: PathPrefixes,
    pub(super) hosts: Option<HostAllowlist>,
    /// If not empty, requests count when they are answered with one of these.
    pub(super) statuses: Vec<StatusCode>,
}

impl Scope {
    /// Returns `true` if the limit applies to a request, regardless of its response.
    #[inline]
    pub(super) fn applies_to(&self, facts: &Facts<'_>) -> bool {
        self.is_unconditional() || self.matches(facts)
    }

    /// Returns `true` if the limit applies to every request.
    #[inline]
    fn is_unconditional(&self) -> bool {
        self.methods.is_empty() && self.hosts.is_none() && self.paths.is_empty()
    }

    // Not inlined: most limits have no conditions.
    #[inline(never)]
    fn matches(&self, facts: &Facts<'_>) -> bool {
        let method = self.methods.is_empty() || self.methods.contains(facts.method);
        method && self.matches_host(facts) && self.matches_path(facts)
    }

    fn matches_host(&self, facts: &Facts<'_>) -> bool {
        let requested = || hosts::without_port(hosts::requested_host(facts));
        self.hosts
            .as_ref()
            .is_none_or(|hosts| hosts.contains(requested()))
    }

    fn matches_path(&self, facts: &Facts<'_>) -> bool {
        self.paths.is_empty() || self.paths.contain_any(&facts.path)
    }
}

/// Returns `true` for a CORS preflight request (Fetch, section 4.8).
pub(super) fn is_preflight(facts: &Facts<'_>) -> bool {
    *facts.method == Method::OPTIONS
        && facts.index.contains(KnownHeader::Origin)
        && (facts.index).contains(KnownHeader::AccessControlRequestMethod)
}
