//! A client that keeps its connection.

use std::net::SocketAddr;

use gabion_testkit::{Answer, Wire};

use crate::stage::forwarded;

/// Asks one thing after the other, on one connection as long as it is kept.
pub(crate) struct Asker {
    addr: SocketAddr,
    wire: Option<Wire>,
}

// === impl Asker ===

impl Asker {
    pub(crate) const fn new(addr: SocketAddr) -> Self {
        Self { addr, wire: None }
    }

    /// Takes a new connection for what is asked next.
    pub(crate) fn hang_up(&mut self) {
        self.wire = None;
    }

    /// Asks for `target` on behalf of `client`.
    pub(crate) async fn get(&mut self, target: &str, client: [u8; 4]) -> Result<Answer, String> {
        let forwarded = forwarded(client);
        let head = format!("GET {target} HTTP/1.1\r\nHost: app.example\r\n{forwarded}\r\n");
        self.ask("GET", target, head.into_bytes()).await
    }

    /// Sends `body` to `target` on behalf of `client`.
    pub(crate) async fn post(
        &mut self,
        target: &str,
        client: [u8; 4],
        body: &[u8],
    ) -> Result<Answer, String> {
        let (length, forwarded) = (body.len(), forwarded(client));
        let mut request = format!(
            "POST {target} HTTP/1.1\r\nHost: app.example\r\nContent-Length: {length}\r\n\
             Content-Type: application/octet-stream\r\n{forwarded}\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.ask("POST", target, request).await
    }

    /// Asks, and wants this status.
    pub(crate) async fn expect(
        &mut self,
        status: u16,
        target: &str,
        client: [u8; 4],
    ) -> Result<Answer, String> {
        let answer = self.get(target, client).await?;
        if answer.status != status {
            let got = answer.status.as_u16();
            return Err(format!("{target} for {client:?}: {got}, not {status}"));
        }
        Ok(answer)
    }

    async fn ask(
        &mut self,
        method: &str,
        target: &str,
        request: Vec<u8>,
    ) -> Result<Answer, String> {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => Wire::connect(self.addr).await,
        };
        wire.send(&request).await;
        let answer = wire.answer(method).await;
        let answer = answer.ok_or_else(|| format!("{method} {target}: no whole answer"))?;
        let closes = answer.headers.get("connection");
        if closes.is_none_or(|closes| closes != "close") {
            self.wire = Some(wire);
        }
        Ok(answer)
    }
}
