//! Periodic maintenance.

use std::{
    io,
    sync::{
        Weak,
        mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use super::Inner;

const INTERVAL: Duration = Duration::from_secs(1);

/// A thread that maintains a guard once a second, and ends when this is dropped with the guard.
pub(super) struct Maintenance {
    _stop: SyncSender<()>,
}

impl Maintenance {
    /// Starts the thread.
    pub(super) fn spawn(guard: Weak<Inner>) -> io::Result<Self> {
        let (stop, stopped) = sync_channel(0);
        thread::Builder::new()
            .name("gabion-maintain".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    match guard.upgrade() {
                        Some(guard) => guard.maintain(),
                        None => return,
                    }
                }
            })?;
        Ok(Self { _stop: stop })
    }
}
