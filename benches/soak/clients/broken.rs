//! Requests during which the upstream server closes the connection. The client must see the error, and its
//! next request must succeed.

use std::net::SocketAddr;

use crate::{
    http_client::HttpClient,
    traffic::{Client, returning_address},
};

pub(super) struct Broken {
    http: HttpClient,
    index: usize,
}

impl Broken {
    pub(super) const fn new(addr: SocketAddr, index: usize) -> Self {
        Self {
            http: HttpClient::new(addr),
            index,
        }
    }
}

impl Client for Broken {
    async fn run(&mut self) -> Result<(), String> {
        let client = returning_address(self.index);
        self.http.expect(502, "/no-answer", client).await?;
        if let Ok(answer) = self.http.get("/half-answer", client).await {
            return Err(format!(
                "half a response was forwarded as complete: {}",
                answer.status
            ));
        }
        self.http.expect(200, "/bytes/10", client).await.map(drop)
    }
}
