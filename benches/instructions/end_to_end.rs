//! Rows that measure whole operations: a request, a message, the reload of a policy.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use gabion::{
    BanLayer, DenyLayer, Guard, LimitLayer, ScanLayer,
    ban::Bans,
    inspect::InspectMessage as _,
    inspect::{MessageDenials, MessageFacts, Now},
};
use gabion_benches::{
    PolicyFiles, Rng,
    callgrind::count,
    reference,
    requests::{self, PathKind},
    websocket::{self, PING, TEXT},
};
use gabion_frames::{Limits, MessageDecoding, Negotiated, Observer, Role, Seen};
use gabion_testkit::{ManualClock, client_at, peer};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use tower::{Layer as _, Service, service_fn};

/// The bare service, which does nothing.
pub(crate) fn bare(operations: usize) {
    let clock = ManualClock::default();
    serve(operations, Pages::Different, &clock, service_fn(answer));
}

/// A rate limit per client in front of the bare service, for clients that no proxy forwards: with the fewest
/// facts of a request.
pub(crate) fn limit_per_peer(operations: usize) {
    let clock = Arc::new(ManualClock::default());
    let limit = LimitLayer::per_client("1000000/s".parse().unwrap());
    let service = limit.clock(clock.clone()).layer(service_fn(answer));
    serve_peer(
        operations,
        Pages::Different,
        reference::CLIENT,
        &clock,
        service,
    );
}

/// The bare service behind a guard.
pub(crate) fn chain(operations: usize, pages: Pages) {
    let files = PolicyFiles::new().unwrap().without_bans().unwrap();
    let clock = Arc::new(ManualClock::default());
    let guard = guard(&files, Arc::clone(&clock));
    let service = guard.layer().layer(service_fn(answer));
    serve(operations, pages, &clock, service);
}

/// The pages that a client requests.
#[derive(Clone, Copy)]
pub(crate) enum Pages {
    /// Different ones.
    Different,
    /// One again and again.
    Same,
    /// One that the policy denies.
    Denied,
}

/// A tower layer of one concern.
#[derive(Clone, Copy)]
pub(crate) enum SingleLayer {
    /// A guard whose policy has no rules.
    Empty,
    Ban,
    Deny,
    Limit,
    Scan,
}

/// The bare service behind one layer, for a client that the peer forwards.
pub(crate) fn layer(operations: usize, layer: SingleLayer) {
    let clock = Arc::new(ManualClock::default());
    let (bans, trusted) = (Bans::new(), ["127.0.0.0/8"]);
    let layer = match layer {
        SingleLayer::Empty => {
            let policy = "version = 1\n[client]\ntrusted_proxies = ['127.0.0.0/8']";
            let guard = Guard::builder().with_clock(clock.clone());
            guard.with_policy(policy, "empty").unwrap().layer()
        }
        SingleLayer::Ban => {
            let layer = BanLayer::new(&bans).networks(["198.51.100.0/24"]).unwrap();
            layer.trusted_proxies(trusted).unwrap().build().unwrap()
        }
        SingleLayer::Deny => {
            let layer = DenyLayer::new().extensions(["php"]).names([".env", ".git"]);
            let layer = layer.unwrap().trusted_proxies(trusted).unwrap();
            layer.build().unwrap()
        }
        SingleLayer::Limit => {
            let layer = LimitLayer::per_client("1000000/s".parse().unwrap());
            layer.trusted_proxies(trusted).unwrap().build().unwrap()
        }
        SingleLayer::Scan => {
            let layer = ScanLayer::new(&bans).trusted_proxies(trusted).unwrap();
            layer.build().unwrap()
        }
    };
    let service = layer.with_clock(clock.clone()).layer(service_fn(answer));
    serve(operations, Pages::Different, &clock, service);
}

async fn answer(_: Request<()>) -> Result<Response<Empty<Bytes>>, Infallible> {
    Ok(Response::new(Empty::new()))
}

