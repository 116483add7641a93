//! Diagnoses of WebSockets that did not stay open.

use std::{borrow::Cow, time::Duration};

use gabion_core::{CloseReason, Diagnosis, DiagnosisEvent, Event};
use gabion_frames::{CloseCode, IdleTimeout, Kind};

use super::{SessionPermit, incoming::Incoming, outgoing::FramePosition, session_io::SessionIo};

impl SessionPermit {
    /// Records a diagnosis of a session.
    fn diagnose(&self, diagnosis: Diagnosis, seen: impl Into<Cow<'static, str>>) {
        let session = self.session();
        let (at, path) = (self.wall(), session.path.as_bytes());
        // A hop in front affects all clients behind the peer; the other diagnoses are about one
        // client.
        let addr = match diagnosis {
            Diagnosis::CutInFront | Diagnosis::PingTooRare => session.peer(),
            _ => session.client.addr(),
        };
        let event = DiagnosisEvent::new(at, diagnosis, addr, path, seen);
        self.engine().report(|| Event::Diagnosis(event));
    }

    /// Diagnoses a session that was closed for `close_reason`.
    pub(super) fn diagnose_close_reason(&self, close_reason: &CloseReason) {
        match close_reason {
            CloseReason::NoPong => {
                self.diagnose(Diagnosis::NoPong, "no byte received after 2 pings");
            }
            CloseReason::Restart => self.diagnose(Diagnosis::Drained, "closed with 1012"),
            CloseReason::Violated {
                rule, code: 1009, ..
            } => {
                let inflates = Kind::Inflates { from: 0, limit: 0 }.id();
                let limits = self.session().limits();
                let limits = limits.filter(|_| rule.as_str() == inflates);
                let ratio = limits.map(|limits| limits.max_inflate_ratio);
                let seen = ratio.map_or_else(
                    || format!("rule {rule}"),
                    |ratio| format!("rule {rule}: [upgrade] max_inflate_ratio is {ratio}"),
                );
                self.diagnose(Diagnosis::TooBig, seen);
            }
            _ => {}
        }
    }

    /// Diagnoses a session that one side closed with a close frame, unless its code is 1000 or
    /// 1001.
    pub(super) fn diagnose_close(&self, side: &str, code: Option<CloseCode>) {
        let usual = [CloseCode::NORMAL, CloseCode::GOING_AWAY];
        let Some(code) = code.filter(|code| !usual.contains(code)) else {
            return;
        };
        let diagnosis = if code == CloseCode::TOO_BIG {
            Diagnosis::TooBig
        } else {
            Diagnosis::Closed
        };
        let seen = format!("the {side} closed with {code}: {}", code.meaning());
        self.diagnose(diagnosis, seen);
    }

    /// Diagnoses an idle timeout of a hop in front.
    fn diagnose_cut(&self, timeout: IdleTimeout, service_pings: bool) {
        self.diagnose(Diagnosis::CutInFront, timeout.to_string());
        let idle = timeout.idle().as_secs_f32();
        let ping = self.session().limits().and_then(|limits| limits.ping);
        let seen = match ping.filter(|ping| timeout.expires_within(*ping)) {
            Some(ping) => {
                format!("[upgrade] ping is {ping:?}, and the WebSocket was cut after {idle:.1} s")
            }
            None if service_pings => {
                format!("the service sends pings, and the WebSocket was cut after {idle:.1} s")
            }
            None => return,
        };
        self.diagnose(Diagnosis::PingTooRare, seen);
    }
}

impl SessionIo {
    /// Records that the client's half ended or the stream failed. If neither side sent a close
    /// frame, the idle time before the end counts toward an [`IdleTimeout`].
    pub(super) fn record_end(&mut self, permit: &SessionPermit) {
        let Some(incoming) = &mut self.incoming else {
            return;
        };
        let (session, sessions) = (permit.session(), permit.sessions());
        let is_unexplained = incoming.expects_close_frame()
            && matches!(
                self.outgoing.position(),
                FramePosition::Boundary | FramePosition::Inside(_)
            )
            && session.close_reason().is_none();
        incoming.mark_ended();
        if is_unexplained {
            let now = permit.now();
            let idle = now.saturating_sub(self.idle_since(now));
            if let Some(timeout) = sessions.idle_timeouts.record_cut(session.peer(), idle, now) {
                permit.diagnose_cut(timeout, self.outgoing.service_pings());
            }
        }
    }

    /// Returns the time since which neither side has sent a byte. A ping without an answer, closer
    /// to the end of the connection than to the last byte, does not count: it was sent into a
    /// connection that was already cut.
    fn idle_since(&self, now: Duration) -> Duration {
        let received = self.incoming.as_ref().map_or(now, Incoming::last_received);
        let last_byte = received.max(self.outgoing.last_sent());
        match self.last_ping {
            Some(last_ping) if last_ping > last_byte => {
                let before = last_ping.saturating_sub(last_byte);
                let after = now.saturating_sub(last_ping);
                if after < before { last_byte } else { last_ping }
            }
            _ => last_byte,
        }
    }
}
