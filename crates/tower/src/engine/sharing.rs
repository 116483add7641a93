//! The resolution of a request, shared by stacked layers.

use std::sync::Arc;

use gabion_core::{ClientRules, Facts, Resolution};
use http::Extensions;

/// The sharing of a request's [`Resolution`] between stacked layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Resolves each request and leaves no resolution for inner layers.
    #[default]
    None,
    /// Reuses the resolution of an outer layer, or leaves its own for inner ones.
    Outer,
    /// Resolves by its own client rules and leaves the result for inner layers.
    OwnClients,
}

impl Sharing {
    /// Returns the resolution that an outer layer left, if this layer shares.
    pub(crate) fn outer_resolution(self, extensions: &Extensions) -> Option<&Resolution> {
        let shared = (self != Self::None).then(|| extensions.get::<Arc<Resolution>>());
        shared.flatten().map(AsRef::as_ref)
    }

    /// Returns `true` if inner layers need another resolution than that of `outer`: a new one, or one that
    /// marks the exchange as counted by this layer. `counts` is `true` if this layer counts exchanges.
    ///
    /// They need none if they get the same facts themselves, at the cost of reusing them.
    pub(crate) fn leaves_resolution(
        self,
        outer: Option<&Resolution>,
        counts: bool,
        is_repeatable: impl FnOnce() -> bool,
    ) -> bool {
        let is_first_to_count = counts && !outer.is_some_and(Resolution::is_counted);
        match self {
            Self::None => false,
            Self::Outer => is_first_to_count || !is_repeatable(),
            Self::OwnClients => true,
        }
    }
}

/// Returns `true` if another resolution by the default rules yields the same at the same cost: the peer is the
/// client, and the path has one form, or its forms were not read.
pub(crate) fn is_repeatable(facts: &Facts<'_>, rules: &ClientRules) -> bool {
    !facts.path.has_read_several_forms() && *rules == ClientRules::default()
}

#[cfg(test)]
mod tests {
    use gabion_testkit::OwnedHead;

    use super::*;

    #[test]
    fn resolution_is_repeatable_by_default_rules_and_with_one_form() {
        let default = ClientRules::default();
        let trusting = ClientRules::default().with_trusted(["10.0.0.0/8".parse().unwrap()]);
        let trusting = trusting.unwrap();
        for (path, rules, expected) in [
            ("/articles/2026", &default, true),
            ("/caf%C3%A9", &default, false),
            ("/articles/2026", &trusting, false),
            (
                "/articles/2026",
                &default.clone().with_ipv6_prefix(48),
                false,
            ),
        ] {
            let head = OwnedHead::get(path);
            let facts = head.facts(rules);
            assert_eq!(
                is_repeatable(&facts, rules),
                *rules == default,
                "no form was read"
            );
            let _ = facts.path.malformed();
            let found = is_repeatable(&facts, rules);
            assert_eq!(found, expected, "{path} {rules:?}");
        }
    }

    #[test]
    fn layer_with_own_clients_leaves_its_resolution_and_one_with_bans_the_first() {
        let (head, rules) = (OwnedHead::get("/"), ClientRules::default());
        let outer = head.facts(&rules).resolution();
        let counted = outer.clone().with_counted(true);
        for (sharing, outer, counts, is_repeatable, expected) in [
            (Sharing::None, None, true, false, false),
            (Sharing::Outer, None, false, true, false),
            (Sharing::Outer, None, false, false, true),
            (Sharing::Outer, None, true, true, true),
            (Sharing::Outer, Some(&outer), true, true, true),
            (Sharing::Outer, Some(&counted), true, true, false),
            (Sharing::OwnClients, Some(&counted), false, true, true),
        ] {
            let leaves = sharing.leaves_resolution(outer, counts, || is_repeatable);
            assert_eq!(leaves, expected, "{sharing:?} {counts} {is_repeatable}");
        }
    }
}
