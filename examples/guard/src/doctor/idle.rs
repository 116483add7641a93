//! A WebSocket held in silence: how long it lives, and whose timer ends it.

use std::{fmt, future::pending, time::Duration};

use tokio::{
    select,
    time::{Instant, Interval, interval_at, sleep_until},
};
use tokio_tungstenite::tungstenite::Message;

use super::{
    Diagnosis,
    advice::Advice,
    report::{Finding, Report},
    talk::{End, HELLO, Socket, closed, unanswered},
};

/// Timers that are known to cut idle sockets, in seconds, with whose they mostly are.
const TIMERS: &[(u64, &str)] = &[
    (30, "a server's or a proxy's own 30 s"),
    (
        50,
        "HAProxy's `timeout client` and `timeout server` as Debian ships them",
    ),
    (55, "Heroku's router"),
    (
        60,
        "an AWS ALB's `idle_timeout.timeout_seconds`, nginx's `proxy_read_timeout`, or Spring waiting for a first message (D10)",
    ),
    (100, "Cloudflare"),
    (300, "Envoy's `stream_idle_timeout`"),
    (350, "an AWS NLB or NAT gateway"),
];

/// What was seen of a held socket.
struct Held {
    since: Instant,
    /// When anything last came or went.
    last: Instant,
    /// Pings of ours that were answered.
    pongs: u32,
    /// Pings of ours that were not, or not yet.
    unanswered: u32,
    /// Pings of the server's.
    pings: u32,
    messages: u32,
}

/// Holds a socket for `idle`, silent but for a ping each `ping`, and says who ends it.
pub(super) async fn hold(
    mut socket: Socket,
    idle: Duration,
    ping: Option<Duration>,
    report: &mut Report,
) {
    let mut held = Held::now();
    match held.until_its_end(&mut socket, idle, ping).await {
        Some(end) => report.failed("idle", held.verdict(&end, ping)),
        None if held.unanswered > 1 => report.failed("idle", unanswered(held.unanswered)),
        None => report.ok(
            "idle",
            format_args!("open after {} s{held}", idle.as_secs()),
        ),
    }
    socket.close().await;
}

// === impl Held ===

impl Held {
    fn now() -> Self {
        let now = Instant::now();
        Self {
            since: now,
            last: now,
            pongs: 0,
            unanswered: 0,
            pings: 0,
            messages: 0,
        }
    }

    /// Waits for the end; `None` where it does not come within `idle`.
    async fn until_its_end(
        &mut self,
        socket: &mut Socket,
        idle: Duration,
        ping: Option<Duration>,
    ) -> Option<End> {
        let over = self.since + idle;
        let mut pings = ping.map(|every| interval_at(self.since + every, every));
        loop {
            let came = select! {
                () = sleep_until(over) => return None,
                () = tick(&mut pings) => {
                    self.unanswered += 1;
                    socket.send(Message::Ping(HELLO.into())).await
                }
                next = socket.next() => next.map(|message| self.count(&message)),
            };
            if let Err(end) = came {
                return Some(end);
            }
            self.last = Instant::now();
        }
    }

    const fn count(&mut self, message: &Message) {
        match message {
            Message::Pong(_) => {
                self.pongs += 1;
                self.unanswered = 0;
            }
            Message::Ping(_) => self.pings += 1,
            _ => self.messages += 1,
        }
    }

    /// Whose timer it was.
    fn verdict(&self, end: &End, ping: Option<Duration>) -> Finding {
        let now = Instant::now();
        let (age, silence) = (now - self.since, now - self.last);
        let shown = format!("after {:.1} s{self}", age.as_secs_f64());
        if let End::Closed(frame) = end {
            return closed(frame.as_ref(), &shown);
        }
        let cut = format!(
            "the socket was {end} {shown}, {:.1} s after the last frame",
            silence.as_secs_f64()
        );
        let advice = Advice::Idle;
        match ping {
            None => {
                let said = format!("{cut}: {}", owner(silence));
                Finding::coded(Diagnosis::CutInFront, said, advice)
            }
            // It waited for a ping that came too late, or not at all.
            Some(every) if self.pongs == 0 || silence.mul_f64(1.1) >= every => {
                let said = format!(
                    "{cut}: a ping each {} s is too seldom; {}",
                    every.as_secs(),
                    owner(silence)
                );
                Finding::coded(Diagnosis::PingTooRare, said, advice)
            }
            Some(_) => {
                let said = format!(
                    "{cut}, though pings were answered: not a timer of silence, but one of age"
                );
                Finding::coded(Diagnosis::TooOld, said, Advice::Age)
            }
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, what) in [
            (self.pongs, "pings answered"),
            (self.pings, "pings of the server"),
            (self.messages, "messages of the server"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// Waits for the next ping's time; forever where none is wanted.
async fn tick(pings: &mut Option<Interval>) {
    match pings {
        Some(pings) => {
            pings.tick().await;
        }
        None => pending().await,
    }
}

/// Whose timer cuts after such a silence: within 2 s of a known one, as learned from outside.
fn owner(silence: Duration) -> String {
    let near = |&&(timer, _): &&(u64, &str)| {
        silence.abs_diff(Duration::from_secs(timer)) < Duration::from_secs(2)
    };
    match TIMERS.iter().find(near) {
        Some((timer, owner)) => format!("a timer of {timer} s, as of {owner}"),
        None => "a proxy's or the server's timer of that length".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_are_known_by_their_length() {
        for (millis, words) in [
            (60_400, "AWS ALB"),
            (59_100, "proxy_read_timeout"),
            (350_900, "NAT gateway"),
            (100_000, "Cloudflare"),
            (51_200, "HAProxy"),
            (54_200, "Heroku"),
            (42_000, "of that length"),
        ] {
            let said = owner(Duration::from_millis(millis));
            assert!(said.contains(words), "{millis}: {said}");
        }
    }
}
