//! The WebSocket handshake with the client and with the upstream.
//!
//! On HTTP/1.1 it is `GET` with `Upgrade: websocket` (RFC 6455), on HTTP/2 an extended CONNECT (RFC
//! 8441). The upstream gets the HTTP/1.1 form in both cases; for HTTP/2 the proxy generates the
//! key.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gabion_core::{Diagnosis, has_token};
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Version,
    header::{
        CONNECTION, CONTENT_TYPE, LOCATION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE,
    },
    request, response,
};
use http_body::Body;
use hyper::ext::Protocol;
use sha1::{Digest, Sha1};

use super::{
    error::{RequestError, UpstreamError},
    handshake_offer::HandshakeOffer,
};

/// A handshake that a client requested.
#[derive(Debug)]
pub(super) struct Handshake {
    key: HeaderValue,
    offer: HandshakeOffer,
    kind: HandshakeKind,
}

/// The form of the client's handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HandshakeKind {
    Upgrade,
    ExtendedConnect,
}

/// The result of the upstream's response.
#[derive(Debug)]
pub(super) enum HandshakeResponse {
    /// The WebSocket is open.
    Accepted,
    /// The connection stays HTTP, and the response has the reason. The accept loop then ends an HTTP/1
    /// connection.
    Rejected,
}

// === impl Handshake ===

impl Handshake {
    /// Parses the handshake of a request; `None` if there is none.
    pub(super) fn from_request<B: Body>(
        request: &Request<B>,
    ) -> Result<Option<Self>, RequestError> {
        if request.method() == Method::CONNECT {
            return Self::from_connect(request).map(Some);
        }
        if !is_handshake(request) {
            return Ok(None);
        }
        if !request.body().is_end_stream() {
            return Err(RequestError::HandshakeBody);
        }
        let headers = request.headers();
        let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
        match (keys.next(), keys.next()) {
            (Some(key), None) => Ok(Some(Self {
                key: key.clone(),
                offer: HandshakeOffer::from_headers(headers),
                kind: HandshakeKind::Upgrade,
            })),
            _ => Err(RequestError::HandshakeKey),
        }
    }

    fn from_connect<B>(request: &Request<B>) -> Result<Self, RequestError> {
        let protocol = request.extensions().get::<Protocol>();
        let protocol = protocol.ok_or(RequestError::Tunnel)?.as_str();
        if !protocol.eq_ignore_ascii_case("websocket") {
            return Err(RequestError::Protocol(protocol.into()));
        }
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|error| RequestError::NoRandom(error.into()))?;
        let key = HeaderValue::try_from(STANDARD.encode(nonce));
        Ok(Self {
            key: key.map_err(|_| RequestError::HandshakeKey)?,
            offer: HandshakeOffer::from_headers(request.headers()),
            kind: HandshakeKind::ExtendedConnect,
        })
    }

    /// Writes the handshake into the head for the upstream.
    pub(super) fn write_request(&self, request: &mut request::Parts) {
        request.method = Method::GET;
        insert_upgrade_headers(&mut request.headers);
        request.headers.insert(SEC_WEBSOCKET_KEY, self.key.clone());
    }

    /// Checks the upstream's response.
    pub(super) fn check_response(
        &self,
        response: &response::Parts,
    ) -> Result<HandshakeResponse, UpstreamError> {
        match response.status {
            StatusCode::SWITCHING_PROTOCOLS => {}
            // A client that sent CONNECT would take any success for an open tunnel.
            status if status.is_success() && self.kind == HandshakeKind::ExtendedConnect => {
                return Err(UpstreamError::NotSwitched(
                    status,
                    diagnose_rejection(response),
                ));
            }
            _ => return Ok(HandshakeResponse::Rejected),
        }
        if !has_token(&response.headers, &UPGRADE, "websocket") {
            return Err(UpstreamError::WrongProtocol);
        }
        // RFC 6455, 4.1 requires it.
        if !has_token(&response.headers, &CONNECTION, "upgrade") {
            return Err(UpstreamError::WrongConnection);
        }
        self.offer.check_response(&response.headers)?;
        let mut accepts = response.headers.get_all(SEC_WEBSOCKET_ACCEPT).iter();
        match (accepts.next(), accepts.next()) {
            (Some(accept), None) if accept.as_bytes() == accept_key(&self.key) => {
                Ok(HandshakeResponse::Accepted)
            }
            _ => Err(UpstreamError::WrongAccept),
        }
    }

    /// Converts the upstream's acceptance, without its hop-by-hop headers, to the client's form.
    pub(super) fn write_response(&self, response: &mut response::Parts) {
        match self.kind {
            HandshakeKind::Upgrade => insert_upgrade_headers(&mut response.headers),
            HandshakeKind::ExtendedConnect => {
                response.status = StatusCode::OK;
                response.headers.remove(SEC_WEBSOCKET_ACCEPT);
            }
        }
    }
}

/// Returns `true` if a request is a WebSocket handshake.
pub(super) fn is_handshake<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let by_upgrade = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && has_token(headers, &CONNECTION, "upgrade")
        && has_token(headers, &UPGRADE, "websocket");
    by_upgrade || request.method() == Method::CONNECT
}

/// Returns the reason why a response opens no WebSocket.
pub(super) fn diagnose_rejection(response: &response::Parts) -> Diagnosis {
    let kind = response
        .headers
        .get(CONTENT_TYPE)
        .map(HeaderValue::as_bytes);
    let is_page = kind.is_some_and(|kind| {
        let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"text/html")
    });
    match response.status {
        status if status.is_redirection() && response.headers.contains_key(LOCATION) => {
            Diagnosis::Redirected
        }
        status if status.is_success() && is_page => Diagnosis::PageInstead,
        _ => Diagnosis::Refused,
    }
}

fn insert_upgrade_headers(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Computes `Sec-WebSocket-Accept` (RFC 6455, 4.2.2, item 5.4).
fn accept_key(key: &HeaderValue) -> Vec<u8> {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hash.finalize()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_key_matches_the_rfc_6455_example() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept_key(&key), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
