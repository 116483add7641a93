//! Keeping a socket open, and finding out that its peer is gone.

use std::time::Duration;

use crate::{
    Opcode,
    encode::{ControlFrame, small},
};

/// When to ping a peer, and when to give it up: a peer that was silent for a while is pinged, and
/// one that was silent for as long after each of two pings is gone. A ping that has to wait for the
/// end of a frame leaves as long for its answer as any other.
///
/// Any byte from the peer counts as an answer: one that is amid a long message does not answer
/// before its end.
#[derive(Clone, Copy, Debug)]
pub struct KeepAlive {
    every: Duration,
    tag: [u8; 8],
    /// When the peer was heard last, or pinged since.
    last: Duration,
    /// How many pings were sent since.
    pings: u32,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "all that there is to do")]
pub enum Due {
    /// Nothing before this time.
    Wait(Duration),
    /// A ping, as soon as a frame ends.
    Ping,
    /// The peer is gone.
    Gone,
}

impl KeepAlive {
    /// How many pings may stay without an answer.
    pub const PINGS: u32 = 2;

    /// Pings a peer that was silent for `every`, with `tag`: random bytes, by which the answers are
    /// known.
    pub const fn new(every: Duration, tag: [u8; 8], now: Duration) -> Self {
        Self {
            every,
            tag,
            last: now,
            pings: 0,
        }
    }

    /// The peer sent something.
    pub const fn heard(&mut self, now: Duration) {
        self.last = now;
        self.pings = 0;
    }

    /// What is to be done now. After [`Due::Ping`] call [`Self::ping`] once it can be sent; until
    /// then the answer stays.
    pub fn due(&self, now: Duration) -> Due {
        let time = self.last.saturating_add(self.every);
        if now < time {
            Due::Wait(time)
        } else if self.pings < Self::PINGS {
            Due::Ping
        } else {
            Due::Gone
        }
    }

    /// The ping that is due, sent now; masked with `key` where a client sends it.
    pub fn ping(&mut self, now: Duration, key: Option<[u8; 4]>) -> ControlFrame {
        self.last = now;
        self.pings = self.pings.saturating_add(1);
        small(Opcode::Ping, self.tag, key)
    }

    /// Whether a pong with this payload answers a ping of ours, and is nobody else's business.
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
        assert_eq!(alive.due(secs(124)), Due::Wait(secs(125)));
        assert_eq!(alive.due(secs(125)), Due::Ping);
        assert_eq!(alive.due(secs(126)), Due::Ping, "it was not sent yet");
        let ping = alive.ping(secs(126), None);
        assert_eq!(ping.as_bytes(), b"\x89\x08the tag.");
        assert_eq!(alive.due(secs(150)), Due::Wait(secs(151)));
        assert_eq!(alive.due(secs(151)), Due::Ping);
        alive.ping(secs(151), None);
        assert_eq!(alive.due(secs(175)), Due::Wait(secs(176)));
        assert_eq!(alive.due(secs(176)), Due::Gone);
    }

    #[test]
    fn peer_that_is_heard_is_left_alone() {
        let mut alive = KeepAlive::new(secs(25), *b"the tag.", secs(0));
        alive.ping(secs(25), None);
        alive.ping(secs(50), None);
        alive.heard(secs(60));
        assert_eq!(alive.due(secs(75)), Due::Wait(secs(85)));
        assert_eq!(alive.due(secs(85)), Due::Ping);
    }

    #[test]
    fn only_answers_to_its_pings_are_its_own() {
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
