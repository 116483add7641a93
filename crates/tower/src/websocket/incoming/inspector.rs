//! Reading along with a client, and judging what it says.

use std::{mem, sync::Arc, time::Duration};

use gabion_core::{CloseReason, MessageKinds, Mode, RuleId, SessionLimits};
use gabion_frames::{
    KeepAlive, KeepAliveAction, Kind, MessageDecoding, MessageKind, Observer, Opcode, Role, Seen,
    Violation, encode::ControlFrame,
};

use super::{limits, meter::BucketMeter, queue::Output};
use crate::websocket::{SessionPermit, session::UNOFFERED_EXTENSION};

/// Lets pass what keeps to the terms, as it came; what is to be judged, once it was.
pub(super) struct FrameInspector {
    observer: Observer,
    mode: Mode,
    /// Whether messages wait until they are judged.
    holds: bool,
    /// What was found and not acted upon. What came after it could not be read.
    observed_violation: Option<Box<CloseReason>>,
    /// The message that waits, as it came: no longer than a message may be.
    held_message: Vec<u8>,
    /// A pong as far as it has come; it may be an answer to us.
    held_pong: Vec<u8>,
    keep_alive: Option<KeepAlive>,
    meter: BucketMeter,
    last_received: Duration,
    /// Nothing more is to come that would say why the client ends: it has said so, or was not asked.
    is_ended: bool,
}

impl FrameInspector {
    pub(super) fn new(limits: &SessionLimits, permit: &SessionPermit) -> Self {
        let session = permit.session();
        let depth = match session.message_kinds() {
            MessageKinds::None => MessageDecoding::None,
            MessageKinds::Text => MessageDecoding::Text,
            MessageKinds::All => MessageDecoding::All,
        };
        let holds = limits.holds && depth != MessageDecoding::None;
        let frame_limits = if holds && limits.mode == Mode::Observe {
            limits::for_inspection(limits)
        } else {
            limits::for_client(limits, session.client.exempt().is_some())
        };
        let is_uninspectable = depth != MessageDecoding::None && session.try_negotiated().is_none();
        Self {
            observer: Observer::new(
                Role::Client,
                Arc::new(frame_limits),
                session.negotiated(),
                depth,
            ),
            mode: if holds { Mode::Enforce } else { limits.mode },
            holds,
            observed_violation: is_uninspectable.then(|| Box::new(UNOFFERED_EXTENSION)),
            held_message: Vec::new(),
            held_pong: Vec::new(),
            keep_alive: permit.keep_alive().filter(|_| !is_uninspectable),
            meter: BucketMeter::new(session.client_buckets.clone()),
            last_received: permit.sessions().now(),
            is_ended: false,
        }
    }

    /// Looks at what has come.
    pub(super) fn inspect(
        &mut self,
        bytes: &[u8],
        output: &mut Output<'_, '_>,
        permit: &SessionPermit,
    ) {
        let now = permit.sessions().now();
        self.last_received = now;
        self.record_activity(now);
        let mut rest = bytes;
        while self.observed_violation.is_none() {
            let step = self.step(&mut rest, now, output, permit);
            if !step.unwrap_or_else(|violation| self.continues_after(violation, permit)) {
                return;
            }
        }
        if self.may_pass_uninspected(permit) {
            output.pass(&mem::take(&mut self.held_message));
            output.pass(&mem::take(&mut self.held_pong));
            output.pass(rest);
        }
    }

