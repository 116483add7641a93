//! What the server in front leaves in a request's extensions.

use http::{Extensions, Uri};

use gabion_core::{Framing, PeerAddr, Scheme};

use crate::protocol;

/// Finds what a request's head does not say.
pub trait ConnectionSource: Send + Sync {
    /// The other end of the socket.
    fn peer(&self, extensions: &Extensions) -> Option<PeerAddr>;

    /// What to do when there is no peer: a sentence for whoever built the server.
    fn missing_peer_help(&self) -> &'static str;

    /// Returns `true` if the service behind may extract the [`ClientIp`](gabion_core::ClientIp), so that it
    /// is inserted into the extensions of the request. The default is `false`.
    fn inserts_client(&self, extensions: &Extensions) -> bool {
        let _ = extensions;
        false
    }

    /// The target as the client sent it, where a router cut it on the way here.
    fn target<'r>(&self, extensions: &'r Extensions, uri: &'r Uri) -> &'r Uri {
        let _ = extensions;
        uri
    }

    /// The `:protocol` of an extended CONNECT.
    fn protocol<'r>(&self, extensions: &'r Extensions) -> Option<&'r str> {
        protocol::protocol(extensions)
    }

    /// What is known of the framing beyond the headers: what the accept loop put into the
    /// extensions, or that the headers say it all.
    fn framing(&self, extensions: &Extensions) -> Framing {
        extensions.get().copied().unwrap_or_default()
    }

    /// How the peer came: what the accept loop put into the extensions, or else without TLS.
    fn scheme(&self, extensions: &Extensions) -> Scheme {
        extensions.get().copied().unwrap_or_default()
    }
}

/// A hyper server that puts a [`PeerAddr`] into each request's extensions.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to hold")]
pub struct ExtensionsSource;

impl ConnectionSource for ExtensionsSource {
    fn peer(&self, extensions: &Extensions) -> Option<PeerAddr> {
        extensions.get().copied()
    }

    fn missing_peer_help(&self) -> &'static str {
        "no peer address: let the accept loop insert gabion's PeerAddr into each request's \
         extensions"
    }
}
