//! Events about requests that a reverse proxy could not forward.

use std::{fmt, net::IpAddr, time::SystemTime};

use http::{Method, StatusCode};

use super::{cut, request::kept_method};
use crate::{Redacted, RequestEvent};

/// A request that a reverse proxy answered itself, because it could not forward the request or the
/// upstream did not respond to it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProxyFailureEvent {
    /// The wall-clock time.
    pub at: SystemTime,
    /// The client's address, or the peer's if no layer resolved the client; `None` if both are
    /// unknown.
    pub client: Option<IpAddr>,
    /// The method, at most [`RequestEvent::MAX_METHOD`] bytes.
    pub method: Method,
    /// Path and query as sent, at most [`RequestEvent::MAX_TARGET`] bytes. Print it with
    /// [`Redacted`].
    pub target: Box<[u8]>,
    /// The status of the response.
    pub status: StatusCode,
    /// The error with its sources, at most [`ProxyFailureEvent::MAX_ERROR`] bytes. Bytes from the
    /// client or the upstream are escaped in it.
    pub error: Box<str>,
    /// The upstream, from the configuration.
    pub upstream: Box<str>,
}

// === impl ProxyFailureEvent ===

impl ProxyFailureEvent {
    /// The maximum number of bytes of the error that are kept.
    pub const MAX_ERROR: usize = 512;

    /// Creates an event about a request of `client` that was answered with `status` because of
    /// `error`.
    pub fn new(
        at: SystemTime,
        client: Option<IpAddr>,
        (method, target): (&Method, &[u8]),
        status: StatusCode,
        error: &str,
        upstream: &str,
    ) -> Self {
        let end = target.len().min(RequestEvent::MAX_TARGET);
        Self {
            at,
            client,
            method: kept_method(method),
            target: target.get(..end).unwrap_or_default().into(),
            status,
            error: cut(error, Self::MAX_ERROR).into(),
            upstream: cut(upstream, Self::MAX_ERROR).into(),
        }
    }
}

impl fmt::Display for ProxyFailureEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (method, target) = (&self.method, Redacted(&self.target));
        if let Some(client) = self.client {
            write!(f, "{client} ")?;
        }
        write!(
            f,
            "{method} \"{target}\" answered {} by the proxy: {}; upstream {}",
            self.status.as_u16(),
            self.error,
            self.upstream
        )
    }
}
