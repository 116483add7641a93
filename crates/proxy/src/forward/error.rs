//! Errors that the proxy answers itself.

use std::{error::Error, fmt, io, time::Duration};

use gabion_core::{BodyLimit, Diagnosis, Escaped, Evidence};
use http::StatusCode;

use super::{
    pace::TooSlow,
    upload::{UploadError, UploadFailure},
    upstream_io::is_only_http2,
};
use crate::{capacity::Full, forbidden::ForbiddenAddress, upstream::ConnectError};

type Source = Box<dyn Error + Send + Sync>;

/// A defect in a request that keeps it from being forwarded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The request body ended early, or its framing is invalid.
    #[error("the request body ended early or is badly framed")]
    BodyBroken(#[source] Source),
    /// The request body arrives at less than 500 bytes per second, after this time.
    #[error("the request body arrives at less than 500 bytes per second after {} s", .0.as_secs())]
    BodySlow(Duration),
    /// No data of the request body arrived within this time.
    #[error("no data of the request body arrived for {} s", .0.as_secs())]
    BodyStalled(Duration),
    /// The request body is larger than its limit, and did not announce its length.
    #[error("the request body has more than {0}, the limit of max_body in [protocol]")]
    BodyTooLarge(BodyLimit),
    /// The client has as many requests in progress as one client may have ([`Capacity`](crate::Capacity)).
    #[error("the client has too many requests in progress")]
    ClientBusy,
    /// The request is a WebSocket handshake, and the server is shutting down.
    #[error("the server is shutting down and opens no new WebSockets")]
    Draining,
    /// The request is a WebSocket handshake with a body.
    #[error("a WebSocket handshake must not have a body")]
    HandshakeBody,
    /// The request is a WebSocket handshake without exactly one key.
    #[error("a WebSocket handshake must have exactly one Sec-WebSocket-Key")]
    HandshakeKey,
    /// The request names more than one host.
    #[error("the request has more than one Host header")]
    ManyHosts,
    /// The request target has no path.
    #[error("the request target has no path")]
    NoPath,
    /// The request extensions hold no [`PeerAddr`](gabion_core::PeerAddr). [`serve`](crate::serve)
    /// inserts one.
    #[error("the request extensions hold no PeerAddr: the accept loop must insert it")]
    NoPeer,
    /// The system returned no random bytes for a WebSocket key.
    #[error("the system returned no random bytes for a WebSocket key")]
    NoRandom(#[source] io::Error),
    /// The request is a CONNECT with a protocol other than WebSocket.
    #[error(
        "CONNECT with the protocol \"{}\" is not supported, only \"websocket\"",
        Escaped(.0.as_bytes())
    )]
    Protocol(Box<str>),
    /// As many requests are in progress as all clients together may have ([`Capacity`](crate::Capacity)).
    #[error("too many requests are in progress")]
    ServerBusy,
    /// The request is a CONNECT to a host that the client selects.
    #[error("CONNECT to a host is not supported")]
    Tunnel,
}

