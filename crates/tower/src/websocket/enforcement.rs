//! Enforcement of the current policy in open sessions.
//!
//! A session is rechecked when its client is banned, when the policy is replaced, and when it
//! opens, for changes since its handshake was judged. Messages are judged as they arrive, if the
//! [`SessionLimits`](gabion_core::SessionLimits) of the session select them.
//!
//! A recheck judges the parts of the handshake that are kept: the client and the path
//! ([`Inspect::recheck`](gabion_core::Inspect::recheck)). A session that the policy allows stays
//! open, and a rule in observe mode closes none. The client stays as resolved at the handshake,
//! whatever proxies a new policy trusts.

use gabion_core::{
    CloseReason, ControlKind, Event, FaultEvent, MessageDenial, MessageDenials, MessageFacts, Mode,
    OnFault, SessionEvent,
};
use http::HeaderMap;
use ipnet::IpNet;

use crate::{
    engine::{Engine, catch_panic},
    session::Session,
};

impl Engine {
    /// Closes the session if its messages must be inspected and cannot be, or if the current policy
    /// denies it.
    pub(crate) fn on_handshake_response(&self, session: &Session, headers: &HeaderMap) {
        if let Some(close_reason) = session.on_handshake_response(headers) {
            self.end_session(session, close_reason, session.message_mode());
        }
        self.recheck(session);
    }

    /// Rechecks the open sessions of a client that was banned.
    pub(crate) fn recheck_client(&self, client: IpNet) {
        if let Some(sessions) = self.sessions.as_ref().filter(|table| !table.is_empty()) {
            for session in sessions.for_client(client) {
                self.recheck(&session);
            }
        }
    }

    /// Rechecks all open sessions, after the policy was replaced.
    pub(crate) fn recheck_all(&self) {
        if let Some(sessions) = &self.sessions {
            let all = sessions.filtered(|_| true);
            all.for_each(|session| self.recheck(&session));
        }
    }

    /// Closes a session that the current policy denies.
    pub(crate) fn recheck(&self, session: &Session) {
        let now = self.clock.now();
        if self.is_overridden(now) {
            return;
        }
        let policy = self.source.current();
        match catch_panic(|| policy.recheck(&session.client, &session.path, now)) {
            Ok(Some(cause)) => drop(session.end(CloseReason::Refused(cause))),
            Ok(None) => {}
            Err(message) => self.report_session_fault(session, policy.generation, message),
        }
    }

    /// Closes a session. In observe mode, or while the observe override is active, only records an
    /// event. Returns `true` if the session is closed.
    pub(super) fn end_session(
        &self,
        session: &Session,
        close_reason: CloseReason,
        mode: Mode,
    ) -> bool {
        let is_enforced = self.is_enforced(mode);
        if is_enforced {
            session.end(close_reason);
        } else {
            self.report_session(session, &close_reason, Mode::Observe);
        }
        is_enforced
    }

    /// Returns `true` if `mode` is enforced and the observe override is not active.
    pub(super) fn is_enforced(&self, mode: Mode) -> bool {
        mode == Mode::Enforce && !self.is_overridden(self.clock.now())
    }

    /// Judges a message by the current policy. Returns `true` if it passes; otherwise the session
    /// is closed.
    pub(super) fn allows_message(
        &self,
        session: &Session,
        is_text: bool,
        payload: &[u8],
        offset: u64,
    ) -> bool {
        self.allows(session, None, is_text, payload, offset)
    }

    /// Judges the payload of a control frame, like a message.
    pub(super) fn allows_control(
        &self,
        session: &Session,
        kind: ControlKind,
        payload: &[u8],
        offset: u64,
    ) -> bool {
        let is_text = str::from_utf8(payload).is_ok();
        payload.is_empty() || self.allows(session, Some(kind), is_text, payload, offset)
    }

    fn allows(
        &self,
        session: &Session,
        control: Option<ControlKind>,
        is_text: bool,
        payload: &[u8],
        offset: u64,
    ) -> bool {
        let policy = self.source.current();
        let Some(inspector) = &policy.messages else {
            return true;
        };
        let message = MessageFacts {
            client: &session.client,
            path: &session.path,
            is_text,
            payload,
            offset,
            now: self.clock.now(),
        };
        let mut message_denials = MessageDenials::default();
        let judged = catch_panic(|| match control {
            Some(kind) => inspector.inspect_control(kind, &message, &mut message_denials),
            None => inspector.inspect_message(&message, &mut message_denials),
        });
        let (observed, enforced) = message_denials.into_parts();
        let close_reason = |message_denial: &MessageDenial| CloseReason::MessageDenied {
            rule: message_denial.rule.clone(),
            why: message_denial.why.clone(),
            message: message.evidence(control),
        };
        for message_denial in observed {
            self.end_session(session, close_reason(&message_denial), Mode::Observe);
        }
        if let Some(message_denial) = enforced {
            let ends = self.end_session(session, close_reason(&message_denial), Mode::Enforce);
            if let Some(offense) = message_denial.offense.filter(|_| ends) {
                self.record_offense(session.client, offense, message.now);
            }
            return !ends;
        }
        if let Err(panic) = judged {
            self.report_session_fault(session, policy.generation, panic);
            if policy.on_fault == OnFault::Refuse {
                let close_reason = CloseReason::Uninspectable("an inspector panicked");
                return !self.end_session(session, close_reason, Mode::Enforce);
            }
        }
        true
    }

    /// Reports a session that is closed for `close_reason`, or in observe mode would have been.
    pub(super) fn report_session(&self, session: &Session, close_reason: &CloseReason, mode: Mode) {
        let event = || {
            SessionEvent::new(
                self.clock.now().wall(),
                session.id,
                session.kind,
                session.client,
                session.path.as_bytes(),
                session.generation,
                close_reason.clone(),
            )
        };
        self.report(|| Event::Session(event().with_mode(mode)));
    }

    /// Reports a panic during the judgment of a session or of a message.
    fn report_session_fault(&self, session: &Session, generation: u64, message: String) {
        let (at, client) = (self.clock.now().wall(), session.client);
        self.report(|| Event::Fault(FaultEvent::new(at, client, generation, message)));
    }
}
