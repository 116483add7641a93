//! Protocol detection from the first bytes of a connection.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};

/// The protocol of a connection, with the bytes that were read to detect it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DetectedProtocol {
    /// HTTP/1, or bytes that hyper rejects as such.
    Http1(Vec<u8>),
    /// HTTP/2 with prior knowledge.
    Http2(Vec<u8>),
    /// TLS, which this port does not support.
    Tls,
}

/// The HTTP/2 connection preface (RFC 9113, 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The start of a handshake record in any version of TLS (RFC 8446, 5.1). No HTTP request begins
/// with its first byte.
const TLS_HANDSHAKE: [u8; 2] = [0x16, 0x03];

/// The time a client of the wrong protocol may take to read the error response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The response to TLS on a plain port.
pub(super) const TLS_RESPONSE: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
    connection: close\r\ncontent-length: 89\r\n\r\n\
    400 Bad Request: W13: TLS was sent to a port that accepts plain http:// and ws:// only.\r\n";

// === impl DetectedProtocol ===

impl DetectedProtocol {
    /// Reads as many bytes beyond `first_bytes` as the detection needs; `None` if the connection ends before. An
    /// HTTP/2 preface counts only with `allow_http2`.
    pub(super) async fn detect<S: AsyncRead + Unpin>(
        socket: &mut S,
        mut first_bytes: Vec<u8>,
        allow_http2: bool,
    ) -> io::Result<Option<Self>> {
        loop {
            if let Some(protocol) = Self::classify(&first_bytes, allow_http2) {
                return Ok(Some(protocol(first_bytes)));
            }
            // They are fewer than those of a preface, as more are classified.
            let mut space = [0; PREFACE.len()];
            let read = socket.read(&mut space[first_bytes.len()..]).await?;
            if read == 0 {
                return Ok(None);
            }
            first_bytes.extend_from_slice(&space[first_bytes.len()..][..read]);
        }
    }

    /// Returns the protocol of these bytes; `None` if more are needed.
    fn classify(bytes: &[u8], allow_http2: bool) -> Option<fn(Vec<u8>) -> Self> {
        if allow_http2 && bytes.starts_with(PREFACE) {
            return Some(Self::Http2);
        }
        if bytes.starts_with(&TLS_HANDSHAKE) && bytes.len() > TLS_HANDSHAKE.len() {
            return Some(|_| Self::Tls);
        }
        let may_become_http2 = allow_http2 && PREFACE.starts_with(bytes);
        let may_become_tls = TLS_HANDSHAKE.starts_with(bytes);
        (!may_become_http2 && !may_become_tls).then_some(Self::Http1)
    }
}

/// Answers a client of another protocol with a plain-text error, which some tools show.
pub(super) async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut S, response: &str) {
    let respond = async {
        socket.write_all(response.as_bytes()).await?;
        socket.shutdown().await?;
        // Closing a socket with unread input would reset it and discard the response.
        while socket.read(&mut [0; 512]).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    let _ = timeout(RESPONSE_TIMEOUT, respond).await;
}