/// A failure of the upstream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The connection failed before the response head was complete, or the head was invalid.
    #[error("the upstream closed the connection or sent no valid response head")]
    Broken(#[source] Source),
    /// Every upstream has as many requests in progress as it may have
    /// ([`UpstreamOptions::with_max_requests`](crate::UpstreamOptions::with_max_requests)).
    #[error("the upstream has too many requests in progress")]
    Busy,
    /// The connection failed, for example because the upstream's name does not resolve.
    #[error("cannot connect to the upstream")]
    Connect(#[source] Source),
    /// The upstream did not accept the connection in time.
    #[error("connecting to the upstream timed out")]
    ConnectTimeout(#[source] Source),
    /// The upstream's name resolves only to addresses that are never an upstream.
    #[error("the upstream's name resolves only to forbidden addresses")]
    Forbidden(#[source] ForbiddenAddress),
    /// The response head is larger than the proxy reads. hyper reads up to 100 headers without an
    /// allocation; a higher limit costs two for each response.
    #[error("the upstream's response has more than 100 headers, or its head is larger than 64 KiB")]
    HeadTooLarge(#[source] Source),
    /// The upstream answered a WebSocket handshake with a success status that opens no WebSocket;
    /// with the diagnosis.
    #[error("the upstream answered a WebSocket handshake with {0}, not 101")]
    NotSwitched(StatusCode, Diagnosis),
    /// The upstream supports HTTP/2 only.
    #[error("the upstream speaks HTTP/2 only, and the proxy uses HTTP/1.1")]
    OnlyHttp2(#[source] Source),
    /// Nothing accepts connections at the upstream's address, as while it starts.
    #[error("the upstream does not accept connections; it may be starting")]
    Refused(#[source] Source),
    /// The upstream did not begin to respond in time.
    #[error("the upstream did not respond within {} s", .0.as_secs_f32())]
    ResponseTimeout(Duration),
    /// The TLS handshake failed, for example because the certificate is not trusted.
    #[error("the TLS handshake with the upstream failed")]
    Tls(#[source] Source),
    /// The upstream switched protocols without an upgrade request.
    #[error("the upstream switched protocols without an upgrade request")]
    UnexpectedSwitch,
    /// The response has a transfer coding other than `chunked`, which no request asks for.
    #[error("the upstream's response has the transfer coding \"{0}\", which was not requested")]
    UnknownCoding(Evidence),
    /// The upstream's `Sec-WebSocket-Accept` does not match the key.
    #[error("the upstream's Sec-WebSocket-Accept does not match the handshake's key")]
    WrongAccept,
    /// The upstream's 101 response lacks `Connection: upgrade`.
    #[error("the upstream's 101 response lacks Connection: upgrade")]
    WrongConnection,
    /// The upstream accepted an extension that the client did not offer, or not with these
    /// parameters.
    #[error("the upstream accepted the extension \"{0}\", which was not offered in this form")]
    WrongExtension(Evidence),
    /// The upstream switched to a protocol other than WebSocket.
    #[error("the upstream's 101 response does not switch to websocket")]
    WrongProtocol,
    /// The upstream selected a subprotocol that the client did not offer, or more than one.
    #[error("the upstream selected the subprotocol \"{0}\", which was not offered in this form")]
    WrongSubprotocol(Evidence),
}

/// A [`RequestError`] or an [`UpstreamError`].
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

/// Displays an error and all its sources on one line.
struct ErrorChain<'e>(&'e dyn Error);

// === impl RequestError ===

impl RequestError {
    /// Returns the status of the response to a request with this defect.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::BodyBroken(_)
            | Self::HandshakeBody
            | Self::HandshakeKey
            | Self::ManyHosts
            | Self::NoPath => StatusCode::BAD_REQUEST,
            Self::BodySlow(_) | Self::BodyStalled(_) => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ClientBusy => StatusCode::TOO_MANY_REQUESTS,
            Self::Draining | Self::ServerBusy => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoPeer | Self::NoRandom(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Protocol(_) | Self::Tunnel => StatusCode::NOT_IMPLEMENTED,
        }
    }
}

// === impl UpstreamError ===

impl UpstreamError {
    /// Returns the status of the response after this failure.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Busy | Self::Refused(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::ConnectTimeout(_) | Self::ResponseTimeout(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Broken(_)
            | Self::Connect(_)
            | Self::Forbidden(_)
            | Self::HeadTooLarge(_)
            | Self::NotSwitched(..)
            | Self::OnlyHttp2(_)
            | Self::Tls(_)
            | Self::UnexpectedSwitch
            | Self::UnknownCoding(_)
            | Self::WrongAccept
            | Self::WrongConnection
            | Self::WrongExtension(_)
            | Self::WrongProtocol
            | Self::WrongSubprotocol(_) => StatusCode::BAD_GATEWAY,
        }
    }
}

// === impl Failure ===

impl Failure {
    /// Returns the diagnosis, if the failed request was a WebSocket handshake that it explains.
    pub(super) const fn diagnosis(&self) -> Option<Diagnosis> {
        Some(match self {
            Self::Request(RequestError::Draining) => Diagnosis::Drained,
            Self::Request(RequestError::HandshakeBody | RequestError::HandshakeKey) => {
                Diagnosis::BadHandshake
            }
            Self::Upstream(UpstreamError::NotSwitched(_, diagnosis)) => *diagnosis,
            Self::Upstream(UpstreamError::OnlyHttp2(_)) => Diagnosis::OnlyHttp2,
            Self::Upstream(
                UpstreamError::WrongAccept
                | UpstreamError::WrongConnection
                | UpstreamError::WrongExtension(_)
                | UpstreamError::WrongProtocol
                | UpstreamError::WrongSubprotocol(_),
            ) => Diagnosis::WrongSwitch,
            _ => return None,
        })
    }

    /// Returns the status of the response.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Request(error) => error.status(),
            Self::Upstream(error) => error.status(),
        }
    }

    /// Returns `true` if the same request may succeed a second later.
    pub(super) const fn is_temporary(&self) -> bool {
        use RequestError::{ClientBusy, Draining, ServerBusy};
        use UpstreamError::{Busy, Refused};
        matches!(
            self,
            Self::Request(ClientBusy | Draining | ServerBusy) | Self::Upstream(Busy | Refused(_))
        )
    }

    /// Displays the error with every source, down to the operating system's.
    pub(super) fn error_chain(&self) -> impl fmt::Display {
        ErrorChain(self)
    }
}

impl From<Full> for RequestError {
    fn from(full: Full) -> Self {
        match full {
            Full::Client => Self::ClientBusy,
            Full::Total => Self::ServerBusy,
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let error = match error {
            ConnectError::Failed(error) => UpstreamError::Connect(error),
            ConnectError::Forbidden(forbidden) => UpstreamError::Forbidden(forbidden),
            ConnectError::Refused(error) => UpstreamError::Refused(error),
            ConnectError::TimedOut(error) => UpstreamError::ConnectTimeout(error),
            ConnectError::Tls(error) => UpstreamError::Tls(error),
        };
        error.into()
    }
}

impl From<UploadFailure> for Failure {
    fn from(failure: UploadFailure) -> Self {
        let error = match failure {
            UploadFailure::Broken => RequestError::BodyBroken("the client ended it".into()),
            UploadFailure::TooLarge(limit) => RequestError::BodyTooLarge(limit),
            UploadFailure::TooSlow(slow) => too_slow(slow),
        };
        error.into()
    }
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        if sources(&error).any(is_only_http2) {
            UpstreamError::OnlyHttp2(error.into()).into()
        } else if let Some(cut) = sources(&error).find_map(cut_upload) {
            cut.into()
        } else if error.is_user() {
            // hyper reports a failed request body as a user error; here the body is the client's.
            RequestError::BodyBroken(error.into()).into()
        } else if error.is_parse_too_large() {
            UpstreamError::HeadTooLarge(error.into()).into()
        } else {
            UpstreamError::Broken(error.into()).into()
        }
    }
}

/// Returns the error of an upload that the proxy itself ended.
fn cut_upload(error: &(dyn Error + 'static)) -> Option<RequestError> {
    match error.downcast_ref()? {
        UploadError::TooLarge(limit) => Some(RequestError::BodyTooLarge(*limit)),
        UploadError::TooSlow(slow) => Some(too_slow(*slow)),
        UploadError::Broken(_) => None,
    }
}

const fn too_slow(slow: TooSlow) -> RequestError {
    match slow {
        TooSlow::Rate(time) => RequestError::BodySlow(time),
        TooSlow::Stall(time) => RequestError::BodyStalled(time),
    }
}

fn sources(error: &dyn Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&source| source.source())
}

// === impl ErrorChain ===

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        sources(self.0).try_for_each(|source| write!(f, ": {source}"))
    }
}
