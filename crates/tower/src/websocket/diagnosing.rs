//! Why a socket did not stay open, in words.

use std::{borrow::Cow, time::Duration};

use gabion_core::{CloseReason, Diagnosis, DiagnosisEvent, Event};
use gabion_frames::CloseCode;

use super::{
    Session, SessionPermit, Sessions,
    idle_timeouts::{Found, IdleTimeouts, alike, owner},
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
        let whose = match diagnosis {
            Diagnosis::CutInFront | Diagnosis::PingTooRare => session.peer(),
            _ => session.client.addr(),
        };
        let event = DiagnosisEvent::new(at, diagnosis, whose, path, seen);
        self.record(&Event::Diagnosis(event));
    }

    /// A session was ended for `ending`.
    pub(super) fn diagnose_end(&self, session: &Session, ending: &CloseReason) {
        match ending {
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
    pub(super) fn diagnose_close(&self, session: &Session, who: &str, code: Option<CloseCode>) {
        let usual = [CloseCode::NORMAL, CloseCode::GOING_AWAY];
        let Some(code) = code.filter(|code| !usual.contains(code)) else {
            return;
        };
        let diagnosis = if code == CloseCode::TOO_BIG {
            Diagnosis::TooBig
        } else {
            Diagnosis::Closed
        };
        let seen = format!("the {who} closed it with {code}: {}", code.meaning());
        self.diagnose(session, diagnosis, seen);
    }

    /// Something cuts silent sockets.
    fn diagnose_cut(&self, session: &Session, found: Found, pinged: bool) {
        let (silence, cuts) = (found.silence.as_secs_f32(), found.cuts);
        let seen = format!(
            "{cuts} of the last {} sockets from there ended after {silence:.1} s of silence without a \
             close: {}",
            IdleTimeouts::LATEST,
            owner(found.silence)
        );
        self.diagnose(session, Diagnosis::CutInFront, seen);
        let every = session
            .session_limits()
            .and_then(|session_limits| session_limits.ping);
        let late = every.filter(|every| *every >= found.silence || alike(*every, found.silence));
        let seen = match late {
            Some(every) => format!("pings after {every:?}, and the end after {silence:.1} s"),
            None if pinged => format!("the service's own pings, and the end after {silence:.1} s"),
            None => return,
        };
        self.diagnose(session, Diagnosis::PingTooRare, seen);
    }
}

impl SessionIo {
    /// The client's half has ended, or the stream has failed. Learns of it where neither side said why.
    pub(super) fn learn(&mut self, permit: &SessionPermit) {
        let Some(incoming) = &mut self.incoming else {
            return;
        };
        let (session, sessions) = (permit.session(), permit.sessions());
        let unsaid = incoming.is_open()
            && matches!(
                self.outgoing.position(),
                FramePosition::Boundary | FramePosition::Inside(_)
            )
            && session.ending().is_none();
        incoming.close();
        if unsaid {
            let now = sessions.now();
            let silence = now.saturating_sub(self.silent_since(now));
            if let Some(found) = sessions.idle_timeouts.learn(session.peer(), silence, now) {
                sessions.diagnose_cut(session, found, self.outgoing.pings());
            }
        }
    }

    /// Since when neither side has sent anything. A ping that nobody answered, and that the end came
    /// soon after, was sent into a socket that was cut already.
    fn silent_since(&self, now: Duration) -> Duration {
        let heard = self.incoming.as_ref().map_or(now, Incoming::heard_at);
        let spoken = heard.max(self.outgoing.sent_at());
        match self.pinged {
            Some(pinged) if pinged > spoken => {
                let before = pinged.saturating_sub(spoken);
                let after = now.saturating_sub(pinged);
                if after < before { spoken } else { pinged }
            }
            _ => spoken,
        }
    }
}
