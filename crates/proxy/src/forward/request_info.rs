//! Facts about a request that outlive its forwarding.

use std::{net::IpAddr, sync::Arc};

use gabion_core::SessionLimits;
use http::{Method, Request, Uri, Version};

use super::{dispatch::LastUpstream, websocket::is_handshake};
use crate::{
    access_log::LoggedExchange,
    event_sink::{Requester, client_addr},
};

/// Facts about a request for the log, the diagnosis and the tunnel.
pub(super) struct RequestInfo {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) version: Version,
    pub(super) client: Option<IpAddr>,
    /// Set if the request is a WebSocket handshake.
    pub(super) requester: Option<Requester>,
    /// Limits that a policy in front set for this session.
    pub(super) session_limits: Option<Arc<SessionLimits>>,
    pub(super) upstream: LastUpstream,
    /// Set if there is an access log.
    pub(super) logged: Option<LoggedExchange>,
}

// === impl RequestInfo ===

impl RequestInfo {
    pub(super) fn from_request<B>(request: &Request<B>) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            client: client_addr(request.extensions()),
            requester: is_handshake(request)
                .then(|| Requester::from_request(request))
                .flatten(),
            session_limits: request.extensions().get().cloned(),
            upstream: LastUpstream::none(),
            logged: request.extensions().get().cloned(),
        }
    }

    /// Path and query as sent.
    pub(super) fn target(&self) -> &[u8] {
        let target = self.uri.path_and_query();
        target.map_or(&b""[..], |target| target.as_str().as_bytes())
    }
}
