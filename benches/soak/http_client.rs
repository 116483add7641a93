//! An HTTP client with a persistent connection.

use std::net::SocketAddr;

use gabion_testkit::{RawConnection, RawResponse};

use crate::traffic::forwarded;

/// Sends one request after the other, on one connection until a side closes it.
pub(crate) struct HttpClient {
    addr: SocketAddr,
    wire: Option<RawConnection>,
}

// === impl HttpClient ===

impl HttpClient {
    pub(crate) const fn new(addr: SocketAddr) -> Self {
        Self { addr, wire: None }
    }

    /// Closes the connection. The next request opens a new one.
    pub(crate) fn disconnect(&mut self) {
        self.wire = None;
    }

    /// Sends a GET for `target` on behalf of `client`.
    pub(crate) async fn get(
        &mut self,
        target: &str,
        client: [u8; 4],
    ) -> Result<RawResponse, String> {
        let forwarded = forwarded(client);
        let head = format!("GET {target} HTTP/1.1\r\nHost: app.example\r\n{forwarded}\r\n");
        self.send("GET", target, head.into_bytes()).await
    }

    /// Sends a POST of `body` to `target` on behalf of `client`.
    pub(crate) async fn post(
        &mut self,
        target: &str,
        client: [u8; 4],
        body: &[u8],
    ) -> Result<RawResponse, String> {
        let (length, forwarded) = (body.len(), forwarded(client));
        let mut request = format!(
            "POST {target} HTTP/1.1\r\nHost: app.example\r\nContent-Length: {length}\r\n\
             Content-Type: application/octet-stream\r\n{forwarded}\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.send("POST", target, request).await
    }

    /// Sends a GET and fails unless the response has this status.
    pub(crate) async fn expect(
        &mut self,
        status: u16,
        target: &str,
        client: [u8; 4],
    ) -> Result<RawResponse, String> {
        let answer = self.get(target, client).await?;
        if answer.status != status {
            let got = answer.status.as_u16();
            return Err(format!(
                "{target} for {client:?}: status {got}, expected {status}"
            ));
        }
        Ok(answer)
    }

    async fn send(
        &mut self,
        method: &str,
        target: &str,
        request: Vec<u8>,
    ) -> Result<RawResponse, String> {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => RawConnection::connect(self.addr).await,
        };
        wire.send(&request).await;
        let answer = wire.response(method).await;
        let answer = answer.ok_or_else(|| format!("{method} {target}: incomplete response"))?;
        let connection = answer.headers.get("connection");
        if connection.is_none_or(|value| value != "close") {
            self.wire = Some(wire);
        }
        Ok(answer)
    }
}
