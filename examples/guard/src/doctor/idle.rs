//! Keeps a WebSocket silent and reports how long it stays open, and which timer closes it.

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
    socket::{PAYLOAD, Socket, SocketEnd, close_finding, no_pong_finding},
};

/// Known idle timeouts, in seconds, and the products that have them.
const KNOWN_TIMEOUTS: &[(u64, &str)] = &[
    (30, "a default of some servers and proxies"),
    (
        50,
        "`timeout client` and `timeout server` of HAProxy as Debian ships it",
    ),
    (55, "the router of Heroku"),
    (
        60,
        "`idle_timeout.timeout_seconds` of an AWS ALB, `proxy_read_timeout` of nginx, or the wait of Spring for a first message (D10)",
    ),
    (100, "Cloudflare"),
    (300, "`stream_idle_timeout` of Envoy"),
    (350, "an AWS NLB or NAT gateway"),
];

/// Counters of one silent WebSocket.
struct IdleTest {
    started: Instant,
    /// When the last frame was sent or received.
    last_frame: Instant,
    /// Our pings that were answered.
    pongs: u32,
    /// Our pings since the last pong.
    unanswered: u32,
    /// Pings from the server.
    pings: u32,
    messages: u32,
}

/// Keeps a WebSocket open for `idle`, silent except for a ping at each `ping`, and reports the
/// result.
pub(super) async fn check(
    mut socket: Socket,
    idle: Duration,
    ping: Option<Duration>,
    report: &mut Report,
) {
    let mut test = IdleTest::new();
    match test.wait_for_end(&mut socket, idle, ping).await {
        Some(end) => report.failed("idle", test.finding(&end, ping)),
        None if test.unanswered > 1 => report.failed("idle", no_pong_finding(test.unanswered)),
        None => report.ok(
            "idle",
            format_args!("still open after {} s{test}", idle.as_secs()),
        ),
    }
    socket.close().await;
}

// === impl IdleTest ===

impl IdleTest {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            started: now,
            last_frame: now,
            pongs: 0,
            unanswered: 0,
            pings: 0,
            messages: 0,
        }
    }

    /// Waits for the end of the WebSocket; returns `None` if it is still open after `idle`.
    async fn wait_for_end(
        &mut self,
        socket: &mut Socket,
        idle: Duration,
        ping: Option<Duration>,
    ) -> Option<SocketEnd> {
        let deadline = self.started + idle;
        let mut pings = ping.map(|every| interval_at(self.started + every, every));
        loop {
            let result = select! {
                () = sleep_until(deadline) => return None,
                () = next_ping(&mut pings) => {
                    self.unanswered += 1;
                    socket.send(Message::Ping(PAYLOAD.into())).await
                }
                next = socket.next() => next.map(|message| self.count(&message)),
            };
            if let Err(end) = result {
                return Some(end);
            }
            self.last_frame = Instant::now();
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

    /// Describes the end and the timer that most likely caused it.
    fn finding(&self, end: &SocketEnd, ping: Option<Duration>) -> Finding {
        let now = Instant::now();
        let (age, silence) = (now - self.started, now - self.last_frame);
        let shown = format!("after {:.1} s{self}", age.as_secs_f64());
        if let SocketEnd::Closed(frame) = end {
            return close_finding(frame.as_ref(), &shown);
        }
        let cut = format!(
            "the WebSocket was {end} {shown}, {:.1} s after the last frame",
            silence.as_secs_f64()
        );
        match ping {
            None => {
                let message = format!("{cut}: {}", likely_timer(silence));
                Finding::with_code(Diagnosis::CutInFront, message, Advice::Idle)
            }
            // The timer expired before the first ping, or between two pings.
            Some(every) if self.pongs == 0 || silence.mul_f64(1.1) >= every => {
                let message = format!(
                    "{cut}: a ping every {} s is too rare; {}",
                    every.as_secs(),
                    likely_timer(silence)
                );
                Finding::with_code(Diagnosis::PingTooRare, message, Advice::Idle)
            }
            Some(_) => {
                let message = format!(
                    "{cut}, although pings were answered: a limit on the age of a connection, not an \
                     idle timeout"
                );
                Finding::with_code(Diagnosis::TooOld, message, Advice::Age)
            }
        }
    }
}

impl fmt::Display for IdleTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, kind) in [
            (self.pongs, "pings answered"),
            (self.pings, "pings from the server"),
            (self.messages, "messages from the server"),
        ] {
            if count > 0 {
                write!(f, ", {count} {kind}")?;
            }
        }
        Ok(())
    }
}

/// Waits until the next ping is due; never returns without an interval.
async fn next_ping(pings: &mut Option<Interval>) {
    match pings {
        Some(pings) => {
            pings.tick().await;
        }
        None => pending().await,
    }
}

/// Names the timer in [`KNOWN_TIMEOUTS`] that is within 2 s of `silence`: the time is measured at
/// the client, so it is not exact.
fn likely_timer(silence: Duration) -> String {
    let is_near = |&&(timeout, _): &&(u64, &str)| {
        silence.abs_diff(Duration::from_secs(timeout)) < Duration::from_secs(2)
    };
    match KNOWN_TIMEOUTS.iter().find(is_near) {
        Some((timeout, owner)) => format!("an idle timeout of {timeout} s, such as {owner}"),
        None => "an idle timeout of that length in a proxy or the server".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_timeouts_are_recognized_by_their_length() {
        for (millis, words) in [
            (60_400, "AWS ALB"),
            (59_100, "proxy_read_timeout"),
            (350_900, "NAT gateway"),
            (100_000, "Cloudflare"),
            (51_200, "HAProxy"),
            (54_200, "Heroku"),
            (42_000, "of that length"),
        ] {
            let text = likely_timer(Duration::from_millis(millis));
            assert!(text.contains(words), "{millis}: {text}");
        }
    }
}
