//! Access log: one record per request, at the end of its response.

mod body;
mod exchange;
mod future;
mod service;

use std::{fmt, sync::Arc};

use gabion_core::{AccessSink, ClientIp, PeerAddr};
use http::HeaderMap;

pub use self::{body::AccessLogBody, future::AccessLogFuture, service::AccessLogService};
pub(crate) use exchange::{LoggedExchange, OpenTunnel};

/// The destination of an [`AccessLogService`], with the rules that name clients. Clones share both.
#[derive(Clone)]
pub struct AccessRecorder {
    sink: Arc<dyn AccessSink>,
    clients: Clients,
}

/// Resolves the client of a request from its peer and its headers.
type Clients = Arc<dyn Fn(PeerAddr, &HeaderMap) -> ClientIp + Send + Sync>;

// === impl AccessRecorder ===

impl AccessRecorder {
    /// Records requests to `sink`. `clients` resolves the client of each, as the layers inside do.
    pub fn new(
        sink: Arc<dyn AccessSink>,
        clients: impl Fn(PeerAddr, &HeaderMap) -> ClientIp + Send + Sync + 'static,
    ) -> Self {
        let clients = Arc::new(clients);
        Self { sink, clients }
    }
}

impl fmt::Debug for AccessRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessRecorder").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
