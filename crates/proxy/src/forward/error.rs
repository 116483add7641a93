//! Why a request got an answer of ours.

use std::{error::Error, fmt, io, time::Duration};

use gabion_core::{Diagnosis, Escaped, Evidence};
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};

use super::{body::ProxyBody, upstream_io::is_only_http2};
use crate::forbidden::ForbiddenAddress;

type Source = Box<dyn Error + Send + Sync>;

/// What is wrong with a request, so that it cannot be sent on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Its body broke off, or its framing is broken.
    #[error("the request's body broke off")]
    BodyBroken(#[source] Source),
    /// Its body did not go on.
    #[error("the request's body did not go on within {} s", .0.as_secs())]
    BodyStalled(Duration),
    /// It asks for a WebSocket, and the server is about to stop.
    #[error("no WebSocket is opened any more: the server restarts")]
    Draining,
    /// It asks for a WebSocket and has a body.
    #[error("a WebSocket handshake has no body")]
    HandshakeBody,
    /// It asks for a WebSocket and has not exactly one key.
    #[error("a WebSocket handshake has one Sec-WebSocket-Key")]
    HandshakeKey,
    /// It names more than one host.
    #[error("more than one Host")]
    ManyHosts,
    /// Its target has no path.
    #[error("the target has no path")]
    NoPath,
    /// Its extensions hold no `PeerAddr`: the accept loop of this crate puts one there.
    #[error("whose request it is was not said: its extensions hold no PeerAddr")]
    NoPeer,
    /// The system gave no random bytes for a WebSocket key.
    #[error("no random bytes for a WebSocket key")]
    NoRandom(#[source] io::Error),
    /// It is a CONNECT with a protocol that is not tunneled.
    #[error("CONNECT for the protocol \"{}\" is not served", Escaped(.0.as_bytes()))]
    Protocol(Box<str>),
    /// It is a CONNECT to a host of the client's choice.
    #[error("CONNECT to a host is not served")]
    Tunnel,
}

/// What went wrong with the upstream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The exchange ended before its answer began.
    #[error("the server behind broke off before it answered")]
    Broken(#[source] Source),
    /// It refused the connection, or has no address.
    #[error("the server behind cannot be reached")]
    Connect(#[source] Source),
    /// It did not accept the connection in time.
    #[error("the server behind did not accept the connection in time")]
    ConnectTimeout(#[source] Source),
    /// Its name leads to no address but some that are never an upstream's.
    #[error("the server behind is where no upstream may be")]
    Forbidden(#[source] ForbiddenAddress),
    /// It answered a WebSocket handshake with success that opens no WebSocket, and what that means.
    #[error("the server behind answered a WebSocket handshake with {0}")]
    NotSwitched(StatusCode, Diagnosis),
    /// It speaks HTTP/2 only.
    #[error("the server behind speaks HTTP/2 only, and was asked in HTTP/1.1")]
    OnlyHttp2(#[source] Source),
    /// It did not begin to answer in time.
    #[error("the server behind did not begin to answer within {} s", .0.as_secs_f32())]
    ResponseTimeout(Duration),
    /// It switched to another protocol, and was not asked to.
    #[error("the server behind switched protocols unasked")]
    UnexpectedSwitch,
    /// It opened a WebSocket, but not the one that was asked for.
    #[error("the server behind accepted another WebSocket handshake than was sent")]
    WrongAccept,
    /// It opened a WebSocket without `Connection: upgrade`.
    #[error("the server behind opened a WebSocket without Connection: upgrade")]
    WrongConnection,
    /// It granted an extension that was not offered, or not so.
    #[error("the server behind granted the extension \"{0}\", which was not offered so")]
    WrongExtension(Evidence),
    /// It switched to another protocol than WebSocket.
    #[error("the server behind switched to another protocol than WebSocket")]
    WrongProtocol,
    /// It chose a subprotocol that was not offered, or more than one.
    #[error("the server behind chose the subprotocol \"{0}\", which was not offered so")]
    WrongSubprotocol(Evidence),
}

/// Either of the two.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

/// An error and all its sources on one line.
struct ErrorChain<'e>(&'e dyn Error);

// === impl RequestError ===

impl RequestError {
    /// How a request that is wrong in this way is answered.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::BodyBroken(_)
            | Self::HandshakeBody
            | Self::HandshakeKey
            | Self::ManyHosts
            | Self::NoPath => StatusCode::BAD_REQUEST,
            Self::BodyStalled(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoPeer | Self::NoRandom(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Protocol(_) | Self::Tunnel => StatusCode::NOT_IMPLEMENTED,
        }
    }
}

// === impl UpstreamError ===

impl UpstreamError {
    /// How a request that failed in this way is answered.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::ConnectTimeout(_) | Self::ResponseTimeout(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Broken(_)
            | Self::Connect(_)
            | Self::Forbidden(_)
            | Self::NotSwitched(..)
            | Self::OnlyHttp2(_)
            | Self::UnexpectedSwitch
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
    /// Why no WebSocket opens, where one was asked for.
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

    /// No connection could be made.
    pub(super) fn from_connect_error(error: Source) -> Self {
        let forbidden = sources(&*error).find_map(|source| source.downcast_ref());
        let error = if let Some(forbidden) = forbidden {
            UpstreamError::Forbidden(*forbidden)
        } else if sources(&*error).any(is_timeout) {
            UpstreamError::ConnectTimeout(error)
        } else {
            UpstreamError::Connect(error)
        };
        error.into()
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Request(error) => error.status(),
            Self::Upstream(error) => error.status(),
        }
    }

    /// The answer: the status and the reason in words, without what lies beneath it, and the
    /// diagnosis.
    pub(super) fn to_response(&self) -> Response<ProxyBody> {
        let status = self.status();
        let mut text = format!("{status}: {self}\n");
        if let Some(diagnosis) = self.diagnosis() {
            text = format!("{text}{diagnosis}\n");
        }
        let mut response = Response::new(ProxyBody::text(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(CONTENT_TYPE, plain);
        if let Self::Request(RequestError::Draining) = self {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }

    /// Every reason, down to the system's.
    pub(super) fn error_chain(&self) -> impl fmt::Display {
        ErrorChain(self)
    }
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        if sources(&error).any(is_only_http2) {
            UpstreamError::OnlyHttp2(error.into()).into()
        } else if error.is_user() {
            // hyper's word for a body that fails: ours is the client's.
            RequestError::BodyBroken(error.into()).into()
        } else {
            UpstreamError::Broken(error.into()).into()
        }
    }
}

fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    let error: Option<&io::Error> = error.downcast_ref();
    error.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
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
