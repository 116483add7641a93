//! Policies that come into force while others are judged by the one before, and some that must not.

use std::{net::SocketAddr, rc::Rc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    asker::Asker,
    policy::Files,
    stage::{Actor, stranger},
};

/// Writes a policy; every third is broken.
pub(super) struct Reloads {
    asker: Asker,
    files: Rc<Files>,
    written: usize,
    in_force: usize,
}

/// How long a policy may take to be in force, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long a broken one is given to come into force all the same.
const WATCHED: Duration = Duration::from_secs(3);

const AGAIN: Duration = Duration::from_millis(100);

impl Reloads {
    pub(super) const fn new(addr: SocketAddr, files: Rc<Files>) -> Self {
        Self {
            asker: Asker::new(addr),
            files,
            written: 0,
            in_force: 0,
        }
    }

    /// Whether the policy of that generation refuses what it should.
    async fn refuses(&mut self, nth: usize) -> Result<bool, String> {
        let target = format!("/generation/{nth}");
        match self.asker.get(&target, stranger()).await?.status.as_u16() {
            200 => Ok(false),
            403 => Ok(true),
            status => Err(format!("{target}: {status}")),
        }
    }

    async fn good(&mut self, nth: usize) -> Result<(), String> {
        self.files
            .save(&self.files.good(nth), nth.is_multiple_of(2));
        let began = Instant::now();
        while !self.refuses(nth).await? {
            if began.elapsed() > PATIENCE {
                return Err(format!("policy {nth} is not in force after {PATIENCE:?}"));
            }
            sleep(AGAIN).await;
        }
        let before = std::mem::replace(&mut self.in_force, nth);
        if self.refuses(before).await? {
            return Err(format!("policy {before} goes on beside {nth}"));
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

impl Actor for Reloads {
    async fn act(&mut self) -> Result<(), String> {
        self.written += 1;
        match self.written {
            nth if nth.is_multiple_of(3) => self.bad(nth).await,
            nth => self.good(nth).await,
        }
    }
}
