//! Reading along with a client, and judging what it says.

use std::{mem, sync::Arc, time::Duration};

use gabion_core::{CloseReason, MessageKinds, Mode, RuleId, SessionLimits};
use gabion_frames::{
    KeepAlive, KeepAliveAction, Kind, MessageDecoding, MessageKind, Observer, Opcode, Role, Seen,
    Violation, encode::ControlFrame,
};

use super::{limits, meter::BucketMeter, queue::Way};
use crate::websocket::{SessionPermit, session::UNREAD};

/// Lets pass what keeps to the terms, as it came; what is to be judged, once it was.
pub(super) struct FrameInspector {
    observer: Observer,
    mode: Mode,
    /// Whether messages wait until they are judged.
    holds: bool,
    /// What was found and not acted upon. What came after it could not be read.
    blind: Option<Box<CloseReason>>,
    /// The message that waits, as it came: no longer than a message may be.
    held: Vec<u8>,
    /// A pong as far as it has come; it may be an answer to us.
    pong: Vec<u8>,
    alive: Option<KeepAlive>,
    meter: BucketMeter,
    heard_at: Duration,
    /// Nothing more is to come that would say why the client ends: it has said so, or was not asked.
    closed: bool,
}

impl FrameInspector {
    pub(super) fn new(session_limits: &SessionLimits, permit: &SessionPermit) -> Self {
        let session = permit.session();
        let depth = match session.message_kinds() {
            MessageKinds::None => MessageDecoding::None,
            MessageKinds::Text => MessageDecoding::Text,
            MessageKinds::All => MessageDecoding::All,
        };
        let holds = session_limits.holds && depth != MessageDecoding::None;
        let limits = if holds && session_limits.mode == Mode::Observe {
            limits::of_reading(session_limits)
        } else {
            limits::of(session_limits, session.client.exempt().is_some())
        };
        let unread = depth != MessageDecoding::None && session.granted().is_none();
        Self {
            observer: Observer::new(Role::Client, Arc::new(limits), session.negotiated(), depth),
            mode: if holds {
                Mode::Enforce
            } else {
                session_limits.mode
            },
            holds,
            blind: unread.then(|| Box::new(UNREAD)),
            held: Vec::new(),
            pong: Vec::new(),
            alive: permit.keep_alive().filter(|_| !unread),
            meter: BucketMeter::new(session.client_buckets.clone()),
            heard_at: permit.sessions().now(),
            closed: false,
        }
    }

    /// Looks at what has come.
    pub(super) fn watch(&mut self, bytes: &[u8], way: &mut Way<'_, '_>, permit: &SessionPermit) {
        let now = permit.sessions().now();
        self.heard_at = now;
        self.heard(now);
        let mut rest = bytes;
        while self.blind.is_none() {
            let step = self.step(&mut rest, now, way, permit);
            if !step.unwrap_or_else(|violation| self.goes_on_after(violation, permit)) {
                return;
            }
        }
        if self.may_be_blind(permit) {
            way.pass(&mem::take(&mut self.held));
            way.pass(&mem::take(&mut self.pong));
            way.pass(rest);
        }
    }

