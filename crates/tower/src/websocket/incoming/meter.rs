//! Charges of a session to its client's token buckets.

use std::{sync::Arc, time::Duration};

use gabion_core::{CloseReason, RuleId};
use gabion_frames::{CloseCode, Observation, Observer, Opcode, Seen};

use crate::{session::ClientBuckets, websocket::SessionPermit};

/// Takes a token per message when it begins, a token per payload byte as it arrives, and a token per
/// byte by which a message grows when it is inflated.
pub(super) struct BucketMeter {
    client_buckets: Option<Arc<ClientBuckets>>,
    /// `true` if the current bytes are payload.
    payload: bool,
    /// The offset of the current frame.
    frame: u64,
    /// `true` once an exceeded limit was reported and not enforced.
    reported: bool,
}

const MESSAGES: RuleId = RuleId::builtin("rate/client-messages");
const BYTES: RuleId = RuleId::builtin("rate/client-bytes");

impl BucketMeter {
    pub(super) const fn new(client_buckets: Option<Arc<ClientBuckets>>) -> Self {
        Self {
            client_buckets,
            payload: false,
            frame: 0,
            reported: false,
        }
    }

    /// Returns the offset of the current frame.
    pub(super) const fn frame(&self) -> u64 {
        self.frame
    }

    /// Prepares the charge of the next observation.
    pub(super) fn begin(&mut self, observer: &Observer) {
        let missing = observer.boundary();
        self.payload = missing.is_some_and(|missing| missing > 0);
        if missing == Some(0) {
            self.frame = observer.offset();
        }
    }

    /// Charges an observation. Returns `true` if it may pass; otherwise the session is closed.
    pub(super) fn charge(
        &mut self,
        step: &Observation<'_, '_>,
        now: Duration,
        permit: &SessionPermit,
    ) -> bool {
        let Some(client_buckets) = &self.client_buckets else {
            return true;
        };
        let begins = match step.seen {
            Some(Seen::Frame { opcode, .. }) => matches!(opcode, Opcode::Text | Opcode::Binary),
            _ => false,
        };
        let bytes = if self.payload { step.bytes.len() } else { 0 };
        let rule = if begins && !client_buckets.messages.take(1, now) {
            MESSAGES
        } else if !client_buckets.bytes.take(bytes as u64 + step.inflated, now) {
            BYTES
        } else {
            return true;
        };
        let (engine, mode) = (permit.engine(), permit.mode());
        if self.reported && !engine.is_enforced(mode) {
            return true;
        }
        self.reported = true;
        let code = CloseCode::POLICY.value();
        let offset = self.frame;
        !engine.end_session(
            permit.session(),
            CloseReason::Violated { rule, code, offset },
            mode,
        )
    }
}
