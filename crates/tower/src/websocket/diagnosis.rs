//! Why a socket did not stay open, in words.

use std::{borrow::Cow, time::Duration};

use gabion_core::{CloseReason, Diagnosis, DiagnosisEvent, Event};
use gabion_frames::CloseCode;

use super::{
    Session, SessionPermit, Sessions,
    idle_timeouts::{DetectedTimeout, IdleTimeouts, is_similar, known_timeout},
    incoming::Incoming,
    outgoing::FramePosition,
    session_io::SessionIo,
};

impl Sessions {
    /// Says what was wrong with a session.
    fn diagnose(
        &self,
        session: &Session,
        diagnosis: Diagnosis,
        seen: impl Into<Cow<'static, str>>,
    ) {
        let (at, path) = (self.wall(), session.path.as_bytes());
        // What cuts in front is a peer's doing, and the rest a client's.
        let addr = match diagnosis {
            Diagnosis::CutInFront | Diagnosis::PingTooRare => session.peer(),
            _ => session.client.addr(),
        };
        let event = DiagnosisEvent::new(at, diagnosis, addr, path, seen);
        self.record(&Event::Diagnosis(event));
    }

    /// A session was ended for `close_reason`.
    pub(super) fn diagnose_close_reason(&self, session: &Session, close_reason: &CloseReason) {
        match close_reason {
            CloseReason::NoPong => {
                self.diagnose(
                    session,
                    Diagnosis::NoPong,
                    "two pings, and not a byte since",
                );
            }
            CloseReason::Restart => self.diagnose(session, Diagnosis::Drained, "closed with 1012"),
            CloseReason::Violated {
                rule, code: 1009, ..
            } => {
                self.diagnose(session, Diagnosis::TooBig, format!("rule {rule}"));
            }
            _ => {}
        }
    }

    /// One side has closed a session by itself.
    pub(super) fn diagnose_close(&self, session: &Session, side: &str, code: Option<CloseCode>) {
        let usual = [CloseCode::NORMAL, CloseCode::GOING_AWAY];
        let Some(code) = code.filter(|code| !usual.contains(code)) else {
            return;
        };
        let diagnosis = if code == CloseCode::TOO_BIG {
            Diagnosis::TooBig
        } else {
            Diagnosis::Closed
        };
        let seen = format!("the {side} closed it with {code}: {}", code.meaning());
        self.diagnose(session, diagnosis, seen);
    }

    /// Something cuts silent sockets.
    fn diagnose_cut(&self, session: &Session, detected: DetectedTimeout, service_pings: bool) {
        let (silence, cuts) = (detected.idle.as_secs_f32(), detected.cuts);
        let seen = format!(
            "{cuts} of the last {} sockets from there ended after {silence:.1} s of silence without a \
             close: {}",
            IdleTimeouts::LATEST,
            known_timeout(detected.idle)
        );
        self.diagnose(session, Diagnosis::CutInFront, seen);
        let every = session.limits().and_then(|limits| limits.ping);
        let too_long =
            every.filter(|every| *every >= detected.idle || is_similar(*every, detected.idle));
        let seen = match too_long {
            Some(every) => format!("pings after {every:?}, and the end after {silence:.1} s"),
            None if service_pings => {
                format!("the service's own pings, and the end after {silence:.1} s")
            }
            None => return,
        };
        self.diagnose(session, Diagnosis::PingTooRare, seen);
    }
}

impl SessionIo {
    /// The client's half has ended, or the stream has failed. Learns of it where neither side said why.
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
            let now = sessions.now();
            let silence = now.saturating_sub(self.idle_since(now));
            if let Some(detected) = sessions
                .idle_timeouts
                .record_cut(session.peer(), silence, now)
            {
                sessions.diagnose_cut(session, detected, self.outgoing.service_pings());
            }
        }
    }

    /// Since when neither side has sent anything. A ping that nobody answered, and that the end came
    /// soon after, was sent into a socket that was cut already.
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
