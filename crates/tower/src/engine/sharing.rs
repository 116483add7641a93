//! The resolution of a request, shared by stacked layers.

use std::sync::Arc;

use gabion_core::Resolution;
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
    /// marks the exchange as counted by this layer.
    pub(crate) fn leaves_resolution(
        self,
        outer: Option<&Resolution>,
        is_reused: bool,
        counts: bool,
    ) -> bool {
        let is_first_to_count = counts && !outer.is_some_and(Resolution::is_counted);
        self != Self::None && (!is_reused || is_first_to_count)
    }
}
