//! Judging open sessions anew.

use std::{fmt, sync::Arc};

use gabion_core::{Ending, Heed, Source};
use ipnet::IpNet;

use super::{Session, Sessions};
use crate::{Clock, Truce, head::shell::contained};

/// Holds sessions to the policy in force: those of a client are judged anew when it is banned, all
/// when another policy comes into force, and each when it opens, for what came meanwhile.
///
/// What is judged is what was kept of the handshake, its client and its path
/// ([`Inspect::revisit`](gabion_core::Inspect::revisit)): who is allowed stays, and where a rule only
/// observes, nobody is ended. A client stays who it was, whatever proxies the new policy trusts.
pub struct Keeper {
    sessions: Arc<Sessions>,
    source: Box<dyn Source>,
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
            clock,
            truce,
        }
    }

    /// The sessions.
    pub const fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// Ends a session that the policy in force refuses.
    pub(crate) fn revisit(&self, session: &Session) {
        let now = self.clock.now();
        if !self.truce.left(now).is_zero() {
            return;
        }
        let policy = self.source.current();
        match contained(|| policy.revisit(session.client, &session.path, now)) {
            Ok(Some(cause)) => drop(session.end(Ending::Refused(cause))),
            Ok(None) => {}
            Err(words) => self.sessions.tell_fault(session, policy.generation, words),
        }
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
