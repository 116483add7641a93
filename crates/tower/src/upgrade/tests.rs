use std::sync::Arc;

use gabion_core::{ClientRules, Denial, Facts, Heed as _, Inspect, Mode, Snapshot, Trace, Verdict};
use gabion_testkit::client_at;
use http::StatusCode;

use super::{Keeper, Session, Sessions};
use crate::{SystemClock, Truce};

/// Refuses whoever is under `/closed`, in this mode, when it is asked again.
struct Closed(Mode);

impl Inspect for Closed {
    fn name(&self) -> &'static str {
        "closed"
    }

    fn inspect(&self, _facts: &Facts<'_>, _trace: &mut Trace) -> Verdict {
        Verdict::Pass
    }

    fn revisit(&self, facts: &Facts<'_>, _trace: &mut Trace) -> Verdict {
        assert_eq!(facts.client.addr().to_string(), "203.0.113.9");
        if facts.path.raw() == b"/closed" {
            return Denial::forbidden("closed", "by now")
                .with_mode(self.0)
                .into();
        }
        Verdict::Pass
    }
}

fn sessions() -> Sessions {
    Sessions::new(Arc::new(SystemClock::new()))
}

fn policy(mode: Mode) -> Arc<Snapshot> {
    Arc::new(Snapshot::new(
        ClientRules::default(),
        Arc::new(Closed(mode)),
    ))
}

#[test]
fn session_that_an_inspector_refuses_is_ended_unless_it_observes() {
    for mode in [Mode::Enforce, Mode::Observe] {
        let policy = policy(mode);
        let clock = Arc::new(SystemClock::new());
        let keeper = Keeper::new(sessions(), policy.clone(), clock, Truce::default());
        let open = |path| {
            let client = client_at("203.0.113.9");
            keeper
                .sessions()
                .reserve(client, path, &policy, None)
                .unwrap()
        };
        let (closed, other) = (open("/closed"), open("/open"));
        let ended = |session: &Session| session.ending().is_some();
        keeper.replaced();
        assert_eq!(ended(closed.session()), mode == Mode::Enforce);
        assert!(!ended(other.session()));
    }
}

#[test]
fn table_holds_no_more_than_its_capacity() {
    let sessions = Arc::new(sessions().with_capacity(2));
    let policy = policy(Mode::Enforce);
    let open = |client| sessions.reserve(client_at(client), "/", &policy, None);
    let first = open("203.0.113.9").unwrap();
    let _second = open("198.51.100.7").unwrap();
    for client in ["203.0.113.9", "192.0.2.1"] {
        let full = open(client).err().unwrap();
        assert_eq!(full.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(full.mode, Mode::Enforce);
    }
    assert_eq!(sessions.len(), 2);
    drop(first);
    assert!(open("192.0.2.1").is_ok());
}
