//! Inspection of the client's frames and messages.

use std::{mem, sync::Arc, time::Duration};

use gabion_core::{CloseReason, ControlKind, MessageKinds, Mode, RuleId, SessionLimits};
use gabion_frames::{
    BudgetedBuffer, KeepAlive, KeepAliveAction, Kind, MessageDecoding, MessageKind, Observer,
    Opcode, Role, Seen, Violation, encode::ControlFrame,
};

use super::{limits, meter::BucketMeter, pause::Pause, queue::Output};
use crate::{session::UNOFFERED_EXTENSION, websocket::SessionPermit};

/// Passes bytes that are within the limits, unchanged. Messages that must be judged pass after
/// judgment.
pub(super) struct FrameInspector {
    observer: Observer,
    mode: Mode,
    /// `true` if messages are judged, and with them the payloads of control frames.
    judges: bool,
    /// `true` if messages and control frames are held until they are judged.
    holds: bool,
    /// A finding that was not enforced. The bytes after it cannot be parsed.
    observed_violation: Option<Box<CloseReason>>,
    /// The held message, as received: at most the size limit of a message.
    held_message: BudgetedBuffer,
    /// The received part of a control frame that must be judged, or of a pong that may answer an
    /// injected ping: at most 131 bytes.
    held_control: Vec<u8>,
    keep_alive: Option<KeepAlive>,
    meter: BucketMeter,
    last_received: Duration,
    /// `true` if no further frame can explain the end of the session: the close frame was received,
    /// or the end was recorded already.
    is_ended: bool,
}

impl FrameInspector {
    pub(super) fn new(limits: &SessionLimits, permit: &SessionPermit) -> Self {
        let (session, budget) = (permit.session(), permit.sessions().message_budget());
        let decoding = match session.message_kinds() {
            MessageKinds::None => MessageDecoding::None,
            MessageKinds::Text => MessageDecoding::Text,
            MessageKinds::All => MessageDecoding::All,
        };
        let holds = limits.holds && decoding != MessageDecoding::None;
        let frame_limits = if holds && limits.mode == Mode::Observe {
            limits::for_inspection(limits, budget)
        } else {
            limits::for_client(limits, budget, session.client.exempt().is_some())
        };
        let judges = decoding != MessageDecoding::None;
        let is_uninspectable = judges && session.try_negotiated().is_none();
        let negotiated = session.negotiated();
        let frame_limits = permit.sessions().parser_limits.share(frame_limits);
        let observer = Observer::new(Role::Client, frame_limits, negotiated, decoding);
        Self {
            observer,
            judges,
            mode: if holds { Mode::Enforce } else { limits.mode },
            holds,
            observed_violation: is_uninspectable.then(|| Box::new(UNOFFERED_EXTENSION)),
            held_message: BudgetedBuffer::new(Arc::clone(budget), limits.max_buffered),
            held_control: Vec::new(),
            keep_alive: permit.keep_alive().filter(|_| !is_uninspectable),
            meter: BucketMeter::new(session.client_buckets.clone()),
            last_received: permit.now(),
            is_ended: false,
        }
    }

    /// Inspects received bytes and passes them to `output`. Stops before the end of `rest` once
    /// messages were inflated by [`Pause::AFTER`] bytes. Returns the number of inflated bytes.
    pub(super) fn inspect(
        &mut self,
        rest: &mut &[u8],
        output: &mut Output<'_, '_>,
        permit: &SessionPermit,
    ) -> u64 {
        let now = permit.now();
        self.last_received = now;
        self.record_activity(now);
        let mut inflated = 0;
        while self.observed_violation.is_none() {
            if inflated >= Pause::AFTER {
                return inflated;
            }
            let step = self.step(rest, now, &mut inflated, output, permit);
            let continues = step.unwrap_or_else(|violation| {
                self.continues_after(violation.kind(), violation.offset(), permit)
            });
            if !continues {
                *rest = &[];
                return inflated;
            }
        }
        if self.may_pass_uninspected(permit) {
            output.pass_held(self.held_message.take());
            output.pass(&mem::take(&mut self.held_control));
            output.pass(rest);
        }
        *rest = &[];
        inflated
    }

