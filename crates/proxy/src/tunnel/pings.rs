//! Pings to the upstream.

use std::time::Duration;

use gabion_frames::{KeepAlive, encode::ControlFrame};

/// When the upstream is pinged; never where the system has no random bytes to tell our pongs by.
pub(super) fn keep_alive(every: Duration) -> Option<KeepAlive> {
    Some(KeepAlive::new(every, random()?, Duration::ZERO))
}

/// The ping that is due, masked as a client's; none where the system has no random bytes.
pub(super) fn ping(pings: &mut KeepAlive, now: Duration) -> Option<ControlFrame> {
    Some(pings.ping(now, Some(random()?)))
}

fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}
