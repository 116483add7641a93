//! What hyper leaves in the extensions of a request that asks to leave HTTP.

pub(crate) use imp::{protocol, remove_upgrade};

#[cfg(feature = "websocket")]
mod imp {
    use http::Extensions;
    use hyper::{ext::Protocol, upgrade::OnUpgrade};

    /// The `:protocol` of an extended CONNECT (RFC 8441).
    pub(crate) fn protocol(extensions: &Extensions) -> Option<&str> {
        extensions.get::<Protocol>().map(Protocol::as_str)
    }

    /// Leaves nobody the means to turn the connection into something else.
    pub(crate) fn remove_upgrade(extensions: &mut Extensions) {
        extensions.remove::<OnUpgrade>();
    }
}

#[cfg(not(feature = "websocket"))]
mod imp {
    use http::Extensions;

    /// Unknown, so that CONNECT is taken for a tunnel.
    pub(crate) fn protocol(_extensions: &Extensions) -> Option<&str> {
        None
    }

    /// Not known here; the service reads of no upgrade in the headers.
    pub(crate) fn remove_upgrade(_extensions: &mut Extensions) {}
}
