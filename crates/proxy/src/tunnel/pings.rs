//! When the upstream is pinged.

use std::time::Duration;

use gabion_frames::{Due, KeepAlive, encode::ControlFrame};

/// Pings an upstream that is silent.
#[derive(Debug)]
pub(super) struct Pings {
    keep_alive: KeepAlive,
    every: Duration,
    /// When the last was sent.
    sent: Option<Duration>,
}

// === impl Pings ===

impl Pings {
    /// None where the system has no random bytes to tell our pongs by.
    pub(super) fn new(every: Duration) -> Option<Self> {
        Some(Self {
            keep_alive: KeepAlive::new(every, random()?, Duration::ZERO),
            every,
            sent: None,
        })
    }

    /// By whom our pongs are known.
    pub(super) const fn keep_alive(&self) -> &KeepAlive {
        &self.keep_alive
    }

    /// The upstream sent something.
    pub(super) const fn heard(&mut self, now: Duration) {
        self.keep_alive.heard(now);
    }

    /// What is to be done now. A ping may be sent late, since it has to wait for the end of a frame:
    /// the upstream has as long to answer it as any other.
    pub(super) fn due(&self, now: Duration) -> Due {
        let answered_by = self.sent.map(|sent| sent.saturating_add(self.every));
        match self.keep_alive.due(now) {
            Due::Wait(time) => Due::Wait(time),
            due => answered_by
                .filter(|time| now < *time)
                .map_or(due, Due::Wait),
        }
    }

    /// The ping that is due, masked as a client's; none where the system has no random bytes.
    pub(super) fn ping(&mut self, now: Duration) -> Option<ControlFrame> {
        let key = random()?;
        self.sent = Some(now);
        Some(self.keep_alive.ping(Some(key)))
    }
}

fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn late_ping_has_as_long_for_its_answer() {
        let mut pings = Pings::new(secs(25)).unwrap();
        assert_eq!(pings.due(secs(24)), Due::Wait(secs(25)));
        // The frame at hand took its time, or the process stood still.
        assert_eq!(pings.due(secs(100)), Due::Ping);
        pings.ping(secs(100)).unwrap();
        assert_eq!(pings.due(secs(100)), Due::Wait(secs(125)));
        assert_eq!(pings.due(secs(125)), Due::Ping);
        pings.ping(secs(125)).unwrap();
        assert_eq!(pings.due(secs(149)), Due::Wait(secs(150)));
        assert_eq!(pings.due(secs(150)), Due::Gone);
    }

    #[test]
    fn upstream_that_is_heard_waits_for_its_next_silence() {
        let mut pings = Pings::new(secs(25)).unwrap();
        pings.ping(secs(25)).unwrap();
        pings.heard(secs(26));
        assert_eq!(pings.due(secs(30)), Due::Wait(secs(51)));
        assert_eq!(pings.due(secs(51)), Due::Ping);
    }
}
