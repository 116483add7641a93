//! The addresses of this process, which are never an upstream.

use std::sync::LazyLock;

use gabion_proxy::OwnAddresses;

/// Returns the addresses on which this process listens. They are filled when the listeners are open, after the upstreams
/// were read.
pub(crate) fn own_addresses() -> OwnAddresses {
    static OWN: LazyLock<OwnAddresses> = LazyLock::new(OwnAddresses::default);
    OWN.clone()
}
