//! A thousand policy swaps at full load, and some through the file. Every response is that of one
//! whole policy, of the one in force when its request arrived, and none fails.
//!
//! Two policies contradict each other in every section: client, bans, allows and denials. Each of
//! [`KINDS`] is a request whose response depends on two of these sections, so that the response of
//! each whole policy differs from that of every mixture.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use gabion::event::{Event, PolicyEvent, Sink};
use gabion_core::PolicySource as _;
use gabion_testkit::{Backend, RawConnection, TempFolder};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::support::guarded_proxy::{GuardedProxy, builder, rule_of};

const SWAPS: u64 = 1_000;
const FILE_SWAPS: u64 = 20;
const CONNECTIONS: usize = 4;
const SOCKETS: usize = 10;

/// In force at even generations.
const A: &str = "
version = 1
[client]
trusted_proxies = ['127.0.0.0/8']
header = 'x-forwarded-for'
[allow]
paths = ['/gate/']
[ban]
networks = ['203.0.113.2']
[[deny]]
id = 'a-both'
prefix = '/both'
[[deny]]
id = 'a-gate'
prefix = '/gate'
then = '404'
[[deny]]
id = 'a-only'
prefix = '/a'
";

/// In force at odd generations.
const B: &str = "
version = 1
[client]
trusted_proxies = ['127.0.0.0/8']
header = 'forwarded'
[ban]
networks = ['203.0.113.1']
[[deny]]
id = 'b-both'
extensions = ['x']
then = '404'
[[deny]]
id = 'b-gate'
prefix = '/gate'
[[deny]]
id = 'b-only'
prefix = '/b'
[[deny]]
id = 'b-client'
prefix = '/client'
then = '404'
";

/// Targets and the responses of policies A and B. The comments have the response of a mixture.
const KINDS: [(&str, u16, u16); 5] = [
    // Rule a-both or rule b-both; 200 if neither is there.
    ("/both/1.x", 403, 404),
    // A finds the client 203.0.113.1, which only B bans; B finds 203.0.113.2, which only A bans.
    // 403 if the client of one met the bans of the other.
    ("/client", 200, 404),
    // A allows the target that its rule a-gate would answer with 404.
    ("/gate/1", 200, 403),
    // One rule, present or absent.
    ("/a", 403, 200),
    ("/b", 200, 403),
];

/// Both headers, each with the client that the other policy's ban list does not have.
const CLIENTS: &str = "X-Forwarded-For: 203.0.113.1\r\nForwarded: for=203.0.113.2\r\n";

/// The generation that is certainly in force, and the one that may be.
#[derive(Default)]
struct Clock {
    begun: AtomicU64,
    done: AtomicU64,
    over: AtomicBool,
}

/// Counts events, and keeps those that no whole policy can cause.
#[derive(Default)]
struct SwapSink {
    verdicts: [AtomicU64; 2],
    wrong: Mutex<Vec<String>>,
    refused_policies: Mutex<Vec<String>>,
}

/// The results of one connection.
#[derive(Default)]
struct Seen {
    /// Responses that only A, or only B, can give.
    by: [u64; 2],
    /// Those of them that have an event.
    events: [u64; 2],
    /// Requests during which no swap was in progress, so that their policy was known.
    known: u64,
}

impl Sink for SwapSink {
    fn record(&self, event: &Event) {
        if let Event::Policy(PolicyEvent::Kept { why, .. }) = event {
            self.refused_policies.lock().unwrap().push(why.to_string());
        }
        let Event::Request(request) = event else {
            return;
        };
        let side = usize::from(request.generation % 2 == 1);
        self.verdicts[side].fetch_add(1, SeqCst);
        let client = request.client.addr().to_string();
        let rule = rule_of(event).unwrap_or("allow");
        let whole = match side {
            0 => client == "203.0.113.1" && (rule.starts_with("a-") || rule == "allow"),
            _ => client == "203.0.113.2" && rule.starts_with("b-"),
        };
        if !whole {
            let generation = request.generation;
            self.wrong
                .lock()
                .unwrap()
                .push(format!("generation {generation}: {event}"));
        }
    }
}

#[tokio::test]
async fn every_response_is_that_of_one_whole_policy() {
    let backend = Arc::new(Backend::start().await);
    let folder = TempFolder::new("policy_swaps_under_load");
    let file = folder.write("policy.toml", A);
    let sink = Arc::new(SwapSink::default());
    let guard = builder(sink.clone()).with_policy_file(&file).unwrap();
    let proxy = GuardedProxy::start(&backend.url(), guard);
    let clock = Arc::new(Clock::default());

    let load: Vec<_> = (0..CONNECTIONS)
        .map(|_| tokio::spawn(request(proxy.addr(), Arc::clone(&clock))))
        .collect();
    let sockets: Vec<_> = (0..SOCKETS)
        .map(|nth| tokio::spawn(echo(proxy.addr(), nth, Arc::clone(&clock))))
        .collect();
    let forget = tokio::spawn(forget(Arc::clone(&backend), Arc::clone(&clock)));

    let begun = Instant::now();
    swap_in_memory(&proxy, &clock).await;
    let in_memory = begun.elapsed();
    let begun = Instant::now();
    swap_through_the_file(&proxy, &clock, &folder).await;
    let through_the_file = begun.elapsed();
    clock.over.store(true, SeqCst);

    let (mut by, mut expected, mut known) = ([0, 0], [0, 0], 0);
    for load in load {
        let seen: Seen = load.await.unwrap();
        by = [by[0] + seen.by[0], by[1] + seen.by[1]];
        expected = [expected[0] + seen.events[0], expected[1] + seen.events[1]];
        known += seen.known;
    }
    let mut echoes = 0;
    for socket in sockets {
        echoes += socket.await.unwrap();
    }
    forget.await.unwrap();
    let events = [sink.verdicts[0].load(SeqCst), sink.verdicts[1].load(SeqCst)];
    println!(
        "{SWAPS} swaps in {:.1} s and {FILE_SWAPS} through the file in {:.1} s: {} requests, {} by policy A, \
         {} by policy B, {known} of them with no swap under way, 0 failed, 0 by a mixture; \
         {SOCKETS} WebSockets, {echoes} echoes, 0 broken; events of A {}, of B {}",
        in_memory.as_secs_f32(),
        through_the_file.as_secs_f32(),
        by[0] + by[1],
        by[0],
        by[1],
        events[0],
        events[1],
    );
    assert_eq!(events, expected, "each verdict except a pass is one event");
    assert_eq!(*sink.wrong.lock().unwrap(), [""; 0]);
    assert_eq!(*sink.refused_policies.lock().unwrap(), [""; 0]);
    assert!(
        by.iter().all(|&count| count > 1_000) && known > 1_000,
        "too few requests"
    );
    assert!(
        echoes > 100 * u64::try_from(SOCKETS).unwrap(),
        "the WebSockets idled"
    );
    assert_eq!(
        proxy.guard().policy_handle().current().generation,
        SWAPS + FILE_SWAPS
    );
}

