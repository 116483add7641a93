//! What a client's session takes off the budgets that it shares with others.

use std::{sync::Arc, time::Duration};

use gabion_core::{Ending, RuleId};
use gabion_frames::{CloseCode, Observer, Opcode, Seen, Step};

use crate::upgrade::{Seat, allowance::Allowance};

/// Pays for messages as they begin, and for bytes of payload as they come.
pub(super) struct Spending {
    allowance: Option<Arc<Allowance>>,
    /// The bytes at hand are payload.
    payload: bool,
    /// Where the frame at hand begins.
    frame: u64,
    /// It was told that there was not enough, and not acted upon.
    told: bool,
}

const MESSAGES: RuleId = RuleId::builtin("rate/client-messages");
const BYTES: RuleId = RuleId::builtin("rate/client-bytes");

impl Spending {
    pub(super) const fn new(allowance: Option<Arc<Allowance>>) -> Self {
        Self {
            allowance,
            payload: false,
            frame: 0,
            told: false,
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
    pub(super) fn pays(&mut self, step: &Step<'_, '_>, now: Duration, seat: &Seat) -> bool {
        let Some(allowance) = &self.allowance else {
            return true;
        };
        let begins = match step.seen {
            Some(Seen::Frame { opcode, .. }) => matches!(opcode, Opcode::Text | Opcode::Binary),
            _ => false,
        };
        let bytes = if self.payload { step.bytes.len() } else { 0 };
        let rule = if begins && !allowance.messages.take(1, now) {
            MESSAGES
        } else if !allowance.bytes.take(bytes as u64, now) {
            BYTES
        } else {
            return true;
        };
        let (keeper, mode) = (seat.keeper(), seat.mode());
        if self.told && !keeper.acts(mode) {
            return true;
        }
        self.told = true;
        let code = CloseCode::POLICY.value();
        let offset = self.frame;
        !keeper.end(seat.session(), Ending::Broke { rule, code, offset }, mode)
    }
}
