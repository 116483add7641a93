//! Clients that are banned, come back, and are let in once the ban is over.

use std::{net::SocketAddr, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    asker::Asker,
    policy::BAN,
    stage::{Actor, stranger},
};

pub(super) struct Banned(Asker);

const LASTS: Duration = Duration::from_secs(BAN);
const AGAIN: Duration = Duration::from_millis(250);

/// How much later than a ban ends a client may still be refused: a request's way, on a busy machine.
const SLACK: Duration = Duration::from_secs(3);

impl Banned {
    pub(super) const fn new(addr: SocketAddr) -> Self {
        Self(Asker::new(addr))
    }

    /// Comes back until it is let in.
    async fn serve_ban(&mut self, client: [u8; 4], began: Instant) -> Result<(), String> {
        let mut refused = 0;
        loop {
            let asked = began.elapsed();
            let answer = self.0.get("/bytes/10", client).await?;
            match answer.status.as_u16() {
                403 if asked < LASTS + SLACK => refused += 1,
                200 if refused > 0 && began.elapsed() >= LASTS => return Ok(()),
                status => {
                    let after = began.elapsed();
                    return Err(format!(
                        "{client:?}: {status} {after:?} after the ban, refused {refused} times"
                    ));
                }
            }
            sleep(AGAIN).await;
        }
    }
}

impl Actor for Banned {
    async fn act(&mut self) -> Result<(), String> {
        let client = stranger();
        self.0.expect(200, "/bytes/10", client).await?;
        for trap in ["/trap/a", "/trap/b"] {
            self.0.expect(403, trap, client).await?;
        }
        self.0.expect(200, "/bytes/10", client).await?;
        let began = Instant::now();
        self.0.expect(403, "/trap/c", client).await?;
        self.serve_ban(client, began).await?;
        // Who is known for it is banned at once.
        let began = Instant::now();
        self.0.expect(403, "/trap/c", client).await?;
        self.serve_ban(client, began).await
    }
}
