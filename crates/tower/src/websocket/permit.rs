//! A session's place in the table, and the engine that judges it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use gabion_core::{ClientIp, Denial, Facts, Mode, Snapshot};
use gabion_frames::KeepAlive;

use crate::{
    engine::Engine,
    session::{Session, Sessions},
};

/// A place in the table of [`Sessions`], released on drop. Held until the upgraded stream takes it
/// over.
pub(crate) struct SessionPermit {
    session: Arc<Session>,
    sessions: Arc<Sessions>,
    engine: Arc<Engine>,
}

impl SessionPermit {
    /// Reserves a place for the WebSocket that `facts` request under `policy`. If `capped`, the caps
    /// of its route apply. Returns `None` if sessions are not supervised.
    pub(crate) fn reserve(
        engine: &Arc<Engine>,
        facts: &Facts<'_>,
        policy: &Snapshot,
        capped: bool,
    ) -> Result<Option<Self>, Box<Denial>> {
        let Some(sessions) = &engine.sessions else {
            return Ok(None);
        };
        let limits = policy.routes.for_path(&facts.path);
        let session = sessions.open(facts, policy.generation, limits, capped)?;
        Ok(Some(Self::new(engine, sessions, session)))
    }

    /// Reserves a place for an event stream. Returns `None` if the table is full, since a stream is
    /// never denied for that reason, or if sessions are not supervised.
    pub(crate) fn for_stream(
        engine: &Arc<Engine>,
        client: ClientIp,
        path: &str,
        generation: u64,
    ) -> Option<Self> {
        let sessions = engine.sessions.as_ref()?;
        let session = sessions.open_stream(client, path, generation)?;
        Some(Self::new(engine, sessions, session))
    }

    fn new(engine: &Arc<Engine>, sessions: &Arc<Sessions>, session: Arc<Session>) -> Self {
        Self {
            session,
            sessions: Arc::clone(sessions),
            engine: Arc::clone(engine),
        }
    }

    pub(crate) const fn session(&self) -> &Arc<Session> {
        &self.session
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Returns the monotonic time.
    pub(super) fn now(&self) -> Duration {
        self.engine.clock.now().mono()
    }

    /// Returns the wall-clock time.
    pub(super) fn wall(&self) -> SystemTime {
        self.engine.clock.now().wall()
    }

    /// Returns the mode of the session's limits.
    pub(super) fn mode(&self) -> Mode {
        self.session
            .limits()
            .map_or(Mode::Observe, |limits| limits.mode)
    }

    /// Creates the keep-alive timer, if the limits define one and the table has a timer.
    pub(super) fn keep_alive(&self) -> Option<KeepAlive> {
        let sessions = self.sessions();
        let every = self
            .session
            .limits()?
            .ping
            .filter(|_| sessions.has_timer())?;
        let tag = sessions.tag(&self.session);
        Some(KeepAlive::new(every, tag, self.now()))
    }
}

impl Drop for SessionPermit {
    fn drop(&mut self) {
        self.sessions.release(&self.session);
    }
}
