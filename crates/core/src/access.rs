//! Completed requests, for access logs.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use http::{Method, StatusCode, Version};

use crate::{ClientIp, EventId, Mode, RuleId};

/// A destination for completed requests.
///
/// Called on the request path: an implementation does not wait for disk or network, and its memory does not
/// grow with the requests of clients.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use gabion_core::{AccessRecord, AccessSink};
///
/// #[derive(Default)]
/// struct DeniedCounter(AtomicU64);
///
/// impl AccessSink for DeniedCounter {
///     fn record(&self, request: &AccessRecord<'_>) {
///         self.0.fetch_add(request.denial.is_some().into(), Ordering::Relaxed);
///     }
/// }
/// ```
pub trait AccessSink: Send + Sync {
    /// Records one request.
    fn record(&self, request: &AccessRecord<'_>);
}

/// A request whose response has ended, or a WebSocket that opened or closed.
///
/// Bytes are as the client sent them, at most the `MAX_` constants of each. They are not escaped, and secrets
/// are in them: print a target and a referer with [`Redacted`](crate::Redacted).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AccessRecord<'r> {
    /// The wall-clock time of the completion.
    pub at: SystemTime,
    /// The time from the head of the request to its completion.
    pub elapsed: Duration,
    /// The client; `None` if the connection has no peer address.
    pub client: Option<ClientIp>,
    /// The remote address of the socket.
    pub peer: Option<IpAddr>,
    /// The method.
    pub method: &'r Method,
    /// The version of HTTP.
    pub version: Version,
    /// Path and query as sent.
    pub target: &'r [u8],
    /// The requested host; empty if there is none.
    pub host: &'r [u8],
    /// `User-Agent`; empty if there is none.
    pub user_agent: &'r [u8],
    /// `Referer`; empty if there is none.
    pub referer: &'r [u8],
    /// The status of the response. It is 499 if the client left before there was one, as in nginx.
    pub status: StatusCode,
    /// The number of bytes of the response's body.
    pub bytes: u64,
    /// The denial; `None` if no rule denied the request.
    pub denial: Option<AccessDenial<'r>>,
    /// The server that responded; `None` if none was asked.
    pub upstream: Option<&'r str>,
    /// Set if the request opened a WebSocket.
    pub websocket: Option<WebSocketPhase>,
}

/// The denial of an [`AccessRecord`].
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "parts of a `Denial`")]
pub struct AccessDenial<'r> {
    /// The rule.
    pub rule: &'r RuleId,
    /// The mode.
    pub mode: Mode,
    /// The id that the client received.
    pub event: Option<EventId>,
}

/// The reason of an [`AccessRecord`] about a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a WebSocket opens and closes")]
pub enum WebSocketPhase {
    /// It opened.
    Open,
    /// It closed, after [`AccessRecord::elapsed`].
    Close,
}

// === impl AccessRecord ===

impl<'r> AccessRecord<'r> {
    /// The maximum number of bytes of a target.
    pub const MAX_TARGET: usize = 4096;

    /// The maximum number of bytes of a host, user agent or referer.
    pub const MAX_FIELD: usize = 512;

    /// Creates the record of a request for `target`, completed at `at` with `status`. The other fields are empty.
    pub const fn new(
        at: SystemTime,
        method: &'r Method,
        target: &'r [u8],
        status: StatusCode,
    ) -> Self {
        Self {
            at,
            elapsed: Duration::ZERO,
            client: None,
            peer: None,
            method,
            version: Version::HTTP_11,
            target,
            host: b"",
            user_agent: b"",
            referer: b"",
            status,
            bytes: 0,
            denial: None,
            upstream: None,
            websocket: None,
        }
    }
}
