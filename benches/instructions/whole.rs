//! Whole ways: of a request, of a message, of a policy.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use gabion::{
    Guard, Inspect as _,
    inspect::{MessageDenials, MessageFacts, Now},
};
use gabion_benches::{
    Numbers, Written,
    asked::{self, Path},
    reference,
    socket::{self, PING, TEXT},
};
use gabion_frames::{Depth, Limits, Negotiated, Observer, Role, Seen};
use gabion_testkit::{ManualClock, client_at, peer};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use tower::{Layer as _, Service, service_fn};

use crate::callgrind::count;

/// A service that does nothing, by itself.
pub(crate) fn bare(things: usize) {
    let clock = ManualClock::default();
    served(things, Path::Plain, &clock, service_fn(answer));
}

/// The same behind a guard.
pub(crate) fn chain(things: usize, path: Path) {
    let written = Written::new().unwrap();
    let clock = Arc::new(ManualClock::default());
    let guard = guard(&written, Arc::clone(&clock));
    let service = guard.layer().layer(service_fn(answer));
    served(things, path, &clock, service);
}

async fn answer(_: Request<()>) -> Result<Response<Empty<Bytes>>, Infallible> {
    Ok(Response::new(Empty::new()))
}

/// A guard by the reference policy, which may take its time: valgrind takes fifty times as long.
fn guard(written: &Written, clock: Arc<ManualClock>) -> Guard {
    let guard = Guard::builder().with_compile_budget(Duration::from_hours(1));
    let guard = guard.with_clock(clock);
    guard.with_policy_file(written.policy()).unwrap()
}

/// A browser's requests, each two seconds after the one before, so that every denial is told of.
fn served<S, B>(things: usize, path: Path, clock: &ManualClock, mut service: S)
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    let status = match path {
        Path::Denied => StatusCode::FORBIDDEN,
        _ => StatusCode::OK,
    };
    let mut numbers = Numbers::of(1);
    let request = |_| {
        // One path: a scanner that asks for more is banned, and then denied for that.
        let path = match path {
            Path::Denied => "/wp-login.php".to_owned(),
            path => path.draw(&mut numbers),
        };
        let page = asked::page(&path).header("x-forwarded-for", reference::CLIENT);
        page.extension(peer("127.0.0.1")).body(()).unwrap()
    };
    let mut requests: Vec<_> = (0..2 * things).map(request).collect();
    count(things, || {
        let lap = requests.split_off(requests.len() - things);
        let answers = lap.into_iter().filter_map(|request| {
            clock.advance(Duration::from_secs(2));
            service.call(request).now_or_never()
        });
        let statuses = answers.map(|answer| answer.map(|response| response.status()));
        statuses.filter(|found| *found == Ok(status)).count()
    });
}

/// Masked texts, seen whole and judged.
pub(crate) fn text(things: usize) {
    let rules = socket::rules().unwrap();
    let client = client_at(reference::CLIENT);
    let said = socket::chat(1 << 10);
    watched(
        things,
        &socket::frame(TEXT, said.as_bytes()),
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
            let mut objections = MessageDenials::default();
            rules.message(&message, &mut objections);
            !objections.are_final()
        },
    );
}

pub(crate) fn ping(things: usize) {
    watched(things, &socket::frame(PING, b"still there?"), |seen, _| {
        matches!(seen, Seen::Ping(_))
    });
}

/// Has an observer see so many frames, each as it ought to.
fn watched(things: usize, frame: &[u8], mut is_meant: impl FnMut(Seen<'_>, Duration) -> bool) {
    let limits = Arc::new(Limits::new());
    let mut observer = Observer::new(Role::Client, limits, Negotiated::NONE, Depth::Messages);
    count(things, || {
        let as_meant = (0..things).filter(|_| {
            let (mut input, mut found) = (frame, false);
            while let Some(step) = observer.watch(&mut input, Duration::ZERO).unwrap() {
                found |= step.seen.is_some_and(|seen| is_meant(seen, Duration::ZERO));
            }
            found
        });
        as_meant.count()
    });
}

/// Reads, compiles and swaps.
pub(crate) fn reload(things: usize) {
    let written = Written::new().unwrap();
    let guard = guard(&written, Arc::default());
    count(things, || {
        let reloads = (0..things).map(|_| guard.policy_handle().reload());
        reloads.flatten().count()
    });
}
