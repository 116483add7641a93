//! A request that waits for its response does not keep a replaced policy in memory. A client decides how long an
//! upload or a gRPC call takes; without this, one that stays for each reload would hold every policy.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use gabion::{
    Facts, Guard, Inspect, RequestState, Verdict,
    inspect::{Findings, Outcome},
};
use gabion_core::PolicySource as _;
use gabion_testkit::TestRequest;
use http::{Request, Response};
use http_body_util::Empty;
use tokio::sync::oneshot;
use tower::{Layer as _, Service as _, service_fn};

const POLICY: &str = "version = 1\n[[deny]]\nid = 'env'\nnames = '.env'\n";

/// Counts inspected responses.
struct CountResponses(Arc<AtomicUsize>);

impl Inspect for CountResponses {
    fn name(&self) -> &'static str {
        "count-responses"
    }

    fn inspect(&self, _: &Facts<'_>, _: &mut RequestState) -> Verdict {
        Verdict::Pass
    }

    fn on_response(&self, _: &RequestState, _: &Outcome<'_>, _: &mut Findings) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sends a request, replaces the policy `replaced` times, and then answers. Before each replacement another
/// request begins to wait. Returns the numbers of policies in memory before the answer, and of inspected responses.
fn waits_for(replaced: usize) -> (usize, usize) {
    let inspected = Arc::<AtomicUsize>::default();
    let rule = CountResponses(Arc::clone(&inspected));
    let builder = Guard::builder().add_rule(rule);
    let guard = builder.with_policy(POLICY, "policy.toml").unwrap();
    let (answer, answered) = oneshot::channel::<()>();
    let mut answered = Some(answered);
    let mut service = guard.layer().layer(service_fn(|_: Request<()>| {
        let answered = answered.take();
        async {
            match answered {
                Some(answered) => answered.await.unwrap(),
                None => std::future::pending().await,
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    }));
    let mut context = Context::from_waker(Waker::noop());
    let mut request = || Box::pin(service.call(TestRequest::get("/upload").method("POST").0));

    let mut first = pin!(request());
    assert!(first.as_mut().poll(&mut context).is_pending());
    let (mut waiting, mut policies) = (Vec::new(), Vec::new());
    for _ in 0..replaced {
        let mut next = request();
        assert!(next.as_mut().poll(&mut context).is_pending());
        waiting.push(next);
        policies.push(Arc::downgrade(&guard.policy_handle().current().chain));
        guard.policy_handle().replace(POLICY).unwrap();
    }
    guard.maintain();
    let in_memory = policies.iter().filter(|old| old.strong_count() > 0).count();

    answer.send(()).unwrap();
    let Poll::Ready(Ok(response)) = first.poll(&mut context) else {
        panic!("no response");
    };
    assert_eq!(response.status(), 200);
    (in_memory, inspected.load(Ordering::Relaxed))
}

#[test]
fn reloads_do_not_fill_the_memory() {
    let (in_memory, _) = waits_for(100);
    assert_eq!(in_memory, 4);
}

/// Offenses and limits by status count in requests that are open during a reload.
#[test]
fn response_after_a_few_reloads_is_inspected() {
    assert_eq!([0, 1, 4].map(|replaced| waits_for(replaced).1), [1, 1, 1]);
    assert_eq!(waits_for(5).1, 0, "its policy is freed");
}
