//! The first bytes of a connection, which say what it speaks.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// What a client speaks, and what was read to know it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DetectedProtocol {
    /// HTTP/1, or what is to be refused as such.
    Http1(Vec<u8>),
    /// HTTP/2 by prior knowledge.
    Http2(Vec<u8>),
    /// TLS, which is not spoken here.
    Tls,
}

/// RFC 9113, 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A handshake record of any version of TLS (RFC 8446, 5.1); no request begins with its first byte.
const TLS_HANDSHAKE: [u8; 2] = [0x16, 0x03];

/// How long a client may take to read why it is refused.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);

const TLS_RESPONSE: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
    connection: close\r\ncontent-length: 79\r\n\r\n\
    400 Bad Request: W13: TLS came to a port that speaks plain http:// and ws://.\r\n";

impl DetectedProtocol {
    /// Reads as much as is needed; none where the client says nothing, or breaks off amid it. An
    /// HTTP/2 preface counts only where it `allow_http2`.
    pub(super) async fn detect(
        socket: &mut TcpStream,
        allow_http2: bool,
    ) -> io::Result<Option<Self>> {
        let mut first_bytes = Vec::new();
        loop {
            let mut space = [0; PREFACE.len()];
            let read = socket.read(&mut space[first_bytes.len()..]).await?;
            if read == 0 {
                return Ok(None);
            }
            first_bytes.extend_from_slice(&space[first_bytes.len()..][..read]);
            if first_bytes[..] == *PREFACE && allow_http2 {
                return Ok(Some(Self::Http2(first_bytes)));
            }
            if first_bytes.starts_with(&TLS_HANDSHAKE) && first_bytes.len() > TLS_HANDSHAKE.len() {
                return Ok(Some(Self::Tls));
            }
            let may_become_http2 = allow_http2 && PREFACE.starts_with(&first_bytes);
            if !may_become_http2 && !TLS_HANDSHAKE.starts_with(&first_bytes) {
                return Ok(Some(Self::Http1(first_bytes)));
            }
        }
    }
}

/// Tells a client that speaks TLS that nobody here does, in words that some tools show.
pub(super) async fn refuse_tls(mut socket: TcpStream) {
    let respond = async {
        socket.write_all(TLS_RESPONSE.as_bytes()).await?;
        socket.shutdown().await?;
        // A socket that is dropped while bytes arrive takes along what it has not delivered.
        while socket.read(&mut [0; 512]).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    let _ = timeout(RESPONSE_TIMEOUT, respond).await;
}
