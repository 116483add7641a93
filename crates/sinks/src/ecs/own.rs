//! Lines of events about the guard itself: its policy, its operators, its servers, its store and its logs.

use gabion_core::{
    AuditEvent, Escaped, LogChange, LogEvent, PolicyEvent, StoreChange, StoreEvent, Suppressed,
    UpstreamEvent, UpstreamState,
};

use super::entry::{Classification, Entry};

/// The kind of an event about the guard itself.
pub(super) const fn own(action: &'static str, types: &'static [&'static str]) -> Classification {
    Classification {
        kind: "event",
        category: &["configuration"],
        types,
        action,
        outcome: None,
    }
}

/// The kind of a state of a part of the system.
const fn state(action: &'static str, outcome: &'static str) -> Classification {
    Classification {
        kind: "state",
        category: &["host"],
        types: &["info"],
        action,
        outcome: Some(outcome),
    }
}

// === impl Entry ===

impl Entry<'_, '_> {
    pub(super) fn audit(&mut self, event: &AuditEvent) {
        self.kind(&Classification {
            category: &["configuration", "iam"],
            ..own("operator-change", &["change", "admin"])
        });
        self.scrubbed("user.name", Escaped(event.actor.as_bytes()));
        self.object.text("gabion.audit.action", event.action);
        if let Some(network) = event.network {
            self.network("gabion.audit.network", network);
        }
        self.message(event);
    }

    pub(super) fn policy(&mut self, event: &PolicyEvent) {
        let (kind, generation) = match event {
            PolicyEvent::Replaced { generation, .. } => {
                (own("policy-replaced", &["change"]), Some(*generation))
            }
            PolicyEvent::Kept { generation, .. } => {
                (own("policy-rejected", &["error"]), Some(*generation))
            }
            PolicyEvent::Warned { generation, .. } => {
                (own("policy-warned", &["info"]), Some(*generation))
            }
            PolicyEvent::Restored { generation } => {
                (own("policy-restored", &["info"]), Some(*generation))
            }
            PolicyEvent::ObserveOverride { left } if left.is_zero() => {
                (own("enforcement-resumed", &["change"]), None)
            }
            PolicyEvent::ObserveOverride { .. } => {
                (own("enforcement-suspended", &["change"]), None)
            }
            _ => (own("policy", &["info"]), None),
        };
        self.kind(&kind);
        if let Some(generation) = generation {
            self.generation(generation);
        }
        if let PolicyEvent::Replaced { rules, .. } = event {
            let rules = u64::try_from(*rules).unwrap_or(u64::MAX);
            self.object.number("gabion.policy.rules", rules);
        }
        self.object.text("message", event);
    }

    pub(super) fn store(&mut self, event: &StoreEvent) {
        self.kind(&match event.change {
            StoreChange::Recovered => state("store-recovered", "success"),
            StoreChange::Overflowed { .. } => state("store-overflowed", "failure"),
            StoreChange::MovedAside { .. } => state("store-file-damaged", "failure"),
            _ => state("store-degraded", "failure"),
        });
        self.object.text("message", event);
    }

    pub(super) fn upstream(&mut self, event: &UpstreamEvent) {
        let outcome = if event.new == UpstreamState::Up {
            "success"
        } else {
            "failure"
        };
        self.kind(&state("upstream-changed", outcome));
        self.object.text("gabion.upstream", &event.upstream);
        self.object.text("gabion.upstream_state", event.new);
        self.object.text("event.reason", &event.reason);
        self.object.text("message", event);
    }

    pub(super) fn log(&mut self, event: &LogEvent) {
        self.kind(&match event.change {
            LogChange::Recovered => state("log-recovered", "success"),
            LogChange::Dropped { .. } => state("log-lines-dropped", "failure"),
            _ => state("log-degraded", "failure"),
        });
        self.object.text("log.file.path", &event.log);
        if let LogChange::Dropped { lines } = event.change {
            self.object.number("gabion.dropped", lines);
        }
        self.object.text("message", event);
    }

    pub(super) fn suppressed(&mut self, event: Suppressed) {
        self.kind(&state("events-suppressed", "failure"));
        self.object.number("gabion.dropped", event.events);
        if let Some((network, events)) = event.most {
            self.network("gabion.dropped_most.network", network);
            self.object.number("gabion.dropped_most.events", events);
        }
        self.message(event);
    }
}
