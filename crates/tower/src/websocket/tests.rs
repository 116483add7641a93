use std::sync::Arc;

use gabion_core::{
    ClientIp, ClientRules, Denial, Facts, Inspect, Mode, Now, PathViews, RequestState, RouteLimits,
    RuleId, SessionLimits, Snapshot, Verdict,
};
use gabion_testkit::{OwnedHead, client_at};
use http::StatusCode;

use super::SessionPermit;
use crate::{
    engine::Engine,
    session::{Session, Sessions},
};

/// Denies `/closed` at a recheck, in this mode.
struct Closed(Mode);

impl Inspect for Closed {
    fn name(&self) -> &'static str {
        "closed"
    }

    fn inspect(&self, _facts: &Facts<'_>, _state: &mut RequestState) -> Verdict {
        Verdict::Pass
    }

    fn recheck(&self, client: &ClientIp, path: &PathViews<'_>, _now: Now) -> Verdict {
        assert_eq!(client.addr().to_string(), "203.0.113.9");
        if path.raw() == b"/closed" {
            return Denial::forbidden("closed", "closed")
                .with_mode(self.0)
                .into();
        }
        Verdict::Pass
    }
}

fn policy(mode: Mode) -> Snapshot {
    Snapshot::new(ClientRules::default(), Arc::new(Closed(mode)))
}

fn engine(sessions: Sessions, policy: &Snapshot) -> Arc<Engine> {
    let mut engine = Engine::new(Arc::new(Arc::new(policy.clone())));
    engine.sessions = Some(Arc::new(sessions));
    Arc::new(engine)
}

/// Opens a WebSocket for a request.
fn open(
    engine: &Arc<Engine>,
    head: &OwnedHead,
    policy: &Snapshot,
) -> Result<SessionPermit, Box<Denial>> {
    let facts = head.facts(&policy.client);
    let permit = SessionPermit::reserve(engine, &facts, policy, true);
    permit.map(|permit| permit.expect("sessions are supervised"))
}

#[test]
fn session_is_closed_if_a_recheck_denies_it_in_enforce_mode() {
    for mode in [Mode::Enforce, Mode::Observe] {
        let policy = policy(mode);
        let engine = engine(Sessions::new(), &policy);
        let open = |path| open(&engine, &OwnedHead::get(path), &policy).unwrap();
        let (closed, other) = (open("/closed"), open("/open"));
        let ended = |session: &Session| session.close_reason().is_some();
        engine.recheck_all();
        assert_eq!(ended(closed.session()), mode == Mode::Enforce);
        assert!(!ended(other.session()));
    }
}

#[test]
fn handshake_beyond_the_capacity_is_denied() {
    let policy = policy(Mode::Enforce);
    let engine = engine(Sessions::new().with_capacity(2), &policy);
    let open = |client| open(&engine, &OwnedHead::get("/").from(client), &policy);
    let first = open("203.0.113.9").unwrap();
    let _second = open("198.51.100.7").unwrap();
    for client in ["203.0.113.9", "192.0.2.1"] {
        let full = open(client).err().unwrap();
        assert_eq!(full.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(full.mode, Mode::Enforce);
    }
    assert_eq!(engine.sessions.as_ref().unwrap().len(), 2);
    drop(first);
    assert!(open("192.0.2.1").is_ok());
}

#[test]
fn caps_of_routes_are_independent() {
    let route = |route: &str| {
        let caps = SessionLimits {
            route: route.into(),
            sockets_per_client: Some(1),
            sockets: Some(2),
            mode: Mode::Enforce,
            ..SessionLimits::default()
        };
        Arc::new(caps)
    };
    let (chat, feed) = ("/", "/feed");
    let routes = RouteLimits::new(Some(route(""))).with(feed.as_bytes(), route("feed"));
    let policy = policy(Mode::Enforce).with_route_limits(routes);
    let engine = engine(Sessions::new(), &policy);
    let open = |client, path| {
        let permit = open(&engine, &OwnedHead::get(path).from(client), &policy);
        permit.map_err(|denial| denial.cause.rule)
    };
    let stream = SessionPermit::for_stream(&engine, client_at("203.0.113.9"), "/", 0);
    let first = open("203.0.113.9", chat).unwrap();
    let denying_rule = |permit: Result<SessionPermit, RuleId>| permit.err().unwrap();
    let twice = open("203.0.113.9", chat);
    assert_eq!(denying_rule(twice), Sessions::PER_CLIENT);
    let _elsewhere = open("203.0.113.9", feed).unwrap();
    let _another = open("192.0.2.1", chat).unwrap();
    assert_eq!(denying_rule(open("192.0.2.2", chat)), Sessions::IN_ALL);
    drop(first);
    drop(stream);
    assert!(open("192.0.2.2", chat).is_ok());
}
