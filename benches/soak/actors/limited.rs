//! Clients that ask for more than a limit allows, and wait until they may again.

use std::{net::SocketAddr, time::Duration};

use tokio::time::sleep;

use crate::{
    asker::Asker,
    stage::{Actor, stranger},
};

pub(super) struct Limited(Asker);

impl Limited {
    pub(super) const fn new(addr: SocketAddr) -> Self {
        Self(Asker::new(addr))
    }
}

impl Actor for Limited {
    async fn act(&mut self) -> Result<(), String> {
        let client = stranger();
        for _ in 0..5 {
            self.0.expect(200, "/limited", client).await?;
        }
        let mut over = 0;
        // Some are granted, where the machine is slow.
        for _ in 0..20 {
            match self.0.get("/limited", client).await?.status.as_u16() {
                200 => {}
                429 => over += 1,
                status => return Err(format!("{status} beyond the limit")),
            }
        }
        if over == 0 {
            return Err("25 requests at once, and none over the limit of 5".to_owned());
        }
        self.0.expect(200, "/bytes/1", client).await?;
        sleep(Duration::from_secs(1)).await;
        self.0.expect(200, "/limited", client).await.map(drop)
    }
}
