//! Requests to which an exact limit applies wait for a decision.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so and stop"
)]

use std::{
    convert::Infallible,
    future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use gabion_core::{ClientRules, Judgment, Meter, Mode, RemoteCheck, RemoteLimits};
use gabion_inspect::{
    Config as _, Context as CompileContext, LimitRule, LimitSharing, LimitTable, State,
};
use gabion_testkit::{ManualClock, Recorder, peer};
use gabion_tower::GuardLayer;
use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use http_body_util::Full;
use tower::{Layer, Service, service_fn};

/// Answers with these waits, once it may.
#[derive(Default)]
struct Remote {
    waits: Vec<Duration>,
    asked: AtomicUsize,
    is_stopped: Mutex<bool>,
}

impl RemoteLimits for Remote {
    fn check(&self, checks: &[RemoteCheck]) -> Pin<Box<dyn Future<Output = Vec<Duration>> + Send>> {
        self.asked.fetch_add(checks.len(), Ordering::Relaxed);
        if *self.is_stopped.lock().unwrap() {
            return Box::pin(future::pending());
        }
        Box::pin(future::ready(self.waits.clone()))
    }
}

fn rule(sharing: LimitSharing, mode: Mode) -> LimitRule {
    LimitRule::new("exact", "9/s".parse().unwrap())
        .shared(sharing)
        .mode(mode)
}

/// Polls one request once. Returns the status and `Retry-After` of the response, if there is one, and whether the inner service's
/// future was polled.
fn poll_once(layer: &GuardLayer) -> (Option<(StatusCode, Option<String>)>, bool) {
    let began = Arc::new(AtomicUsize::new(0));
    let inner = began.clone();
    let service = service_fn(move |_: Request<()>| {
        let began = inner.clone();
        async move {
            began.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("inner"))))
        }
    });
    let request = Request::get("/a").extension(peer("203.0.113.9"));
    let response = layer.layer(service).call(request.body(()).unwrap());
    let response = std::pin::pin!(response);
    let answer = match response.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => {
            let wait = response.headers().get(RETRY_AFTER);
            let wait = wait.map(|wait| wait.to_str().unwrap().to_owned());
            Some((response.status(), wait))
        }
        Poll::Pending => None,
    };
    (answer, began.load(Ordering::Relaxed) > 0)
}

/// Keeps what it counts.
#[derive(Default)]
struct Counted(Mutex<Vec<Judgment>>);

impl Meter for Counted {
    fn is_timed(&self) -> bool {
        false
    }

    fn count(&self, judgment: Judgment) {
        self.0.lock().unwrap().push(judgment);
    }

    fn add_time(&self, _: Judgment, _: Duration) {}
}

struct Guarded {
    layer: GuardLayer,
    recorder: Arc<Recorder>,
}

fn guarded(rule: LimitRule, remote: &Arc<Remote>) -> Guarded {
    let table = Arc::new(LimitTable::new(100));
    table.share_by([1, 2]);
    let context = CompileContext::new(&State::scratch().with_limits(table));
    let recorder = Arc::new(Recorder::default());
    let layer = GuardLayer::new([rule].compile(&context).unwrap(), ClientRules::default())
        .with_clock(Arc::new(ManualClock::default()))
        .with_sink(recorder.clone())
        .with_remote_limits(remote.clone());
    Guarded { layer, recorder }
}

fn waiting(seconds: &[u64]) -> Arc<Remote> {
    Arc::new(Remote {
        waits: seconds.iter().map(|&s| Duration::from_secs(s)).collect(),
        ..Remote::default()
    })
}

#[test]
fn request_is_answered_by_the_decision_and_without_one_passes() {
    for (waits, status, wait) in [
        (&[0][..], StatusCode::OK, None),
        (&[], StatusCode::OK, None),
        (&[7], StatusCode::TOO_MANY_REQUESTS, Some("7".to_owned())),
    ] {
        let remote = waiting(waits);
        let Guarded { layer, recorder } =
            guarded(rule(LimitSharing::Exact, Mode::Enforce), &remote);
        let counted = Arc::new(Counted::default());
        let layer = layer.with_meter(counted.clone());
        let (answer, is_called) = poll_once(&layer);
        assert_eq!(answer, Some((status, wait)), "{waits:?}");
        let judgment = if is_called {
            Judgment::Passed
        } else {
            Judgment::Refused
        };
        assert_eq!(*counted.0.lock().unwrap(), [judgment], "{waits:?}");
        assert_eq!(is_called, status == StatusCode::OK, "{waits:?}");
        assert_eq!(remote.asked.load(Ordering::Relaxed), 1);
        let texts = recorder.take_texts();
        let denied = texts
            .iter()
            .filter(|text| text.contains("denied (429): rule exact"));
        assert_eq!(denied.count(), usize::from(!is_called), "{texts:?}");
    }
}

#[test]
fn inner_service_does_not_begin_before_the_decision() {
    let remote = waiting(&[0]);
    *remote.is_stopped.lock().unwrap() = true;
    let Guarded { layer, .. } = guarded(rule(LimitSharing::Exact, Mode::Enforce), &remote);
    assert_eq!(poll_once(&layer), (None, false));
}

#[test]
fn observed_exact_limit_is_reported_and_passes() {
    let remote = waiting(&[7]);
    let Guarded { layer, recorder } = guarded(rule(LimitSharing::Exact, Mode::Observe), &remote);
    let (answer, is_called) = poll_once(&layer);
    assert_eq!(answer, Some((StatusCode::OK, None)));
    assert!(is_called);
    let texts = recorder.take_texts();
    let is_reported = |text: &String| text.contains("would have been denied (429): rule exact");
    assert!(texts.iter().any(is_reported), "{texts:?}");
}

#[test]
fn request_without_an_exact_limit_does_not_wait() {
    let remote = waiting(&[7]);
    for sharing in [LimitSharing::Approximate, LimitSharing::Off] {
        let Guarded { layer, .. } = guarded(rule(sharing, Mode::Enforce), &remote);
        assert_eq!(poll_once(&layer).0, Some((StatusCode::OK, None)));
    }
    assert_eq!(remote.asked.load(Ordering::Relaxed), 0);
}
