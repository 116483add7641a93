//! The guard around any service: passes, responses and events.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

use std::{
    cell::Cell,
    future::{Future as _, Ready, pending, ready},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use gabion_core::{
    BanChange, BanOutcome, Cause, ClientIp, ClientRules, Denial, Event, Facts, Findings, Inspect,
    Mode, Now, Offense, OffenseRecorder, OnFault, Outcome, Placement, Reason, RequestEventKind,
    RequestState, RuleId, Snapshot, Verdict,
};
use gabion_testkit::{ManualClock, Recorder, TestRequest, peer};
use gabion_tower::{GuardLayer, guard_layer};
use http::{Request, Response, StatusCode, header::CONNECTION};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn};

/// Returns the verdict that the path names.
struct ByPath;

impl Inspect for ByPath {
    fn name(&self) -> &'static str {
        "obeys"
    }

    fn inspect(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        let denial = Denial::forbidden("obeys", "asked for it").with_evidence(facts.path.raw());
        match facts.path.raw() {
            b"/deny" => denial.into(),
            b"/would" => denial.with_mode(Mode::Observe).into(),
            b"/noted" => {
                state.observe(denial.with_mode(Mode::Observe));
                Verdict::Pass
            }
            b"/allow" => Verdict::allow(Cause::new(RuleId::builtin("obeys"), Reason::Prefix)),
            b"/ban" => denial.with_offense(minute()).into(),
            b"/panic" => panic!("at the disco"),
            _ => Verdict::Pass,
        }
    }

    fn on_response(&self, _: &RequestState, outcome: &Outcome<'_>, findings: &mut Findings) {
        if outcome.status == StatusCode::NOT_FOUND {
            findings.report_offense(minute());
        }
    }
}

/// Observes one denial, then returns another.
struct ObservedThenDenied;

impl Inspect for ObservedThenDenied {
    fn name(&self) -> &'static str {
        "both"
    }

    fn inspect(&self, _facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        let denial = Denial::forbidden("both", "denied twice");
        state.observe(denial.clone().with_mode(Mode::Observe));
        denial.into()
    }
}

fn minute() -> Offense {
    Offense::certain(RuleId::builtin("obeys"), Duration::from_mins(1))
}

struct FullTable;

impl OffenseRecorder for FullTable {
    fn record_offense(&self, _: &ClientIp, _: &Offense, _: Now) -> BanOutcome {
        let evicted = Some("198.51.100.1/32".parse().unwrap());
        BanOutcome::Banned(Placement::new(Duration::from_mins(1)).with_evicted(evicted))
    }
}

/// A counting service that is not `Clone` and has its own error type.
struct Counting {
    ready: Rc<Cell<u32>>,
    calls: Rc<Cell<u32>>,
    status: StatusCode,
}

#[derive(Debug, PartialEq)]
struct OwnError;

impl Service<Request<()>> for Counting {
    type Response = Response<Full<Bytes>>;
    type Error = OwnError;
    type Future = Ready<Result<Self::Response, OwnError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OwnError>> {
        self.ready.set(self.ready.get() + 1);
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        self.calls.set(self.calls.get() + 1);
        if request.uri().path() == "/error" {
            return ready(Err(OwnError));
        }
        let mut response = Response::new(Full::from("inner"));
        *response.status_mut() = self.status;
        response
            .extensions_mut()
            .insert(request.extensions().get::<ClientIp>().copied());
        ready(Ok(response))
    }
}

struct Guarded {
    layer: GuardLayer,
    events: Arc<Recorder>,
    calls: Rc<Cell<u32>>,
    ready: Rc<Cell<u32>>,
    status: StatusCode,
}

impl Guarded {
    fn new() -> Self {
        Self::with_layer(GuardLayer::new(ByPath, ClientRules::default()))
    }

    fn with_layer(layer: GuardLayer) -> Self {
        let events = Arc::new(Recorder::default());
        Self {
            layer: layer
                .with_sink(events.clone())
                .with_clock(Arc::new(ManualClock::default())),
            events,
            calls: Rc::default(),
            ready: Rc::default(),
            status: StatusCode::OK,
        }
    }

    async fn send(&self, request: Request<()>) -> Result<(u16, String), OwnError> {
        let (parts, body) = self.response(request).await?.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Ok((
            parts.status.as_u16(),
            String::from_utf8_lossy(&body).into_owned(),
        ))
    }

    async fn response(
        &self,
        request: Request<()>,
    ) -> Result<Response<gabion_tower::GuardBody<Full<Bytes>>>, OwnError> {
        let service = self.layer.layer(Counting {
            ready: self.ready.clone(),
            calls: self.calls.clone(),
            status: self.status,
        });
        service.oneshot(request).await
    }
}

fn get(path: &str) -> Request<()> {
    TestRequest::get(path).0
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "compared with the result of a service"
)]
fn inner() -> Result<(u16, String), OwnError> {
    Ok((200, "inner".to_owned()))
}

#[tokio::test]
async fn pass_reaches_the_service_unchanged_without_an_event() {
    let guarded = Guarded::new();
    assert_eq!(guarded.send(get("/")).await, inner());
    assert_eq!((guarded.calls.get(), guarded.ready.get()), (1, 1));
    assert!(guarded.events.take().is_empty());
}

