//! Clients that are banned, retry, and are served again after the ban.

use std::{net::SocketAddr, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    http_client::HttpClient,
    policy::{BAN, GROWTH},
    traffic::{Client, new_address},
};

pub(super) struct Banned(HttpClient);

const BAN_TIME: Duration = Duration::from_secs(BAN);
const RETRY: Duration = Duration::from_millis(250);

/// The tolerance for a ban that ends late: up to a quarter is added to a second ban at random, and a request takes
/// its time on a busy machine.
const SLACK: Duration = Duration::from_secs(10);

impl Banned {
    pub(super) const fn new(addr: SocketAddr) -> Self {
        Self(HttpClient::new(addr))
    }

    /// Retries until the client is served again, and checks that the ban lasted `ban_for` or little longer.
    async fn wait_for_end_of_ban(
        &mut self,
        client: [u8; 4],
        start: Instant,
        ban_for: Duration,
    ) -> Result<(), String> {
        let mut refused = 0;
        loop {
            let sent = start.elapsed();
            let answer = self.0.get("/bytes/10", client).await?;
            match answer.status.as_u16() {
                403 if sent < ban_for + SLACK => refused += 1,
                200 if refused > 0 && start.elapsed() >= ban_for => return Ok(()),
                status => {
                    let after = start.elapsed();
                    return Err(format!(
                        "{client:?}: status {status} {after:?} after the ban, refused {refused} times"
                    ));
                }
            }
            sleep(RETRY).await;
        }
    }
}

impl Client for Banned {
    async fn run(&mut self) -> Result<(), String> {
        let client = new_address();
        self.0.expect(200, "/bytes/10", client).await?;
        for trap in ["/trap/a", "/trap/b"] {
            self.0.expect(403, trap, client).await?;
        }
        self.0.expect(200, "/bytes/10", client).await?;
        let start = Instant::now();
        self.0.expect(403, "/trap/c", client).await?;
        self.wait_for_end_of_ban(client, start, BAN_TIME).await?;
        // A client with an earlier ban is banned at its first offense, and longer.
        let start = Instant::now();
        self.0.expect(403, "/trap/c", client).await?;
        self.wait_for_end_of_ban(client, start, BAN_TIME * GROWTH)
            .await
    }
}
