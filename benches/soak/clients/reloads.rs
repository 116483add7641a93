//! Rewrites the policy during traffic: valid policies must come into force, broken ones must not.

use std::{net::SocketAddr, rc::Rc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    http_client::HttpClient,
    policy::Files,
    traffic::{Client, new_address},
};

/// Writes a policy each time; every third is broken.
pub(super) struct Reloads {
    http: HttpClient,
    files: Rc<Files>,
    written: usize,
    in_force: usize,
}

/// The time in which a policy must come into force, on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The time during which a broken policy must not come into force.
const WATCHED: Duration = Duration::from_secs(3);

const RETRY: Duration = Duration::from_millis(100);

impl Reloads {
    pub(super) const fn new(addr: SocketAddr, files: Rc<Files>) -> Self {
        Self {
            http: HttpClient::new(addr),
            files,
            written: 0,
            in_force: 0,
        }
    }

    /// Returns `true` if guard denies the path of generation `nth`, so that its policy is in force.
    async fn refuses(&mut self, nth: usize) -> Result<bool, String> {
        let target = format!("/generation/{nth}");
        match self.http.get(&target, new_address()).await?.status.as_u16() {
            200 => Ok(false),
            403 => Ok(true),
            status => Err(format!("{target}: {status}")),
        }
    }

    async fn good(&mut self, nth: usize) -> Result<(), String> {
        self.files
            .save(&self.files.good(nth), nth.is_multiple_of(2));
        let start = Instant::now();
        while !self.refuses(nth).await? {
            if start.elapsed() > TIMEOUT {
                return Err(format!("policy {nth} is not in force after {TIMEOUT:?}"));
            }
            sleep(RETRY).await;
        }
        let before = std::mem::replace(&mut self.in_force, nth);
        if self.refuses(before).await? {
            return Err(format!("policy {before} is still in force beside {nth}"));
        }
        Ok(())
    }

    async fn bad(&mut self, nth: usize) -> Result<(), String> {
        self.files.save(&self.files.bad(nth), nth.is_multiple_of(2));
        sleep(WATCHED).await;
        if self.refuses(nth).await? || !self.refuses(self.in_force).await? {
            return Err(format!("broken policy {nth} is in force"));
        }
        Ok(())
    }
}

impl Client for Reloads {
    async fn run(&mut self) -> Result<(), String> {
        self.written += 1;
        match self.written {
            nth if nth.is_multiple_of(3) => self.bad(nth).await,
            nth => self.good(nth).await,
        }
    }
}
