//! Requests that the server behind breaks off: the client is told, and the next is served.

use std::net::SocketAddr;

use crate::{
    asker::Asker,
    stage::{Actor, regular},
};

pub(super) struct Broken {
    asker: Asker,
    lane: usize,
}

impl Broken {
    pub(super) const fn new(addr: SocketAddr, lane: usize) -> Self {
        Self {
            asker: Asker::new(addr),
            lane,
        }
    }
}

impl Actor for Broken {
    async fn act(&mut self) -> Result<(), String> {
        let client = regular(self.lane);
        self.asker.expect(502, "/no-answer", client).await?;
        if let Ok(answer) = self.asker.get("/half-answer", client).await {
            return Err(format!("half an answer passed as whole: {}", answer.status));
        }
        self.asker.expect(200, "/bytes/10", client).await.map(drop)
    }
}