/// The policy of a generation.
fn in_force_at(generation: u64) -> &'static str {
    if generation.is_multiple_of(2) { A } else { B }
}

/// Swaps at a steady rate: over a minute if `GABION_FULL` is set, otherwise over six seconds.
#[expect(
    clippy::disallowed_methods,
    reason = "the environment sets the duration of the test"
)]
async fn swap_in_memory(proxy: &GuardedProxy, clock: &Clock) {
    let full = std::env::var_os("GABION_FULL").is_some();
    let pause = Duration::from_millis(if full { 60 } else { 6 });
    let begun = Instant::now();
    for generation in 1..=SWAPS {
        clock.begun.store(generation, SeqCst);
        let document = in_force_at(generation);
        let live = proxy.guard().policy_handle().clone();
        let swap = tokio::task::spawn_blocking(move || live.replace(document));
        let replaced = swap.await.unwrap().unwrap();
        assert_eq!(replaced.generation, generation);
        clock.done.store(generation, SeqCst);
        let due = begun + pause * u32::try_from(generation).unwrap();
        tokio::time::sleep_until(due).await;
    }
}

/// Alternates between writing the file in place and renaming another file over it.
async fn swap_through_the_file(proxy: &GuardedProxy, clock: &Clock, folder: &TempFolder) {
    let _watch = proxy.guard().watch().unwrap();
    for generation in SWAPS + 1..=SWAPS + FILE_SWAPS {
        clock.begun.store(generation, SeqCst);
        let document = in_force_at(generation);
        if generation % 4 < 2 {
            folder.write("policy.toml", document);
        } else {
            folder.replace("policy.toml", document);
        }
        let live = proxy.guard().policy_handle();
        let taken = async {
            while live.current().generation < generation {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(20), taken)
            .await
            .expect("the file is taken up");
        clock.done.store(generation, SeqCst);
        sleep(Duration::from_millis(50)).await;
    }
}

/// Requests one target after another on one connection, until the end of the test.
async fn request(addr: std::net::SocketAddr, clock: Arc<Clock>) -> Seen {
    let mut connection = RawConnection::connect(addr).await;
    let mut seen = Seen::default();
    for &(target, by_a, by_b) in KINDS.iter().cycle() {
        if clock.over.load(SeqCst) {
            break;
        }
        let earliest = clock.done.load(SeqCst);
        let answer = connection.get(target, CLIENTS).await;
        let latest = clock.begun.load(SeqCst);
        let status = answer
            .unwrap_or_else(|| panic!("{target}: no answer"))
            .status
            .as_u16();
        assert!(
            [by_a, by_b].contains(&status),
            "{target} answered {status}: neither A ({by_a}) nor B ({by_b}), generation {earliest} to {latest}"
        );
        if earliest == latest {
            let whole = [by_a, by_b][usize::from(latest % 2 == 1)];
            assert_eq!(status, whole, "{target} by another policy than {latest}");
            seen.known += 1;
        }
        let side = usize::from(status == by_b);
        seen.by[side] += 1;
        // Refused requests, and those that A allows.
        seen.events[side] += u64::from(status != 200 || target == "/gate/1");
    }
    seen
}

/// Echoes messages through one WebSocket until the end of the test, then closes it.
async fn echo(addr: std::net::SocketAddr, nth: usize, clock: Arc<Clock>) -> u64 {
    let (mut socket, _) = connect_async(format!("ws://{addr}/ws/{nth}"))
        .await
        .unwrap();
    let mut echoes = 0;
    while !clock.over.load(SeqCst) {
        let message = Message::text(format!("socket {nth}, message {echoes}"));
        socket.send(message.clone()).await.unwrap();
        let back = timeout(Duration::from_secs(15), socket.next()).await;
        assert_eq!(back.expect("an echo in 15 s").unwrap().unwrap(), message);
        echoes += 1;
        sleep(Duration::from_millis(20)).await;
    }
    socket.close(None).await.unwrap();
    let last = timeout(Duration::from_secs(15), socket.next())
        .await
        .unwrap();
    assert!(
        matches!(last, Some(Ok(Message::Close(_)))),
        "closed in order: {last:?}"
    );
    echoes
}

/// Empties the record of the backend, to bound its memory.
async fn forget(backend: Arc<Backend>, clock: Arc<Clock>) {
    while !clock.over.load(SeqCst) {
        backend.take();
        sleep(Duration::from_millis(100)).await;
    }
}