    /// Takes a step into `rest`. Whether there may be another.
    fn step(
        &mut self,
        rest: &mut &[u8],
        now: Duration,
        way: &mut Way<'_, '_>,
        permit: &SessionPermit,
    ) -> Result<bool, Violation> {
        let keeps_pongs = self.keeps_pongs();
        self.meter.begin(&self.observer);
        let before = *rest;
        let seen = self.observer.watch(rest, now);
        // The step that broke a rule is not handed out; whoever goes on unread passes it on.
        let Some(step) = seen.inspect_err(|_| *rest = before)? else {
            return Ok(false);
        };
        if !self.meter.pays(&step, now, permit) {
            return Ok(false);
        }
        match step.seen {
            Some(Seen::Message {
                kind,
                payload,
                offset,
            }) => {
                let is_text = kind == MessageKind::Text;
                let (enforcer, session) = (permit.enforcer(), permit.session());
                let held = mem::take(&mut self.held);
                if !enforcer.passes(session, is_text, payload, offset) {
                    return Ok(false);
                }
                way.pass(&held);
                way.pass(step.bytes);
            }
            Some(Seen::Pong(payload)) => {
                let began = mem::take(&mut self.pong);
                if !self.alive.is_some_and(|alive| alive.is_ours(payload)) {
                    way.pass(&began);
                    way.pass(step.bytes);
                }
            }
            Some(Seen::Close { code, .. }) => {
                let session = permit.session();
                permit.sessions().diagnose_close(session, "client", code);
                self.alive = None;
                self.closed = true;
                way.pass(step.bytes);
            }
            _ if step.hold && self.holds => self.held.extend_from_slice(step.bytes),
            _ if step.opcode == Opcode::Pong && keeps_pongs => {
                self.pong.extend_from_slice(step.bytes);
            }
            _ => way.pass(step.bytes),
        }
        Ok(true)
    }

    /// Whether a pong may be an answer to us, or began when it might have been.
    const fn keeps_pongs(&self) -> bool {
        self.alive.is_some() || !self.pong.is_empty()
    }

    /// Whether the session goes on after this, unread.
    fn goes_on_after(&mut self, violation: Violation, permit: &SessionPermit) -> bool {
        // The socket is ending by itself.
        if violation.kind() == Kind::AfterClose {
            return false;
        }
        let ending = CloseReason::Violated {
            rule: RuleId::builtin(violation.kind().id()),
            code: violation.code().value(),
            offset: violation.offset(),
        };
        let ends = permit
            .enforcer()
            .end(permit.session(), ending.clone(), self.mode);
        if !ends {
            self.blind = Some(Box::new(ending));
            // The answer would not be known.
            self.alive = None;
        }
        !ends
    }

    /// Whether what was found still need not be acted upon: a truce that it was found in may be over.
    fn may_be_blind(&self, permit: &SessionPermit) -> bool {
        let Some(ending) = self.blind.as_ref().filter(|_| self.holds) else {
            return true;
        };
        let observes = permit.enforcer().is_overridden();
        if !observes {
            permit.session().end((**ending).clone());
        }
        observes
    }

    /// When the message at hand must be whole.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let deadline = self.observer.deadline().filter(|_| self.blind.is_none())?;
        Some(deadline.saturating_add(Duration::from_nanos(1)))
    }

    /// Finds out a message that does not come to its end.
    pub(super) fn overdue(&mut self, now: Duration, permit: &SessionPermit) {
        if let Err(violation) = self.observer.overdue(now) {
            self.goes_on_after(violation, permit);
        }
    }

    /// What is to be done to keep the socket open; nothing where it is not ours to do.
    pub(super) fn due(&self, now: Duration) -> Option<KeepAliveAction> {
        self.alive.map(|alive| alive.due(now))
    }

    /// The ping that is due, sent now.
    pub(super) fn ping(&mut self, now: Duration) -> Option<ControlFrame> {
        self.alive.as_mut().map(|alive| alive.ping(now, None))
    }

    /// The client is there, by another sign than what it sends.
    pub(super) fn heard(&mut self, now: Duration) {
        if let Some(alive) = &mut self.alive {
            alive.received(now);
        }
    }

    /// Pings no more.
    pub(super) const fn stop(&mut self) {
        self.alive = None;
    }

    /// The client has ended.
    pub(super) const fn close(&mut self) {
        self.alive = None;
        self.closed = true;
    }

    /// Whether frames can come that would say why the client ends.
    pub(super) const fn is_open(&self) -> bool {
        !self.closed && self.blind.is_none()
    }

    /// When the client was heard last.
    pub(super) const fn heard_at(&self) -> Duration {
        self.heard_at
    }
}