    /// Takes a step into `rest`. Whether there may be another.
    fn step(
        &mut self,
        rest: &mut &[u8],
        now: Duration,
        output: &mut Output<'_, '_>,
        permit: &SessionPermit,
    ) -> Result<bool, Violation> {
        let holds_pongs = self.holds_pongs();
        self.meter.begin(&self.observer);
        let before = *rest;
        let seen = self.observer.watch(rest, now);
        // The step that broke a rule is not handed out; whoever goes on unread passes it on.
        let Some(step) = seen.inspect_err(|_| *rest = before)? else {
            return Ok(false);
        };
        if !self.meter.charge(&step, now, permit) {
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
                let held_message = mem::take(&mut self.held_message);
                if !enforcer.allows_message(session, is_text, payload, offset) {
                    return Ok(false);
                }
                output.pass(&held_message);
                output.pass(step.bytes);
            }
            Some(Seen::Pong(payload)) => {
                let held = mem::take(&mut self.held_pong);
                if !self
                    .keep_alive
                    .is_some_and(|keep_alive| keep_alive.is_ours(payload))
                {
                    output.pass(&held);
                    output.pass(step.bytes);
                }
            }
            Some(Seen::Close { code, .. }) => {
                let session = permit.session();
                permit.sessions().diagnose_close(session, "client", code);
                self.keep_alive = None;
                self.is_ended = true;
                output.pass(step.bytes);
            }
            _ if step.hold && self.holds => self.held_message.extend_from_slice(step.bytes),
            _ if step.opcode == Opcode::Pong && holds_pongs => {
                self.held_pong.extend_from_slice(step.bytes);
            }
            _ => output.pass(step.bytes),
        }
        Ok(true)
    }

    /// Whether a pong may be an answer to us, or began when it might have been.
    const fn holds_pongs(&self) -> bool {
        self.keep_alive.is_some() || !self.held_pong.is_empty()
    }

    /// Whether the session goes on after this, unread.
    fn continues_after(&mut self, violation: Violation, permit: &SessionPermit) -> bool {
        // The socket is ending by itself.
        if violation.kind() == Kind::AfterClose {
            return false;
        }
        let close_reason = CloseReason::Violated {
            rule: RuleId::builtin(violation.kind().id()),
            code: violation.code().value(),
            offset: violation.offset(),
        };
        let ends = permit
            .enforcer()
            .end(permit.session(), close_reason.clone(), self.mode);
        if !ends {
            self.observed_violation = Some(Box::new(close_reason));
            // The answer would not be known.
            self.keep_alive = None;
        }
        !ends
    }

    /// Whether what was found still need not be acted upon: a truce that it was found in may be over.
    fn may_pass_uninspected(&self, permit: &SessionPermit) -> bool {
        let Some(close_reason) = self.observed_violation.as_ref().filter(|_| self.holds) else {
            return true;
        };
        let observes = permit.enforcer().is_overridden();
        if !observes {
            permit.session().end((**close_reason).clone());
        }
        observes
    }

    /// When the message at hand must be whole.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let deadline = self
            .observer
            .deadline()
            .filter(|_| self.observed_violation.is_none())?;
        Some(deadline.saturating_add(Duration::from_nanos(1)))
    }

    /// Finds out a message that does not come to its end.
    pub(super) fn check_deadline(&mut self, now: Duration, permit: &SessionPermit) {
        if let Err(violation) = self.observer.overdue(now) {
            self.continues_after(violation, permit);
        }
    }

    /// What is to be done to keep the socket open; nothing where it is not ours to do.
    pub(super) fn due(&self, now: Duration) -> Option<KeepAliveAction> {
        self.keep_alive.map(|keep_alive| keep_alive.due(now))
    }

    /// The ping that is due, sent now.
    pub(super) fn ping(&mut self, now: Duration) -> Option<ControlFrame> {
        self.keep_alive
            .as_mut()
            .map(|keep_alive| keep_alive.ping(now, None))
    }

    /// The client is there, by another sign than what it sends.
    pub(super) fn record_activity(&mut self, now: Duration) {
        if let Some(keep_alive) = &mut self.keep_alive {
            keep_alive.received(now);
        }
    }

    /// Pings no more.
    pub(super) const fn stop_pings(&mut self) {
        self.keep_alive = None;
    }

    /// The client has ended.
    pub(super) const fn mark_ended(&mut self) {
        self.keep_alive = None;
        self.is_ended = true;
    }

    /// Whether frames can come that would say why the client ends.
    pub(super) const fn expects_close_frame(&self) -> bool {
        !self.is_ended && self.observed_violation.is_none()
    }

    /// When the client was heard last.
    pub(super) const fn last_received(&self) -> Duration {
        self.last_received
    }
}
