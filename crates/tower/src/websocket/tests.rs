use std::sync::Arc;

use gabion_core::{
    ChangeListener as _, ClientIp, ClientRules, Denial, Facts, Inspect, Mode, Now, PathViews,
    RequestState, RouteLimits, RuleId, SessionLimits, Snapshot, Verdict,
};
use gabion_testkit::{OwnedHead, client_at};
use http::StatusCode;

use super::{Session, SessionEnforcer, SessionPermit, Sessions};
use crate::{ObserveOverride, SystemClock};

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

fn sessions() -> Sessions {
    Sessions::new(Arc::new(SystemClock::new()))
}

fn policy(mode: Mode) -> Snapshot {
    Snapshot::new(ClientRules::default(), Arc::new(Closed(mode)))
}

fn enforcer(sessions: Sessions, policy: &Snapshot) -> Arc<SessionEnforcer> {
    let (policy, clock) = (Arc::new(policy.clone()), Arc::new(SystemClock::new()));
    Arc::new(SessionEnforcer::new(
        sessions,
        policy,
        clock,
        ObserveOverride::default(),
    ))
}

#[test]
fn session_is_closed_if_a_recheck_denies_it_in_enforce_mode() {
    for mode in [Mode::Enforce, Mode::Observe] {
        let policy = policy(mode);
        let enforcer = enforcer(sessions(), &policy);
        let open = |path| {
            let head = OwnedHead::get(path);
            let facts = head.facts(&policy.client);
            enforcer.reserve(&facts, &policy, true).unwrap()
        };
        let (closed, other) = (open("/closed"), open("/open"));
        let ended = |session: &Session| session.close_reason().is_some();
        enforcer.on_policy_replaced();
        assert_eq!(ended(closed.session()), mode == Mode::Enforce);
        assert!(!ended(other.session()));
    }
}

#[test]
fn handshake_beyond_the_capacity_is_denied() {
    let policy = policy(Mode::Enforce);
    let enforcer = enforcer(sessions().with_capacity(2), &policy);
    let open = |client| {
        let head = OwnedHead::get("/").from(client);
        enforcer.reserve(&head.facts(&policy.client), &policy, true)
    };
    let first = open("203.0.113.9").unwrap();
    let _second = open("198.51.100.7").unwrap();
    for client in ["203.0.113.9", "192.0.2.1"] {
        let full = open(client).err().unwrap();
        assert_eq!(full.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(full.mode, Mode::Enforce);
    }
    assert_eq!(enforcer.sessions().len(), 2);
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
    let enforcer = enforcer(sessions(), &policy);
    let open = |client, path| {
        let head = OwnedHead::get(path).from(client);
        let permit = enforcer.reserve(&head.facts(&policy.client), &policy, true);
        permit.map_err(|denial| denial.cause.rule)
    };
    let stream = enforcer.permit_stream(client_at("203.0.113.9"), "/", 0);
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
