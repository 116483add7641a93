//! Connections on which a PROXY header or a TLS handshake comes before HTTP.

use std::io;

use gabion_core::{Diagnosis, PeerAddr, UnparsablePart};
use tokio::{io::AsyncReadExt as _, net::TcpStream, select, time::timeout};
use tracing::debug;

use super::{
    connection::{Admitted, ConnectionHandler, OpenedSocket, Start},
    detect::refuse,
    options::ProxyProtocol,
    proxy_header::{ReadHeader, begins_header, read_header},
    service::HttpService,
    worker_service::WorkerService,
};
use crate::{
    event_sink::Requester,
    prefixed::PrefixedSocket,
    tls::{Tls, TlsSocket},
};

/// The first byte of a handshake record in any version of TLS (RFC 8446, 5.1). No HTTP request begins with it.
const TLS_HANDSHAKE: u8 = 0x16;

/// The response to plain HTTP on a TLS port.
const PLAIN_RESPONSE: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
    connection: close\r\ncontent-length: 99\r\n\r\n\
    400 Bad Request: W13: this port speaks HTTPS: use https:// or wss:// instead of http:// or ws://.\r\n";

// === impl ConnectionHandler ===

impl ConnectionHandler {
    /// Returns `true` if something may come before HTTP on a connection: [`Self::handle_wrapped`] serves it.
    pub(super) fn is_wrapped(&self) -> bool {
        self.options.tls.is_some() || self.options.proxy_protocol != ProxyProtocol::Off
    }

    /// Serves one connection like [`Self::handle`], after its PROXY header and its TLS handshake.
    pub(super) async fn handle_wrapped<S: HttpService>(
        self,
        mut socket: TcpStream,
        mut admitted: Admitted,
        service: WorkerService<S>,
    ) {
        let mut first_bytes = Vec::new();
        if self.options.proxy_protocol != ProxyProtocol::Off && admitted.is_trusted_proxy() {
            let Some((client, rest)) = self.read_proxy_header(&mut socket, &admitted).await else {
                return;
            };
            first_bytes = rest;
            if let Some(client) = client {
                let Some(of_client) = self.admit(client) else {
                    return;
                };
                admitted = of_client;
            }
        }
        if let Some(tls) = &self.options.tls {
            let Some(opened) = self.shake_hands(tls, socket, first_bytes, &admitted).await else {
                return;
            };
            self.clone().handle(opened, admitted, service).await;
        } else {
            let start = Start::Plain(first_bytes);
            let opened = OpenedSocket { socket, start };
            self.handle(opened, admitted, service).await;
        }
    }

    /// Reads the header that a trusted proxy sends, and returns its client; `None` if the connection is to end.
    async fn read_proxy_header(
        &self,
        socket: &mut TcpStream,
        admitted: &Admitted,
    ) -> Option<(Option<PeerAddr>, Vec<u8>)> {
        let lifetime = self.lifetime(admitted.slot());
        let header = select! {
            () = lifetime.ended_without_request() => return None,
            header = timeout(self.header_timeout, read_header(socket)) => header.ok()?.ok()?,
        };
        match header {
            ReadHeader::Read { client, rest } => Some((client.map(PeerAddr::new), rest)),
            ReadHeader::Missing(bytes) => {
                self.record_proxy_header(admitted.peer, &bytes);
                None
            }
        }
    }

    /// Completes the TLS handshake; `None` if the connection is to end.
    async fn shake_hands(
        &self,
        tls: &Tls,
        socket: TcpStream,
        first_bytes: Vec<u8>,
        admitted: &Admitted,
    ) -> Option<OpenedSocket<TlsSocket>> {
        let handshake = async {
            let socket = self.expect_tls(socket, first_bytes, admitted.peer).await?;
            tls.accept(socket).await
        };
        let handshake = timeout(tls.handshake_timeout(), handshake);
        let lifetime = self.lifetime(admitted.slot());
        let accepted = select! {
            () = lifetime.ended_without_request() => return None,
            accepted = handshake => accepted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        };
        match accepted {
            Ok((socket, is_http2)) => Some(OpenedSocket {
                socket,
                start: Start::Tls { is_http2 },
            }),
            Err(error) => {
                let peer = admitted.peer.addr();
                debug!(target: "gabion::proxy", %peer, %error, "no TLS handshake");
                None
            }
        }
    }

    /// Reads the first bytes, and answers those that are not TLS.
    async fn expect_tls(
        &self,
        mut socket: TcpStream,
        mut first_bytes: Vec<u8>,
        peer: PeerAddr,
    ) -> io::Result<PrefixedSocket<TcpStream>> {
        // As long as most client hellos.
        first_bytes.reserve(2048);
        if first_bytes.is_empty() && socket.read_buf(&mut first_bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match first_bytes[..] {
            [TLS_HANDSHAKE, ..] => return Ok(PrefixedSocket::new(first_bytes, socket)),
            _ if begins_header(&first_bytes) => self.record_proxy_header(peer, &first_bytes),
            [b'A'..=b'Z', ..] => {
                self.event_sink.record_diagnosis(
                    Diagnosis::NoHandshake,
                    &Requester::from_peer(peer),
                    "plain HTTP was sent to a port that accepts TLS only",
                );
                refuse(&mut socket, PLAIN_RESPONSE).await;
            }
            _ => {}
        }
        let what = "the first bytes are not those of TLS";
        Err(io::Error::new(io::ErrorKind::InvalidData, what))
    }

    /// Records that a PROXY header is missing or not allowed, with the line that was sent.
    fn record_proxy_header(&self, peer: PeerAddr, bytes: &[u8]) {
        let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next();
        self.event_sink.record_unparsable(
            peer,
            UnparsablePart::ProxyHeader,
            line.unwrap_or_default(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_has_its_length() {
        let (head, body) = PLAIN_RESPONSE.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())));
    }
}
