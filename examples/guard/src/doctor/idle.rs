//! Keeps a WebSocket silent and reports how long it stays open, and which timer closes it.

use std::{fmt, future::pending, time::Duration};

use gabion_frames::KnownTimer;
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
                Finding::with_code(Diagnosis::CutInFront, message, Advice::Idle(silence))
            }
            // The timer expired before the first ping, or between two pings.
            Some(every) if self.pongs == 0 || silence.mul_f64(1.1) >= every => {
                let message = format!(
                    "{cut}: a ping every {} s is too rare; {}",
                    every.as_secs(),
                    likely_timer(silence)
                );
                Finding::with_code(Diagnosis::PingTooRare, message, Advice::Idle(silence))
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

/// Names the timer that probably ended a connection after this silence.
fn likely_timer(silence: Duration) -> String {
    match KnownTimer::near(silence) {
        Some(timer) => format!("an idle timeout: {timer}"),
        None => "an idle timeout of that length in a proxy or the server".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likely_timer_is_named_if_it_is_known() {
        let likely = |secs| likely_timer(Duration::from_secs(secs));
        assert_eq!(
            likely(100),
            "an idle timeout: 100 s is the default of Cloudflare"
        );
        assert!(likely(42).contains("of that length"));
    }
}
