//! Clients that exceed a limit, wait, and are served again.

use std::{net::SocketAddr, time::Duration};

use tokio::time::sleep;

use crate::{
    http_client::HttpClient,
    traffic::{Client, new_address},
};

pub(super) struct Limited(HttpClient);

impl Limited {
    pub(super) const fn new(addr: SocketAddr) -> Self {
        Self(HttpClient::new(addr))
    }
}

impl Client for Limited {
    async fn run(&mut self) -> Result<(), String> {
        let client = new_address();
        for _ in 0..5 {
            self.0.expect(200, "/limited", client).await?;
        }
        let mut over = 0;
        // On a slow machine, some tokens grow back in the meantime.
        for _ in 0..20 {
            match self.0.get("/limited", client).await?.status.as_u16() {
                200 => {}
                429 => over += 1,
                status => return Err(format!("status {status} over the limit")),
            }
        }
        if over == 0 {
            return Err("25 requests at once, none refused by the limit of 5".to_owned());
        }
        self.0.expect(200, "/bytes/1", client).await?;
        sleep(Duration::from_secs(1)).await;
        self.0.expect(200, "/limited", client).await.map(drop)
    }
}
