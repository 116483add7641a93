//! The wall around any service: what passes, what is answered, what is told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

use std::{
    cell::Cell,
    future::{Ready, ready},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use gabion_core::{
    BanChange, BanOutcome, Cause, ClientIp, ClientRules, Denial, Event, Facts, Inspect, Mode, Now,
    Offense, OffenseRecorder, OnFault, Outcome, Reason, RequestEventKind, RequestState, RuleId,
    Snapshot, Verdict,
};
use gabion_testkit::{ManualClock, Recorder, peer};
use gabion_tower::{GuardLayer, guard_layer};
use http::{Request, Response, StatusCode, header::CONNECTION};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt};

/// Says what its paths ask for.
struct Obeys;

impl Inspect for Obeys {
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
            b"/allow" => Verdict::Allow(Cause::new(RuleId::builtin("obeys"), Reason::Prefix)),
            b"/ban" => denial.with_offense(minute()).into(),
            b"/panic" => panic!("at the disco"),
            _ => Verdict::Pass,
        }
    }

    fn on_response(&self, _trace: &RequestState, outcome: &Outcome<'_>) -> Option<Offense> {
        (outcome.status == StatusCode::NOT_FOUND).then(minute)
    }
}

fn minute() -> Offense {
    Offense::certain(RuleId::builtin("obeys"), Duration::from_mins(1))
}

struct NoRoom;

impl OffenseRecorder for NoRoom {
    fn record_offense(&self, _: &ClientIp, _: &Offense, _: Now) -> BanOutcome {
        let evicted = Some("198.51.100.1/32".parse().unwrap());
        BanOutcome::Banned { evicted }
    }
}

/// A service that is not `Clone`, whose error is its own, and that counts.
struct Counts {
    ready: Rc<Cell<u32>>,
    calls: Rc<Cell<u32>>,
    status: StatusCode,
}

#[derive(Debug, PartialEq)]
struct OwnError;

impl Service<Request<()>> for Counts {
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

struct Wall {
    layer: GuardLayer,
    told: Arc<Recorder>,
    calls: Rc<Cell<u32>>,
    ready: Rc<Cell<u32>>,
    status: StatusCode,
}

impl Wall {
    fn new() -> Self {
        Self::by(GuardLayer::new(Obeys, ClientRules::default()))
    }

    fn by(layer: GuardLayer) -> Self {
        let told = Arc::new(Recorder::default());
        Self {
            layer: layer
                .with_sink(told.clone())
                .with_clock(Arc::new(ManualClock::default())),
            told,
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
        let service = self.layer.layer(Counts {
            ready: self.ready.clone(),
            calls: self.calls.clone(),
            status: self.status,
        });
        service.oneshot(request).await
    }
}

fn get(path: &str) -> Request<()> {
    Request::get(path)
        .header("host", "a")
        .extension(peer("203.0.113.9"))
        .body(())
        .unwrap()
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "compared with what a service answers"
)]
fn inner() -> Result<(u16, String), OwnError> {
    Ok((200, "inner".to_owned()))
}

#[tokio::test]
async fn pass_reaches_the_service_unchanged_and_untold() {
    let wall = Wall::new();
    assert_eq!(wall.send(get("/")).await, inner());
    assert_eq!((wall.calls.get(), wall.ready.get()), (1, 1));
    assert!(wall.told.take().is_empty());
}

#[tokio::test]
async fn denial_is_answered_in_the_service_s_place_and_told() {
    let wall = Wall::new();
    let (status, words) = wall.send(get("/deny")).await.unwrap();
    assert_eq!(status, 403);
    assert!(words.starts_with("Forbidden\nevent "), "{words}");
    assert_eq!(wall.calls.get(), 0);
    let words = "203.0.113.9 GET /deny denied (403): rule obeys: asked for it: `/deny`";
    assert_eq!(wall.told.take_words(), [words]);
}

#[tokio::test]
async fn observed_denials_are_told_and_pass() {
    let wall = Wall::new();
    for path in ["/would", "/noted"] {
        assert_eq!(wall.send(get(path)).await, inner());
        let words = wall.told.take_words();
        assert_eq!(words.len(), 1, "{words:?}");
        assert!(
            words[0].contains("would have been denied (403)"),
            "{words:?}"
        );
    }
}

#[tokio::test]
async fn allow_is_told_and_passes() {
    let wall = Wall::new();
    assert_eq!(wall.send(get("/allow")).await, inner());
    assert!(
        matches!(&wall.told.take()[..], [Event::Request(event)] if matches!(event.kind, RequestEventKind::Allowed(_)))
    );
}

#[tokio::test]
async fn error_of_the_service_is_its_own() {
    assert_eq!(Wall::new().send(get("/error")).await, Err(OwnError));
}

#[tokio::test]
async fn panic_is_contained_and_answered_by_on_fault() {
    for (on_fault, answer) in [
        (OnFault::Refuse, Ok((503, "Service Unavailable".to_owned()))),
        (OnFault::Pass, inner()),
    ] {
        let policy = Snapshot::new(ClientRules::default(), Arc::new(Obeys)).with_on_fault(on_fault);
        let wall = Wall::by(guard_layer(Arc::new(policy)));
        assert_eq!(wall.send(get("/panic")).await, answer);
        assert_eq!(
            wall.told.take_words(),
            ["203.0.113.9 GET /panic panic while handling the request: at the disco"]
        );
        assert_eq!(
            wall.send(get("/")).await,
            inner(),
            "the next request is served"
        );
    }
}

#[tokio::test]
async fn missing_peer_is_refused_and_the_fix_named() {
    let wall = Wall::new();
    let request = Request::get("/").body(()).unwrap();
    assert_eq!(wall.send(request).await.unwrap().0, 503);
    assert!(matches!(&wall.told.take()[..], [Event::Setup(fix)] if fix.contains("PeerAddr")));
}

#[tokio::test]
async fn refused_upgrade_closes_its_connection() {
    let wall = Wall::new();
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
    let refused = wall.response(upgrade("/deny")).await.unwrap();
    assert_eq!(refused.headers()[CONNECTION], "close");
    let refused = wall.response(get("/deny")).await.unwrap();
    assert_eq!(
        refused.headers().get(CONNECTION),
        None,
        "plain HTTP goes on"
    );
}

#[tokio::test]
async fn reply_is_replaceable() {
    let layer = GuardLayer::new(Obeys, ClientRules::default());
    let wall = Wall::by(layer.with_reply(|denial: &Denial, facts: &Facts<'_>| {
        let words = format!("{} {}", facts.client, denial.cause.rule);
        Response::builder()
            .status(404)
            .body(Bytes::from(words))
            .unwrap()
    }));
    assert_eq!(
        wall.send(get("/deny")).await,
        Ok((404, "203.0.113.9 obeys".to_owned()))
    );
}

