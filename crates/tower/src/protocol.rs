//! The `:protocol` of an extended CONNECT (RFC 8441).

pub(crate) use imp::protocol;

#[cfg(feature = "upgrade")]
mod imp {
    use http::Extensions;
    use hyper::ext::Protocol;

    /// What hyper's server noted.
    pub(crate) fn protocol(extensions: &Extensions) -> Option<&str> {
        extensions.get::<Protocol>().map(Protocol::as_str)
    }
}

#[cfg(not(feature = "upgrade"))]
mod imp {
    use http::Extensions;

    /// Unknown, so that CONNECT is taken for a tunnel.
    pub(crate) fn protocol(_extensions: &Extensions) -> Option<&str> {
        None
    }
}