/// Builds a guard with the reference policy. Valgrind runs 50 times slower, so the compile budget is 1 h.
fn guard(files: &PolicyFiles, clock: Arc<ManualClock>) -> Guard {
    let guard = Guard::builder().with_compile_budget(Duration::from_hours(1));
    let guard = guard.with_clock(clock);
    guard.with_policy_file(files.policy()).unwrap()
}

/// Sends requests of a browser. The clock advances 2 seconds per request, so that the event budget allows
/// an event for each denial.
fn serve<S, B>(operations: usize, pages: Pages, clock: &ManualClock, service: S)
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    serve_peer(operations, pages, "127.0.0.1", clock, service);
}

/// [`serve`] for requests from another address than that of a trusted proxy.
fn serve_peer<S, B>(
    operations: usize,
    pages: Pages,
    address: &str,
    clock: &ManualClock,
    mut service: S,
) where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    let status = match pages {
        Pages::Denied => StatusCode::FORBIDDEN,
        Pages::Different | Pages::Same => StatusCode::OK,
    };
    let mut rng = Rng::new(1);
    let request = |_| {
        let path = match pages {
            Pages::Different => PathKind::Plain.generate(&mut rng),
            Pages::Same => "/articles/topic-17/page-42.html".to_owned(),
            Pages::Denied => "/wp-login.php".to_owned(),
        };
        let page = requests::page(&path).header("x-forwarded-for", reference::CLIENT);
        page.extension(peer(address)).body(()).unwrap()
    };
    let mut requests: Vec<_> = (0..2 * operations).map(request).collect();
    count(operations, || {
        let work = requests.split_off(requests.len() - operations);
        let answers = work.into_iter().filter_map(|request| {
            clock.advance(Duration::from_secs(2));
            service.call(request).now_or_never()
        });
        let statuses = answers.map(|answer| answer.map(|response| response.status()));
        statuses.filter(|found| *found == Ok(status)).count()
    });
}

/// Masked text messages, observed whole and judged by rules.
pub(crate) fn text(operations: usize) {
    let rules = websocket::rules().unwrap();
    let client = client_at(reference::CLIENT);
    let text = websocket::chat(1 << 10);
    observe(
        operations,
        &websocket::frame(TEXT, text.as_bytes()),
        |seen, now| {
            let Seen::Message {
                payload, offset, ..
            } = seen
            else {
                return false;
            };
            let message = MessageFacts {
                client: &client,
                path: "/socket",
                is_text: true,
                payload,
                offset,
                now: Now::new(now, UNIX_EPOCH),
            };
            let mut denials = MessageDenials::default();
            rules.inspect_message(&message, &mut denials);
            !denials.are_final()
        },
    );
}

pub(crate) fn ping(operations: usize) {
    observe(
        operations,
        &websocket::frame(PING, b"still there?"),
        |seen, _| matches!(seen, Seen::Ping(_)),
    );
}

/// Passes `operations` frames to an observer. `is_expected` checks each observation.
fn observe(
    operations: usize,
    frame: &[u8],
    mut is_expected: impl FnMut(Seen<'_>, Duration) -> bool,
) {
    let limits = Arc::new(Limits::new());
    let mut observer = Observer::new(Role::Client, limits, Negotiated::NONE, MessageDecoding::All);
    count(operations, || {
        let expected = (0..operations).filter(|_| {
            let (mut input, mut found) = (frame, false);
            while let Some(step) = observer.watch(&mut input, Duration::ZERO).unwrap() {
                found |= step
                    .seen
                    .is_some_and(|seen| is_expected(seen, Duration::ZERO));
            }
            found
        });
        expected.count()
    });
}

/// Reads, compiles and swaps the reference policy.
pub(crate) fn reload(operations: usize) {
    let files = PolicyFiles::new().unwrap();
    let guard = guard(&files, Arc::default());
    count(operations, || {
        let reloads = (0..operations).map(|_| guard.policy_handle().reload());
        reloads.flatten().count()
    });
}