    /// Processes one observation of `rest`. Returns `true` if another may follow.
    fn step(
        &mut self,
        rest: &mut &[u8],
        now: Duration,
        inflated: &mut u64,
        output: &mut Output<'_, '_>,
        permit: &SessionPermit,
    ) -> Result<bool, Violation> {
        let holds_pongs = self.keep_alive.is_some() || !self.held_control.is_empty();
        self.meter.begin(&self.observer);
        let before = *rest;
        let seen = self.observer.watch(rest, now);
        // The bytes of a violation are not consumed: if the session continues uninspected, they
        // pass.
        let Some(step) = seen.inspect_err(|_| *rest = before)? else {
            return Ok(false);
        };
        *inflated = inflated.saturating_add(step.inflated);
        if !self.meter.charge(&step, now, permit) {
            return Ok(false);
        }
        let frame = self.meter.frame();
        match step.seen {
            Some(seen @ Seen::Message { .. }) => {
                let held_message = self.held_message.take();
                if !allows(seen, frame, permit) {
                    return Ok(false);
                }
                output.pass_held(held_message);
                output.pass(step.bytes);
            }
            Some(seen @ (Seen::Ping(_) | Seen::Pong(_) | Seen::Close { .. })) => {
                let held_control = mem::take(&mut self.held_control);
                let is_ours = |pong| self.keep_alive.is_some_and(|timer| timer.is_ours(pong));
                if matches!(seen, Seen::Pong(payload) if is_ours(payload)) {
                    return Ok(true);
                }
                if self.judges && !allows(seen, frame, permit) {
                    return Ok(false);
                }
                if let Seen::Close { code, .. } = seen {
                    permit.diagnose_close("client", code);
                    self.keep_alive = None;
                    self.is_ended = true;
                }
                output.pass(&held_control);
                output.pass(step.bytes);
            }
            _ if step.hold && self.holds => {
                if let Err(exhausted) = self.held_message.extend_from_slice(step.bytes) {
                    *rest = before;
                    return Ok(self.continues_after(exhausted.into(), frame, permit));
                }
            }
            _ if step.opcode.is_control() && self.holds
                || step.opcode == Opcode::Pong && holds_pongs =>
            {
                self.held_control.extend_from_slice(step.bytes);
            }
            _ => output.pass(step.bytes),
        }
        Ok(true)
    }

    /// Returns `true` if the session continues after a violation, uninspected.
    fn continues_after(&mut self, kind: Kind, offset: u64, permit: &SessionPermit) -> bool {
        // The client's close frame ends the session anyway.
        if kind == Kind::AfterClose {
            return false;
        }
        let close_reason = CloseReason::Violated {
            rule: RuleId::builtin(kind.id()),
            code: kind.code().value(),
            offset,
        };
        let ends = permit
            .engine()
            .end_session(permit.session(), close_reason.clone(), self.mode);
        if !ends {
            self.observed_violation = Some(Box::new(close_reason));
            // A pong could not be recognized any more.
            self.keep_alive = None;
        }
        !ends
    }

    /// Returns `true` if the bytes after a finding may pass. A finding from the time of an observe
    /// override is enforced once the override has ended.
    fn may_pass_uninspected(&self, permit: &SessionPermit) -> bool {
        let Some(close_reason) = self.observed_violation.as_ref().filter(|_| self.holds) else {
            return true;
        };
        let engine = permit.engine();
        let observes = engine.is_overridden(engine.clock.now());
        if !observes {
            permit.session().end((**close_reason).clone());
        }
        observes
    }

    /// Returns the time by which the current message must be complete.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let deadline = self
            .observer
            .deadline()
            .filter(|_| self.observed_violation.is_none())?;
        Some(deadline.saturating_add(Duration::from_nanos(1)))
    }

    /// Checks for a message that is not complete in time.
    pub(super) fn check_deadline(&mut self, now: Duration, permit: &SessionPermit) {
        if let Err(violation) = self.observer.overdue(now) {
            self.continues_after(violation.kind(), violation.offset(), permit);
        }
    }

    /// Returns the next keep-alive action, or `None` without a keep-alive.
    pub(super) fn due(&self, now: Duration) -> Option<KeepAliveAction> {
        self.keep_alive.map(|keep_alive| keep_alive.due(now))
    }

    /// Returns the ping that is due, to be sent now.
    pub(super) fn ping(&mut self, now: Duration) -> Option<ControlFrame> {
        self.keep_alive
            .as_mut()
            .map(|keep_alive| keep_alive.ping(now, None))
    }

    /// Records that the client is alive, which resets the keep-alive timer.
    pub(super) fn record_activity(&mut self, now: Duration) {
        if let Some(keep_alive) = &mut self.keep_alive {
            keep_alive.received(now);
        }
    }

    /// Stops pings.
    pub(super) const fn stop_pings(&mut self) {
        self.keep_alive = None;
    }

    /// Records that the client has ended.
    pub(super) const fn mark_ended(&mut self) {
        self.keep_alive = None;
        self.is_ended = true;
    }

    /// Returns `true` if further frames can explain the end of the session.
    pub(super) const fn expects_close_frame(&self) -> bool {
        !self.is_ended && self.observed_violation.is_none()
    }

    /// Returns the time at which the client's last byte was received.
    pub(super) const fn last_received(&self) -> Duration {
        self.last_received
    }
}

/// Judges a message, or the payload of a control frame that begins at `frame`.
fn allows(seen: Seen<'_>, frame: u64, permit: &SessionPermit) -> bool {
    let (engine, session) = (permit.engine(), permit.session());
    let (kind, payload) = match seen {
        Seen::Frame { .. } => return true,
        Seen::Message {
            kind,
            payload,
            offset,
        } => return engine.allows_message(session, kind == MessageKind::Text, payload, offset),
        Seen::Ping(payload) => (ControlKind::Ping, payload),
        Seen::Pong(payload) => (ControlKind::Pong, payload),
        Seen::Close { reason, .. } => (ControlKind::Close, reason.as_bytes()),
    };
    engine.allows_control(session, kind, payload, frame)
}
