//! Keep-alive pings and detection of dead peers.

use std::time::Duration;

use crate::{
    Opcode,
    encode::{ControlFrame, small},
};

/// A keep-alive timer: pings a peer after an idle time, and reports it gone if it stays idle for as
/// long after each of two pings. A ping that is delayed by an unfinished frame gets the full time
/// for its answer.
///
/// Any byte from the peer counts as an answer, since a peer in the middle of a long message cannot
/// answer before the message ends.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use gabion_frames::{KeepAlive, KeepAliveAction};
///
/// let at = Duration::from_secs;
/// let mut keep_alive = KeepAlive::new(at(25), *b"some tag", at(0));
/// assert_eq!(keep_alive.due(at(25)), KeepAliveAction::Ping);
/// keep_alive.ping(at(25), None);
/// keep_alive.received(at(26));
/// assert_eq!(keep_alive.due(at(30)), KeepAliveAction::Wait(at(51)), "the peer answered");
/// keep_alive.ping(at(51), None);
/// keep_alive.ping(at(76), None);
/// assert_eq!(keep_alive.due(at(101)), KeepAliveAction::Gone, "the peer did not");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct KeepAlive {
    every: Duration,
    tag: [u8; 8],
    /// The time of the last byte from the peer, or of the last ping since.
    last: Duration,
    /// The number of pings since the last byte from the peer.
    pings: u32,
}

/// The next action of a [`KeepAlive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "all actions of a timer")]
pub enum KeepAliveAction {
    /// Wait until this time.
    Wait(Duration),
    /// Send a ping at the next frame boundary.
    Ping,
    /// End the connection: the peer is gone.
    Gone,
}

impl KeepAlive {
    /// The number of pings that may stay unanswered.
    pub const PINGS: u32 = 2;

    /// Creates a timer that pings a peer after it was idle for `every`. The payload of the pings is
    /// `tag`: random bytes, which identify their pongs.
    pub const fn new(every: Duration, tag: [u8; 8], now: Duration) -> Self {
        Self {
            every,
            tag,
            last: now,
            pings: 0,
        }
    }

    /// Records that bytes arrived from the peer.
    pub const fn received(&mut self, now: Duration) {
        self.last = now;
        self.pings = 0;
    }

    /// The action for the time `now`. After [`KeepAliveAction::Ping`], call [`Self::ping`] when the
    /// ping can be sent; until then the result stays the same.
    pub fn due(&self, now: Duration) -> KeepAliveAction {
        let time = self.last.saturating_add(self.every);
        if now < time {
            KeepAliveAction::Wait(time)
        } else if self.pings < Self::PINGS {
            KeepAliveAction::Ping
        } else {
            KeepAliveAction::Gone
        }
    }

    /// Records a ping sent now and returns it, masked with `key` if a client sends it.
    pub fn ping(&mut self, now: Duration, key: Option<[u8; 4]>) -> ControlFrame {
        self.last = now;
        self.pings = self.pings.saturating_add(1);
        small(Opcode::Ping, self.tag, key)
    }

    /// Returns `true` if a pong with this payload answers a ping of this timer, so that it must not
    /// be forwarded.
    pub fn is_ours(&self, pong: &[u8]) -> bool {
        pong == self.tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn silent_peer_is_pinged_twice_and_then_gone() {
        let mut alive = KeepAlive::new(secs(25), *b"the tag.", secs(100));
        assert_eq!(alive.due(secs(124)), KeepAliveAction::Wait(secs(125)));
        assert_eq!(alive.due(secs(125)), KeepAliveAction::Ping);
        assert_eq!(
            alive.due(secs(126)),
            KeepAliveAction::Ping,
            "the ping was not sent yet"
        );
        let ping = alive.ping(secs(126), None);
        assert_eq!(ping.as_bytes(), b"\x89\x08the tag.");
        assert_eq!(alive.due(secs(150)), KeepAliveAction::Wait(secs(151)));
        assert_eq!(alive.due(secs(151)), KeepAliveAction::Ping);
        alive.ping(secs(151), None);
        assert_eq!(alive.due(secs(175)), KeepAliveAction::Wait(secs(176)));
        assert_eq!(alive.due(secs(176)), KeepAliveAction::Gone);
    }

    #[test]
    fn peer_that_sends_bytes_is_not_reported_gone() {
        let mut alive = KeepAlive::new(secs(25), *b"the tag.", secs(0));
        alive.ping(secs(25), None);
        alive.ping(secs(50), None);
        alive.received(secs(60));
        assert_eq!(alive.due(secs(75)), KeepAliveAction::Wait(secs(85)));
        assert_eq!(alive.due(secs(85)), KeepAliveAction::Ping);
    }

    #[test]
    fn only_pongs_with_its_tag_are_its_own() {
        let alive = KeepAlive::new(secs(25), *b"the tag.", secs(0));
        assert!(alive.is_ours(b"the tag."));
        for other in [&b""[..], b"the tag", b"the tag.!", b"another."] {
            assert!(!alive.is_ours(other));
        }
    }

    #[test]
    fn clients_ping_is_masked() {
        let mut alive = KeepAlive::new(secs(25), *b"the tag.", secs(0));
        let ping = alive.ping(secs(25), Some([1; 4]));
        assert_eq!(ping.as_bytes(), b"\x89\x88\x01\x01\x01\x01uid!u`f/");
    }
}
