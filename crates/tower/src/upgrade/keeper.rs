//! Judging what open sessions do, and whether they may stay open.

use std::{fmt, sync::Arc};

use gabion_core::{
    BanEvent, Bans, ClientIp, Denial, Ending, Event, Facts, Heed, MessageFacts, Mode, Now,
    Objection, Objections, Offence, OnFault, Snapshot, Source,
};
use http::HeaderMap;
use ipnet::IpNet;

use super::{Seat, Session, Sessions};
use crate::{
    Clock, Truce,
    head::shell::{contained, punish},
};

/// Holds sessions to the policy in force: those of a client are judged anew when it is banned, all
/// when another policy comes into force, and each when it opens, for what came meanwhile. Messages are
/// judged as they come, where the terms of their session have them read.
///
/// What is judged is what was kept of the handshake, its client and its path
/// ([`Inspect::revisit`](gabion_core::Inspect::revisit)): who is allowed stays, and where a rule only
/// observes, nobody is ended. A client stays who it was, whatever proxies the new policy trusts.
pub struct Keeper {
    sessions: Arc<Sessions>,
    source: Box<dyn Source>,
    bans: Option<Arc<dyn Bans>>,
    clock: Arc<dyn Clock>,
    truce: Truce,
}

// === impl Keeper ===

impl Keeper {
    /// Judges `sessions` by what `source` has in force, and ends none while `truce` is held.
    ///
    /// It has to be told of bans and policies ([`Heed`]).
    pub fn new(
        sessions: Sessions,
        source: impl Source + 'static,
        clock: Arc<dyn Clock>,
        truce: Truce,
    ) -> Self {
        Self {
            sessions: Arc::new(sessions),
            source: Box::new(source),
            bans: None,
            clock,
            truce,
        }
    }

    /// Keeps bans in `bans`. Without it a rule that bans for a message only ends the session.
    pub fn with_bans(mut self, bans: Arc<dyn Bans>) -> Self {
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
    ) -> Result<Seat, Box<Denial>> {
        let terms = policy.routes.of(&facts.path);
        let session = self
            .sessions
            .open(facts, policy.generation, terms, capped)?;
        Ok(Seat::new(session, Arc::clone(self)))
    }

    /// A seat for a stream; none where no more fit, since it is never refused for that.
    pub(crate) fn seat_stream(
        self: &Arc<Self>,
        client: ClientIp,
        path: &str,
        generation: u64,
    ) -> Option<Seat> {
        let session = self.sessions.open_stream(client, path, generation)?;
        Some(Seat::new(session, Arc::clone(self)))
    }

    /// The handshake of a session was answered. It is ended where the policy in force refuses it by
    /// now, or where its messages are to be read and cannot be.
    pub(crate) fn answered(&self, session: &Session, headers: &HeaderMap) {
        if let Some(ending) = session.answered(headers) {
            self.end(session, ending, session.acts());
        }
        self.revisit(session);
    }

    /// Ends a session that the policy in force refuses.
    pub(crate) fn revisit(&self, session: &Session) {
        if self.in_truce() {
            return;
        }
        let (policy, now) = (self.source.current(), self.clock.now());
        match contained(|| policy.revisit(session.client, &session.path, now)) {
            Ok(Some(cause)) => drop(session.end(Ending::Refused(cause))),
            Ok(None) => {}
            Err(words) => self.sessions.tell_fault(session, policy.generation, words),
        }
    }

    /// Ends a session, or only tells of it where that does not act, or while a truce is held. Whether
    /// it ends.
    pub(super) fn end(&self, session: &Session, ending: Ending, mode: Mode) -> bool {
        let acts = self.acts(mode);
        if acts {
            session.end(ending);
        } else {
            self.sessions.tell(session, &ending, Mode::Observe);
        }
        acts
    }

    /// Whether what acts in this mode acts now.
    pub(super) fn acts(&self, mode: Mode) -> bool {
        mode == Mode::Enforce && !self.in_truce()
    }

    /// Judges a message by the policy in force. Whether it may pass; else its session ends.
    pub(super) fn passes(
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
        let mut objections = Objections::default();
        let judged = contained(|| policy.chain.message(&message, &mut objections));
        let (observed, enforced) = objections.into_parts();
        for objection in observed {
            self.end(session, against(&message, &objection), Mode::Observe);
        }
        if let Some(objection) = enforced {
            return !self.object(session, &message, objection);
        }
        if let Err(words) = judged {
            self.sessions.tell_fault(session, policy.generation, words);
            if policy.on_fault == OnFault::Refuse {
                let ending = Ending::Unjudged("an inspector panicked over one");
                return !self.end(session, ending, Mode::Enforce);
            }
        }
        true
    }

    /// Acts on an objection. Whether the session ends.
    fn object(&self, session: &Session, message: &MessageFacts<'_>, objection: Objection) -> bool {
        let ends = self.end(session, against(message, &objection), Mode::Enforce);
        if let Some(offence) = objection.offence.filter(|_| ends) {
            self.punish(session, offence, message.now);
        }
        ends
    }

    fn punish(&self, session: &Session, offence: Offence, now: Now) {
        let Some(bans) = &self.bans else { return };
        if let Some(change) = punish(&**bans, &self.truce, session.client, &offence, now) {
            let event = BanEvent::new(now.wall(), session.client, offence, change);
            self.sessions.record(&Event::Ban(event));
        }
    }

    /// Whether nothing is acted upon for a while.
    pub(super) fn in_truce(&self) -> bool {
        !self.truce.left(self.clock.now()).is_zero()
    }
}

/// An end because of what a rule has against a message.
fn against(message: &MessageFacts<'_>, objection: &Objection) -> Ending {
    Ending::Objected {
        rule: objection.rule.clone(),
        why: objection.why.clone(),
        message: message.evidence(),
    }
}

impl Heed for Keeper {
    fn banned(&self, client: IpNet) {
        if !self.sessions.is_empty() {
            for session in self.sessions.of(client) {
                self.revisit(&session);
            }
        }
    }

    fn replaced(&self) {
        let all = self.sessions.all(|_| true);
        all.for_each(|session| self.revisit(&session));
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper")
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}
