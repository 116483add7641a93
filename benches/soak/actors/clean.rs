//! Honest clients: whatever else goes on, each of them gets what it asked for.

use std::net::SocketAddr;

use gabion_benches::Numbers;

use crate::{
    asker::Asker,
    body,
    stage::{Actor, regular},
};

/// Fetches and sends up to 64 KiB.
pub(super) struct Clean {
    asker: Asker,
    numbers: Numbers,
    keeps_alive: bool,
}

const MOST: usize = 64 * 1024;

impl Clean {
    pub(super) const fn new(addr: SocketAddr, lane: usize, keeps_alive: bool) -> Self {
        Self {
            asker: Asker::new(addr),
            numbers: Numbers::of((lane as u64 + 1) << 1 | keeps_alive as u64),
            keeps_alive,
        }
    }
}

impl Actor for Clean {
    async fn act(&mut self) -> Result<(), String> {
        let client = regular(self.numbers.below(usize::MAX));
        let (length, seed) = (self.numbers.below(MOST + 1), self.numbers.below(1 << 20));
        let expected = body(length, seed as u64);
        if !self.keeps_alive {
            self.asker.hang_up();
        }
        let (what, answer) = if seed % 3 == 0 {
            let answer = self.asker.post("/echo", client, &expected).await;
            ("POST /echo", answer?)
        } else {
            let target = format!("/bytes/{length}/{seed}");
            ("GET /bytes", self.asker.get(&target, client).await?)
        };
        if answer.status != 200 || answer.body != expected {
            let (status, got) = (answer.status, answer.body.len());
            let text: String = answer.text().chars().take(200).collect();
            return Err(format!(
                "{what} of {length} bytes for {client:?}: {status}, {got} bytes: {}",
                text.escape_default()
            ));
        }
        Ok(())
    }
}