#[tokio::test]
async fn client_is_handed_over_on_request_only() {
    let handed = |layer: GuardLayer| async move {
        let response = Wall::by(layer).response(get("/")).await.unwrap();
        *response.extensions().get::<Option<ClientIp>>().unwrap()
    };
    let layer = GuardLayer::new(Obeys, ClientRules::default());
    assert_eq!(handed(layer.clone()).await, None);
    let client = handed(layer.insert_client_extension()).await.unwrap();
    assert_eq!(client.to_string(), "203.0.113.9");
}

#[tokio::test]
async fn offense_bans_and_a_full_table_says_who_gave_way() {
    let changes = |wall: &Wall| {
        let of = |event| match event {
            Event::Ban(event) => Some(event.change),
            _ => None,
        };
        wall.told
            .take()
            .into_iter()
            .filter_map(of)
            .collect::<Vec<_>>()
    };
    let gone = BanChange::Evicted("198.51.100.1/32".parse().unwrap());
    let mut wall =
        Wall::by(GuardLayer::new(Obeys, ClientRules::default()).with_bans(Arc::new(NoRoom)));
    wall.send(get("/ban")).await.unwrap();
    assert_eq!(changes(&wall), std::slice::from_ref(&gone));
    wall.status = StatusCode::NOT_FOUND;
    wall.send(get("/")).await.unwrap();
    assert_eq!(
        changes(&wall),
        [gone],
        "an offense that was learned from the answer"
    );
}

#[tokio::test]
async fn who_is_exempt_is_never_banned() {
    let wall = Wall::by(GuardLayer::new(Obeys, ClientRules::default()).with_bans(Arc::new(NoRoom)));
    for addr in ["127.0.0.1", "10.0.0.1", "::1", "fd00::1"] {
        let mut request = get("/ban");
        request.extensions_mut().insert(peer(addr));
        assert_eq!(
            wall.send(request).await.unwrap().0,
            403,
            "denied all the same"
        );
        let words = wall.told.take_words();
        assert!(words[1].contains("not banned (rule obeys)"), "{words:?}");
    }
}

#[tokio::test]
async fn client_is_told_the_event_and_nothing_more() {
    let wall = Wall::new();
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
        let response = wall.response(request).await.unwrap();
        assert_eq!(response.headers()["content-type"], kind, "{accept}");
        let denial = response.extensions().get::<Denial>().unwrap();
        let event = denial.event.unwrap().to_string();
        let told = wall.told.take();
        assert!(matches!(&told[..], [Event::Request(told)]
            if matches!(&told.kind, RequestEventKind::Denied(told) if told.event == denial.event)));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.len() < 300);
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains(&event), "{body}");
        assert!(!body.contains("obeys") && !body.contains("asked"), "{body}");
    }
}

#[tokio::test]
async fn truce_makes_everything_observe_and_ends() {
    let clock = Arc::new(ManualClock::default());
    let observe_override = gabion_tower::ObserveOverride::default();
    let layer = GuardLayer::new(Obeys, ClientRules::default()).with_bans(Arc::new(NoRoom));
    let mut wall = Wall::by(layer.with_observe_override(observe_override.clone()));
    wall.layer = wall.layer.with_clock(clock.clone());
    observe_override.start(gabion_tower::Clock::now(&*clock), Duration::from_mins(10));
    assert_eq!(wall.send(get("/ban")).await, inner());
    let words = wall.told.take_words();
    assert_eq!(words.len(), 1, "told, and no ban: {words:?}");
    assert!(
        words[0].contains("would have been denied (403)"),
        "{words:?}"
    );
    clock.advance(Duration::from_mins(10));
    assert_eq!(wall.send(get("/ban")).await.unwrap().0, 403);
}

#[tokio::test]
async fn untrusted_balancer_is_told_once_a_minute_with_the_line_to_add() {
    let clock = Arc::new(ManualClock::default());
    let mut wall = Wall::new();
    wall.layer = wall.layer.with_clock(clock.clone());
    let behind = || {
        let mut request = get("/");
        request.extensions_mut().insert(peer("10.0.3.7"));
        request
            .headers_mut()
            .insert("x-forwarded-for", "203.0.113.9".parse().unwrap());
        request
    };
    for _ in 0..3 {
        wall.send(behind()).await.unwrap();
    }
    let words = wall.told.take_words();
    assert_eq!(words.len(), 1, "{words:?}");
    assert!(
        words[0].contains("trusted_proxies = [\"10.0.3.7\"]"),
        "{words:?}"
    );
    clock.advance(Duration::from_mins(1));
    wall.send(behind()).await.unwrap();
    assert_eq!(wall.told.take().len(), 1);
}
