//! Events of every kind, for the tests of sinks.

use std::time::{Duration, UNIX_EPOCH};

use gabion_core::{
    BanChange, BanEvent, Cause, Claim, ClaimRemovedEvent, ClientIp, ClientRules, CloseReason,
    ConnectionLimit, ConnectionRefusedEvent, Denial, Diagnosis, DiagnosisEvent, Event, FaultEvent,
    Offense, PeerAddr, PolicyEvent, ProbeHitEvent, ProxyFailureEvent, Reason, RequestEvent,
    RequestEventKind, RequestState, RuleId, SessionEvent, SessionId, SessionKind, StoreEvent,
    StorePart, Suppressed, UnparsableEvent, UnparsablePart, UpstreamEvent, UpstreamState,
};
use gabion_testkit::OwnedHead;
use http::StatusCode;

/// What a client writes.
pub(crate) struct Written {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Any bytes: a panic message, a path, an error, matched bytes.
    pub(crate) text: String,
}

/// At least one event of each kind, with these values in every field that a client or an error can
/// fill.
pub(crate) fn every_event(written: &Written) -> Vec<Event> {
    let at = UNIX_EPOCH + Duration::from_secs(7);
    let long = &written.text;
    let head = OwnedHead::get(&written.target)
        .method(&written.method)
        .from("203.0.113.9")
        .at(Duration::from_secs(7));
    let facts = head.facts(&ClientRules::default());
    let client: ClientIp = facts.client;
    let addr = client.addr();
    let denial = || Denial::forbidden("rule", "why").with_evidence(long.as_bytes());
    let cause = || Cause {
        evidence: denial().cause.evidence,
        ..Cause::new(RuleId::builtin("rule"), Reason::Name)
    };
    let request = |kind| Event::Request(RequestEvent::new(&facts, 1, kind));
    let offense = Offense::certain(RuleId::builtin("rule"), Duration::from_mins(1));
    let ban = |change| {
        let offense = offense.clone().with_reason(&**long);
        Event::Ban(BanEvent::new(at, client, offense, change))
    };
    let network = client.network();
    let mut state = RequestState::new(&facts);
    state.keep_target(&facts);
    vec![
        request(RequestEventKind::Allowed(cause())),
        request(RequestEventKind::Denied(denial().into())),
        request(RequestEventKind::Fault(long.clone())),
        ban(BanChange::Placed),
        ban(BanChange::Evicted(network)),
        ban(BanChange::Surrounding(network)),
        ban(BanChange::SurroundingObserved(network)),
        ban(BanChange::Withheld("why")),
        ban(BanChange::Observed),
        ban(BanChange::Suspected {
            paths: 1,
            needed: 3,
        }),
        Event::Policy(PolicyEvent::kept(1, long)),
        Event::Policy(PolicyEvent::Replaced {
            generation: 1,
            rules: 1,
        }),
        Event::Fault(FaultEvent::new(at, client, 1, long.clone())),
        Event::UntrustedProxy(addr),
        Event::ProbeHit(ProbeHitEvent::new(at, &state, cause(), StatusCode::OK)),
        Event::Session(SessionEvent::new(
            at,
            SessionId::new(1),
            SessionKind::WebSocket,
            client,
            long.as_bytes(),
            1,
            CloseReason::Refused(cause()),
        )),
        Event::Diagnosis(DiagnosisEvent::new(
            at,
            Diagnosis::Refused,
            addr,
            long.as_bytes(),
            long.clone(),
        )),
        Event::Unparsable(UnparsableEvent::new(
            at,
            addr,
            UnparsablePart::Target,
            long.as_bytes(),
        )),
        Event::ConnectionRefused(ConnectionRefusedEvent::new(
            at,
            addr,
            ConnectionLimit::Client,
        )),
        Event::ClaimRemoved(ClaimRemovedEvent::new(
            at,
            PeerAddr::new((addr, 1).into()),
            Some(&client),
            long,
            Claim::XRealIp,
        )),
        Event::ProxyFailure(ProxyFailureEvent::new(
            at,
            Some(addr),
            (facts.method, facts.target()),
            StatusCode::BAD_GATEWAY,
            long,
            long,
        )),
        Event::Store(StoreEvent::degraded(at, StorePart::Bans, long)),
        Event::Upstream(UpstreamEvent::new(
            at,
            "http://127.0.0.1:5000",
            (UpstreamState::Up, UpstreamState::Ejected),
            long,
        )),
        Event::Setup("set a sink"),
        Event::Suppressed(Suppressed {
            events: 1,
            most: Some((network, 1)),
        }),
    ]
}
