//! Clients with legitimate requests, each of which must get the correct response.

use std::{net::SocketAddr, rc::Rc, time::Instant};

use gabion_benches::Rng;

use crate::{
    body,
    http_client::HttpClient,
    latencies::Latencies,
    traffic::{Client, returning_address},
};

/// Downloads or uploads up to 64 KiB.
pub(super) struct Clean {
    http: HttpClient,
    rng: Rng,
    keep_alive: bool,
    latencies: Rc<Latencies>,
}

const MAX_BODY: usize = 64 * 1024;

impl Clean {
    pub(super) const fn new(
        addr: SocketAddr,
        index: usize,
        keep_alive: bool,
        latencies: Rc<Latencies>,
    ) -> Self {
        Self {
            http: HttpClient::new(addr),
            rng: Rng::new((index as u64 + 1) << 1 | keep_alive as u64),
            keep_alive,
            latencies,
        }
    }
}

impl Client for Clean {
    async fn run(&mut self) -> Result<(), String> {
        let client = returning_address(self.rng.below(usize::MAX));
        let (length, seed) = (self.rng.below(MAX_BODY + 1), self.rng.below(1 << 20));
        let expected = body(length, seed as u64);
        if !self.keep_alive {
            self.http.disconnect();
        }
        let sent = Instant::now();
        let (request, answer) = if seed % 3 == 0 {
            let answer = self.http.post("/echo", client, &expected).await;
            ("POST /echo", answer?)
        } else {
            let target = format!("/bytes/{length}/{seed}");
            ("GET /bytes", self.http.get(&target, client).await?)
        };
        self.latencies.record(sent);
        if answer.status != 200 || answer.body != expected {
            let (status, got) = (answer.status, answer.body.len());
            let text: String = answer.text().chars().take(200).collect();
            return Err(format!(
                "{request} of {length} bytes for {client:?}: status {status}, {got} bytes: {}",
                text.escape_default()
            ));
        }
        Ok(())
    }
}