#[tokio::test]
async fn denial_is_answered_instead_of_the_service_and_is_an_event() {
    let guarded = Guarded::new();
    let (status, texts) = guarded.send(get("/deny")).await.unwrap();
    assert_eq!(status, 403);
    assert!(texts.starts_with("Forbidden\nevent "), "{texts}");
    assert_eq!(guarded.calls.get(), 0);
    let texts = "203.0.113.9 GET \"/deny\" denied (403): rule obeys: asked for it: `/deny`";
    assert_eq!(guarded.events.take_texts(), [texts]);
}

#[tokio::test]
async fn observed_denials_are_events_and_pass() {
    let guarded = Guarded::new();
    for path in ["/would", "/noted"] {
        assert_eq!(guarded.send(get(path)).await, inner());
        let texts = guarded.events.take_texts();
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert!(
            texts[0].contains("would have been denied (403)"),
            "{texts:?}"
        );
        assert!(texts[0].ends_with("; the server answered 200"), "{texts:?}");
    }
}

#[tokio::test]
async fn observed_denial_is_reported_also_if_the_service_never_answers() {
    let guarded = Guarded::new();
    let service = guarded.layer.layer(service_fn(|_: Request<()>| {
        pending::<Result<Response<Full<Bytes>>, OwnError>>()
    }));
    let mut response = Box::pin(service.oneshot(get("/would")));
    let polled = response
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    assert!(
        guarded.events.take().is_empty(),
        "the response is not known"
    );
    // The client hangs up.
    drop(response);
    let texts = guarded.events.take_texts();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].contains("would have been denied (403)") && !texts[0].contains("answered"));
}

#[tokio::test]
async fn observed_denial_is_reported_without_an_answer_where_another_rule_denies() {
    let guarded = Guarded::with_layer(GuardLayer::new(ObservedThenDenied, ClientRules::default()));
    assert_eq!(guarded.send(get("/")).await.unwrap().0, 403);
    let texts = guarded.events.take_texts();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].contains("would have been denied") && !texts[0].contains("answered"));
    assert!(texts[1].contains(" denied (403)"), "{texts:?}");
}

#[tokio::test]
async fn allow_is_an_event_and_passes() {
    let guarded = Guarded::new();
    assert_eq!(guarded.send(get("/allow")).await, inner());
    assert!(
        matches!(&guarded.events.take()[..], [Event::Request(event)] if matches!(event.kind, RequestEventKind::Allowed(_)))
    );
}

#[tokio::test]
async fn error_of_the_service_is_unchanged() {
    assert_eq!(Guarded::new().send(get("/error")).await, Err(OwnError));
}

#[tokio::test]
async fn panic_is_contained_and_handled_by_on_fault() {
    for (on_fault, answer) in [
        (OnFault::Refuse, Ok((503, "Service Unavailable".to_owned()))),
        (OnFault::Pass, inner()),
    ] {
        let policy =
            Snapshot::new(ClientRules::default(), Arc::new(ByPath)).with_on_fault(on_fault);
        let guarded = Guarded::with_layer(guard_layer(Arc::new(policy)));
        assert_eq!(guarded.send(get("/panic")).await, answer);
        assert_eq!(
            guarded.events.take_texts(),
            ["203.0.113.9 GET \"/panic\" panic while handling the request: \"at the disco\""]
        );
        assert_eq!(
            guarded.send(get("/")).await,
            inner(),
            "the next request is served"
        );
    }
}

#[tokio::test]
async fn missing_peer_is_refused_with_a_fix() {
    let guarded = Guarded::new();
    let request = Request::get("/").body(()).unwrap();
    assert_eq!(guarded.send(request).await.unwrap().0, 503);
    assert!(matches!(&guarded.events.take()[..], [Event::Setup(fix)] if fix.contains("PeerAddr")));
}

#[tokio::test]
async fn refused_upgrade_closes_its_connection() {
    let guarded = Guarded::new();
    let upgrade = |path| {
        let mut request = get(path);
        request
            .headers_mut()
            .insert("upgrade", "websocket".parse().unwrap());
        request
            .headers_mut()
            .insert("connection", "upgrade".parse().unwrap());
        request
    };
    let refused = guarded.response(upgrade("/deny")).await.unwrap();
    assert_eq!(refused.headers()[CONNECTION], "close");
    let refused = guarded.response(get("/deny")).await.unwrap();
    assert_eq!(
        refused.headers().get(CONNECTION),
        None,
        "plain HTTP goes on"
    );
}

#[tokio::test]
async fn reply_is_replaceable() {
    let layer = GuardLayer::new(ByPath, ClientRules::default());
    let guarded = Guarded::with_layer(layer.with_reply(|denial: &Denial, facts: &Facts<'_>| {
        let texts = format!("{} {}", facts.client, denial.cause.rule);
        Response::builder()
            .status(404)
            .body(Bytes::from(texts))
            .unwrap()
    }));
    assert_eq!(
        guarded.send(get("/deny")).await,
        Ok((404, "203.0.113.9 obeys".to_owned()))
    );
}

