//! What a client's session takes off the budgets that it shares with others.

use std::{sync::Arc, time::Duration};

use gabion_core::{CloseReason, RuleId};
use gabion_frames::{CloseCode, Observation, Observer, Opcode, Seen};

use crate::websocket::{SessionPermit, client_buckets::ClientBuckets};

/// Pays for messages as they begin, and for bytes of payload as they come.
pub(super) struct BucketMeter {
    client_buckets: Option<Arc<ClientBuckets>>,
    /// The bytes at hand are payload.
    payload: bool,
    /// Where the frame at hand begins.
    frame: u64,
    /// It was told that there was not enough, and not acted upon.
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

    /// The next step is about to be taken.
    pub(super) fn begin(&mut self, observer: &Observer) {
        let missing = observer.boundary();
        self.payload = missing.is_some_and(|missing| missing > 0);
        if missing == Some(0) {
            self.frame = observer.offset();
        }
    }

    /// Pays for a step. Whether it may pass; else the session ends.
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
        } else if !client_buckets.bytes.take(bytes as u64, now) {
            BYTES
        } else {
            return true;
        };
        let (enforcer, mode) = (permit.enforcer(), permit.mode());
        if self.reported && !enforcer.is_enforced(mode) {
            return true;
        }
        self.reported = true;
        let code = CloseCode::POLICY.value();
        let offset = self.frame;
        !enforcer.end(
            permit.session(),
            CloseReason::Violated { rule, code, offset },
            mode,
        )
    }
}
