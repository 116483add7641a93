//! Pings to the upstream.

use std::time::Duration;

use gabion_frames::{KeepAlive, encode::ControlFrame};

/// Creates the ping schedule; `None` if the system has no random bytes to recognize our pongs by.
pub(super) fn keep_alive(every: Duration) -> Option<KeepAlive> {
    Some(KeepAlive::new(every, random()?, Duration::ZERO))
}

/// Returns the ping that is due, masked like a client's; `None` if the system has no random bytes.
pub(super) fn ping(pings: &mut KeepAlive, now: Duration) -> Option<ControlFrame> {
    Some(pings.ping(now, Some(random()?)))
}

fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}
