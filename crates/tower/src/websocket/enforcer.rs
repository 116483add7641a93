//! Judging what open sessions do, and whether they may stay open.

use std::{fmt, sync::Arc};

use gabion_core::{
    BanEvent, ChangeListener, ClientIp, CloseReason, Denial, Event, Facts, MessageDenial,
    MessageDenials, MessageFacts, Mode, Now, Offense, OffenseRecorder, OnFault, PolicySource,
    Snapshot,
};
use http::HeaderMap;
use ipnet::IpNet;

use super::{Session, SessionPermit, Sessions};
use crate::{
    Clock, ObserveOverride,
    guard::engine::{catch_panic, record_offense},
};

/// Holds sessions to the policy in force: those of a client are judged anew when it is banned, all
/// when another policy comes into force, and each when it opens, for what came meanwhile. Messages are
/// judged as they come, where the terms of their session have them read.
///
/// What is judged is what was kept of the handshake, its client and its path
/// ([`Inspect::recheck`](gabion_core::Inspect::recheck)): who is allowed stays, and where a rule only
/// observes, nobody is ended. A client stays who it was, whatever proxies the new policy trusts.
pub struct SessionEnforcer {
    sessions: Arc<Sessions>,
    source: Box<dyn PolicySource>,
    bans: Option<Arc<dyn OffenseRecorder>>,
    clock: Arc<dyn Clock>,
    observe_override: ObserveOverride,
}

// === impl Keeper ===

impl SessionEnforcer {
    /// Judges `sessions` by what `source` has in force, and ends none while `observe_override` is held.
    ///
    /// It has to be told of bans and policies ([`ChangeListener`]).
    pub fn new(
        sessions: Sessions,
        source: impl PolicySource + 'static,
        clock: Arc<dyn Clock>,
        observe_override: ObserveOverride,
    ) -> Self {
        Self {
            sessions: Arc::new(sessions),
            source: Box::new(source),
            bans: None,
            clock,
            observe_override,
        }
    }

    /// Keeps bans in `bans`. Without it a rule that bans for a message only ends the session.
    pub fn with_bans(mut self, bans: Arc<dyn OffenseRecorder>) -> Self {
        self.bans = Some(bans);
        self
    }

    /// The sessions.
    pub const fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// A seat for the session that `facts` ask for under `policy`; where it is `capped`, within the
    /// caps of its terms.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        facts: &Facts<'_>,
        policy: &Snapshot,
        capped: bool,
    ) -> Result<SessionPermit, Box<Denial>> {
        let limits = policy.routes.for_path(&facts.path);
        let session = self
            .sessions
            .open(facts, policy.generation, limits, capped)?;
        Ok(SessionPermit::new(session, Arc::clone(self)))
    }

    /// A seat for a stream; none where no more fit, since it is never refused for that.
    pub(crate) fn permit_stream(
        self: &Arc<Self>,
        client: ClientIp,
        path: &str,
        generation: u64,
    ) -> Option<SessionPermit> {
        let session = self.sessions.open_stream(client, path, generation)?;
        Some(SessionPermit::new(session, Arc::clone(self)))
    }

    /// The handshake of a session was answered. It is ended where the policy in force refuses it by
    /// now, or where its messages are to be read and cannot be.
    pub(crate) fn on_handshake_response(&self, session: &Session, headers: &HeaderMap) {
        if let Some(close_reason) = session.on_handshake_response(headers) {
            self.end(session, close_reason, session.message_mode());
        }
        self.recheck(session);
    }

    /// Ends a session that the policy in force refuses.
    pub(crate) fn recheck(&self, session: &Session) {
        if self.is_overridden() {
            return;
        }
        let (policy, now) = (self.source.current(), self.clock.now());
        match catch_panic(|| policy.recheck(session.client, &session.path, now)) {
            Ok(Some(cause)) => drop(session.end(CloseReason::Refused(cause))),
            Ok(None) => {}
            Err(message) => self
                .sessions
                .report_fault(session, policy.generation, message),
        }
    }

    /// Ends a session, or only tells of it where that does not act, or while a truce is held. Whether
    /// it ends.
    pub(super) fn end(&self, session: &Session, close_reason: CloseReason, mode: Mode) -> bool {
        let is_enforced = self.is_enforced(mode);
        if is_enforced {
            session.end(close_reason);
        } else {
            self.sessions.report(session, &close_reason, Mode::Observe);
        }
        is_enforced
    }

    /// Whether what acts in this mode acts now.
    pub(super) fn is_enforced(&self, mode: Mode) -> bool {
        mode == Mode::Enforce && !self.is_overridden()
    }

    /// Judges a message by the policy in force. Whether it may pass; else its session ends.
    pub(super) fn allows_message(
        &self,
        session: &Session,
        is_text: bool,
        payload: &[u8],
        offset: u64,
    ) -> bool {
        let (policy, now) = (self.source.current(), self.clock.now());
        let message = MessageFacts {
            client: &session.client,
            path: &session.path,
            is_text,
            payload,
            offset,
            now,
        };
        let mut message_denials = MessageDenials::default();
        let judged = catch_panic(|| policy.chain.message(&message, &mut message_denials));
        let (observed, enforced) = message_denials.into_parts();
        for message_denial in observed {
            self.end(
                session,
                message_close_reason(&message, &message_denial),
                Mode::Observe,
            );
        }
        if let Some(message_denial) = enforced {
            return !self.deny_message(session, &message, message_denial);
        }
        if let Err(message) = judged {
            self.sessions
                .report_fault(session, policy.generation, message);
            if policy.on_fault == OnFault::Refuse {
                let close_reason = CloseReason::Uninspectable("an inspector panicked over one");
                return !self.end(session, close_reason, Mode::Enforce);
            }
        }
        true
    }

    /// Acts on an objection. Whether the session ends.
    fn deny_message(
        &self,
        session: &Session,
        message: &MessageFacts<'_>,
        message_denial: MessageDenial,
    ) -> bool {
        let ends = self.end(
            session,
            message_close_reason(message, &message_denial),
            Mode::Enforce,
        );
        if let Some(offense) = message_denial.offense.filter(|_| ends) {
            self.record_offense(session, offense, message.now);
        }
        ends
    }

    fn record_offense(&self, session: &Session, offense: Offense, now: Now) {
        let Some(bans) = &self.bans else { return };
        if let Some(change) = record_offense(
            &**bans,
            &self.observe_override,
            session.client,
            &offense,
            now,
        ) {
            let event = BanEvent::new(now.wall(), session.client, offense, change);
            self.sessions.record(&Event::Ban(event));
        }
    }

    /// Whether nothing is acted upon for a while.
    pub(super) fn is_overridden(&self) -> bool {
        !self.observe_override.remaining(self.clock.now()).is_zero()
    }
}

/// An end because of what a rule has against a message.
fn message_close_reason(message: &MessageFacts<'_>, message_denial: &MessageDenial) -> CloseReason {
    CloseReason::MessageDenied {
        rule: message_denial.rule.clone(),
        why: message_denial.why.clone(),
        message: message.evidence(),
    }
}

impl ChangeListener for SessionEnforcer {
    fn on_ban(&self, client: IpNet) {
        if !self.sessions.is_empty() {
            for session in self.sessions.for_client(client) {
                self.recheck(&session);
            }
        }
    }

    fn on_policy_replaced(&self) {
        let all = self.sessions.filtered(|_| true);
        all.for_each(|session| self.recheck(&session));
    }
}

impl fmt::Debug for SessionEnforcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionEnforcer")
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}