#[tokio::test]
async fn client_extension_is_opt_in() {
    let handed = |layer: GuardLayer| async move {
        let response = Guarded::with_layer(layer).response(get("/")).await.unwrap();
        *response.extensions().get::<Option<ClientIp>>().unwrap()
    };
    let layer = GuardLayer::new(ByPath, ClientRules::default());
    assert_eq!(handed(layer.clone()).await, None);
    let client = handed(layer.insert_client_extension()).await.unwrap();
    assert_eq!(client.to_string(), "203.0.113.9");
}

#[tokio::test]
async fn offense_bans_and_a_full_table_reports_the_eviction() {
    let changes = |guarded: &Guarded| {
        let of = |event| match event {
            Event::Ban(event) => Some(event.change),
            _ => None,
        };
        guarded
            .events
            .take()
            .into_iter()
            .filter_map(of)
            .collect::<Vec<_>>()
    };
    let gone = BanChange::Evicted("198.51.100.1/32".parse().unwrap());
    let mut guarded = Guarded::with_layer(
        GuardLayer::new(ByPath, ClientRules::default()).with_bans(Arc::new(FullTable)),
    );
    guarded.send(get("/ban")).await.unwrap();
    assert_eq!(changes(&guarded), std::slice::from_ref(&gone));
    guarded.status = StatusCode::NOT_FOUND;
    guarded.send(get("/")).await.unwrap();
    assert_eq!(changes(&guarded), [gone], "an offense from `on_response`");
}

#[tokio::test]
async fn exempt_client_is_never_banned() {
    let guarded = Guarded::with_layer(
        GuardLayer::new(ByPath, ClientRules::default()).with_bans(Arc::new(FullTable)),
    );
    for addr in ["127.0.0.1", "10.0.0.1", "::1", "fd00::1"] {
        let mut request = get("/ban");
        request.extensions_mut().insert(peer(addr));
        assert_eq!(
            guarded.send(request).await.unwrap().0,
            403,
            "denied but not banned"
        );
        let texts = guarded.events.take_texts();
        assert!(texts[1].contains("not banned (rule obeys)"), "{texts:?}");
    }
}

#[tokio::test]
async fn denial_body_has_the_event_id_and_no_rule() {
    let guarded = Guarded::new();
    for (accept, kind) in [
        ("*/*", "text/plain; charset=utf-8"),
        ("text/html,application/json", "text/plain; charset=utf-8"),
        ("application/json", "application/json"),
        ("application/problem+json;q=0.9, */*", "application/json"),
    ] {
        let mut request = get("/deny");
        request
            .headers_mut()
            .insert("accept", accept.parse().unwrap());
        let response = guarded.response(request).await.unwrap();
        assert_eq!(response.headers()["content-type"], kind, "{accept}");
        let denial = response.extensions().get::<Denial>().unwrap();
        let event = denial.event.unwrap().to_string();
        let events = guarded.events.take();
        assert!(matches!(&events[..], [Event::Request(events)]
            if matches!(&events.kind, RequestEventKind::Denied(events) if events.event == denial.event)));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.len() < 300);
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains(&event), "{body}");
        assert!(!body.contains("obeys") && !body.contains("asked"), "{body}");
    }
}

#[tokio::test]
async fn observe_override_observes_everything_and_ends() {
    let clock = Arc::new(ManualClock::default());
    let observe_override = gabion_tower::ObserveOverride::default();
    let layer = GuardLayer::new(ByPath, ClientRules::default()).with_bans(Arc::new(FullTable));
    let mut guarded = Guarded::with_layer(layer.with_observe_override(observe_override.clone()));
    guarded.layer = guarded.layer.with_clock(clock.clone());
    observe_override.start(gabion_tower::Clock::now(&*clock), Duration::from_mins(10));
    assert_eq!(guarded.send(get("/ban")).await, inner());
    let texts = guarded.events.take_texts();
    assert_eq!(texts.len(), 1, "an event and no ban: {texts:?}");
    assert!(
        texts[0].contains("would have been denied (403)"),
        "{texts:?}"
    );
    clock.advance(Duration::from_mins(10));
    assert_eq!(guarded.send(get("/ban")).await.unwrap().0, 403);
}

#[tokio::test]
async fn untrusted_balancer_is_reported_once_per_minute_with_the_line_to_add() {
    let clock = Arc::new(ManualClock::default());
    let mut guarded = Guarded::new();
    guarded.layer = guarded.layer.with_clock(clock.clone());
    let behind = || {
        let mut request = get("/");
        request.extensions_mut().insert(peer("10.0.3.7"));
        request
            .headers_mut()
            .insert("x-forwarded-for", "203.0.113.9".parse().unwrap());
        request
    };
    for _ in 0..3 {
        guarded.send(behind()).await.unwrap();
    }
    let texts = guarded.events.take_texts();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(
        texts[0].contains("trusted_proxies = [\"10.0.3.7\"]"),
        "{texts:?}"
    );
    clock.advance(Duration::from_mins(1));
    guarded.send(behind()).await.unwrap();
    assert_eq!(guarded.events.take().len(), 1);
}
