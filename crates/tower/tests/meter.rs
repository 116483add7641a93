//! The counts and times that a meter gets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use gabion_core::{
    ClientRules, Denial, Facts, Findings, Inspect, Judgment, Meter, Needs, OnFault, Outcome,
    RequestState, Snapshot, Verdict,
};
use gabion_testkit::{ManualClock, TestRequest};
use gabion_tower::{GuardLayer, guard_layer};
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _, service_fn};

const JUDGING: Duration = Duration::from_micros(20);
const SERVING: Duration = Duration::from_millis(300);
const PROCESSING: Duration = Duration::from_micros(7);

/// An inspector whose work takes time of a manual clock.
struct Slow(Arc<ManualClock>);

impl Inspect for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn needs(&self) -> Needs {
        Needs::RESPONSES
    }

    fn inspect(&self, facts: &Facts<'_>, _: &mut RequestState) -> Verdict {
        self.0.advance(JUDGING);
        match facts.path.raw() {
            b"/deny" => Denial::forbidden("slow", "asked for it").into(),
            b"/panic" => panic!("asked for it"),
            _ => Verdict::Pass,
        }
    }

    fn on_response(&self, _: &RequestState, outcome: &Outcome<'_>, _: &mut Findings) {
        if outcome.denial.is_none() {
            self.0.advance(PROCESSING);
        }
    }
}

/// Times every second request.
#[derive(Default)]
struct Recorded {
    arrived: Mutex<u32>,
    counts: Mutex<Vec<Judgment>>,
    times: Mutex<Vec<(Judgment, Duration)>>,
}

impl Meter for Recorded {
    fn is_timed(&self) -> bool {
        let mut arrived = self.arrived.lock().unwrap();
        *arrived += 1;
        arrived.is_multiple_of(2)
    }

    fn count(&self, judgment: Judgment) {
        self.counts.lock().unwrap().push(judgment);
    }

    fn add_time(&self, judgment: Judgment, added: Duration) {
        self.times.lock().unwrap().push((judgment, added));
    }
}

fn layer(clock: &Arc<ManualClock>, meter: &Arc<Recorded>) -> GuardLayer {
    let mut snapshot = Snapshot::new(ClientRules::default(), Arc::new(Slow(clock.clone())));
    snapshot.on_fault = OnFault::Pass;
    guard_layer(Arc::new(snapshot))
        .with_clock(clock.clone())
        .with_meter(meter.clone())
}

/// Sends one request to a service that takes [`SERVING`].
async fn send(layer: &GuardLayer, clock: &Arc<ManualClock>, path: &str) {
    let service = service_fn(|_: Request<()>| {
        let clock = clock.clone();
        async move {
            clock.advance(SERVING);
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    let TestRequest(request) = path.into();
    layer.layer(service).oneshot(request).await.unwrap();
}

#[tokio::test]
async fn every_request_is_counted_once_by_its_judgment() {
    use Judgment::{Passed, Refused, Unjudged};
    let (clock, meter) = (Arc::new(ManualClock::default()), Arc::<Recorded>::default());
    let layer = layer(&clock, &meter);
    for path in ["/", "/deny", "/panic", "/"] {
        send(&layer, &clock, path).await;
    }
    // A request without a peer address is answered with 503.
    let service = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let unknown = Request::get("/").body(()).unwrap();
    layer.layer(service).oneshot(unknown).await.unwrap();
    let counts = meter.counts.lock().unwrap();
    assert_eq!(*counts, [Passed, Refused, Unjudged, Passed, Refused]);
}

#[tokio::test]
async fn added_time_is_that_of_the_guard_and_not_of_the_service() {
    let (clock, meter) = (Arc::new(ManualClock::default()), Arc::<Recorded>::default());
    let layer = layer(&clock, &meter);
    for path in ["/", "/", "/", "/deny", "/", "/panic"] {
        send(&layer, &clock, path).await;
    }
    let expected = [
        (Judgment::Passed, JUDGING + PROCESSING),
        (Judgment::Refused, JUDGING),
        (Judgment::Unjudged, JUDGING),
    ];
    assert_eq!(
        *meter.times.lock().unwrap(),
        expected,
        "of every second one"
    );
}
