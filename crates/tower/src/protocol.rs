//! The request extensions of hyper that belong to an upgrade.

pub(crate) use imp::{protocol, remove_upgrade};

#[cfg(feature = "websocket")]
mod imp {
    use http::Extensions;
    use hyper::{ext::Protocol, upgrade::OnUpgrade};

    /// Returns the `:protocol` of an extended CONNECT (RFC 8441).
    pub(crate) fn protocol(extensions: &Extensions) -> Option<&str> {
        extensions.get::<Protocol>().map(Protocol::as_str)
    }

    /// Removes hyper's `OnUpgrade`, so that the service cannot upgrade the connection.
    pub(crate) fn remove_upgrade(extensions: &mut Extensions) {
        extensions.remove::<OnUpgrade>();
    }
}

#[cfg(not(feature = "websocket"))]
mod imp {
    use http::Extensions;

    /// Returns `None`: every CONNECT counts as a tunnel.
    pub(crate) fn protocol(_extensions: &Extensions) -> Option<&str> {
        None
    }

    /// Does nothing. The `Upgrade` header is removed, so the service finds no upgrade offer in the
    /// request.
    pub(crate) fn remove_upgrade(_extensions: &mut Extensions) {}
}
