//! A thousand swaps at full load, and some through the file: every response is that of one whole
//! policy, of the one in force when its request came, and nothing fails.
//!
//! Two policies contradict each other in every part that they have: how the client is found, who is
//! banned, what is allowed, what is denied. Each of [`KINDS`] is a request whose answer rests on two
//! of these parts, so that the answer of each whole policy differs from that of every mixture.

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use gabion::{Event, Sink, event::PolicyEvent};
use gabion_core::PolicySource as _;
use gabion_testkit::{Backend, Wire};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::support::{
    in_process::Folder,
    sockets::{Front, builder, rule_of},
};

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

/// Targets, and how policies A and B answer them: what a mixture would answer.
const KINDS: [(&str, u16, u16); 5] = [
    // Rule a-both, or rule b-both; 200 if neither is there.
    ("/both/1.x", 403, 404),
    // A finds the client 203.0.113.1, whom only B bans; B finds 203.0.113.2, whom only A bans: 403
    // if the one's client met the other's bans.
    ("/client", 200, 404),
    // A allows what its rule a-gate would answer with 404.
    ("/gate/1", 200, 403),
    // One rule, there or not.
    ("/a", 403, 200),
    ("/b", 200, 403),
];

/// Both headers, each naming the client that the other policy's ban list does not hold.
const CLIENTS: &str = "X-Forwarded-For: 203.0.113.1\r\nForwarded: for=203.0.113.2\r\n";

/// Generations: of which it is certain that they are in force, and that they may be.
#[derive(Default)]
struct Clock {
    begun: AtomicU64,
    done: AtomicU64,
    over: AtomicBool,
}

/// Counts events, and keeps those that no whole policy can have caused.
#[derive(Default)]
struct Ear {
    verdicts: [AtomicU64; 2],
    wrong: Mutex<Vec<String>>,
    refused_policies: Mutex<Vec<String>>,
}

/// What a connection saw.
#[derive(Default)]
struct Seen {
    /// Answers that only A, or only B, can have given.
    by: [u64; 2],
    /// Those of them that an event tells of.
    told: [u64; 2],
    /// Requests during which no swap was under way, so that their policy was known.
    known: u64,
}

impl Sink for Ear {
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
    let behind = Arc::new(Backend::start().await);
    let folder = Folder::new("policy_swaps_under_load");
    let file = folder.write("policy.toml", A);
    let ear = Arc::new(Ear::default());
    let guard = builder(ear.clone()).with_policy_file(&file).unwrap();
    let front = Front::before(&behind, guard);
    let clock = Arc::new(Clock::default());

    let load: Vec<_> = (0..CONNECTIONS)
        .map(|_| tokio::spawn(ask(front.addr(), Arc::clone(&clock))))
        .collect();
    let sockets: Vec<_> = (0..SOCKETS)
        .map(|nth| tokio::spawn(echo(front.addr(), nth, Arc::clone(&clock))))
        .collect();
    let forget = tokio::spawn(forget(Arc::clone(&behind), Arc::clone(&clock)));

    let begun = Instant::now();
    swap_in_memory(&front, &clock).await;
    let in_memory = begun.elapsed();
    let begun = Instant::now();
    swap_through_the_file(&front, &clock, &folder).await;
    let through_the_file = begun.elapsed();
    clock.over.store(true, SeqCst);

    let (mut by, mut told, mut known) = ([0, 0], [0, 0], 0);
    for load in load {
        let seen: Seen = load.await.unwrap();
        by = [by[0] + seen.by[0], by[1] + seen.by[1]];
        told = [told[0] + seen.told[0], told[1] + seen.told[1]];
        known += seen.known;
    }
    let mut echoes = 0;
    for socket in sockets {
        echoes += socket.await.unwrap();
    }
    forget.await.unwrap();
    let events = [ear.verdicts[0].load(SeqCst), ear.verdicts[1].load(SeqCst)];
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
    assert_eq!(events, told, "each verdict but a pass is told once");
    assert_eq!(*ear.wrong.lock().unwrap(), [""; 0]);
    assert_eq!(*ear.refused_policies.lock().unwrap(), [""; 0]);
    assert!(
        by.iter().all(|&count| count > 1_000) && known > 1_000,
        "there was no load"
    );
    assert!(
        echoes > 100 * u64::try_from(SOCKETS).unwrap(),
        "the WebSockets idled"
    );
    assert_eq!(
        front.guard().policy_handle().current().generation,
        SWAPS + FILE_SWAPS
    );
}

/// The policy of a generation.
fn in_force_at(generation: u64) -> &'static str {
    if generation.is_multiple_of(2) { A } else { B }
}

/// Swaps at an even pace: over a minute if `GABION_FULL` is set, else over six seconds.
#[expect(clippy::disallowed_methods, reason = "tests are told how long to take")]
async fn swap_in_memory(front: &Front, clock: &Clock) {
    let full = std::env::var_os("GABION_FULL").is_some();
    let pause = Duration::from_millis(if full { 60 } else { 6 });
    let begun = Instant::now();
    for generation in 1..=SWAPS {
        clock.begun.store(generation, SeqCst);
        let document = in_force_at(generation);
        let live = front.guard().policy_handle().clone();
        let swap = tokio::task::spawn_blocking(move || live.replace(document));
        let replaced = swap.await.unwrap().unwrap();
        assert_eq!(replaced.generation, generation);
        clock.done.store(generation, SeqCst);
        let due = begun + pause * u32::try_from(generation).unwrap();
        tokio::time::sleep_until(due).await;
    }
}

/// Writes the file by turns in place and by renaming another one over it.
async fn swap_through_the_file(front: &Front, clock: &Clock, folder: &Folder) {
    let _watch = front.guard().watch().unwrap();
    for generation in SWAPS + 1..=SWAPS + FILE_SWAPS {
        clock.begun.store(generation, SeqCst);
        let document = in_force_at(generation);
        if generation % 4 < 2 {
            folder.write("policy.toml", document);
        } else {
            let draft = folder.write("draft.toml", document);
            fs::rename(&draft, draft.with_file_name("policy.toml")).unwrap();
        }
        let live = front.guard().policy_handle();
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

/// Asks for one target after the other on one connection, until it is over.
async fn ask(addr: std::net::SocketAddr, clock: Arc<Clock>) -> Seen {
    let mut wire = Wire::connect(addr).await;
    let mut seen = Seen::default();
    for &(target, by_a, by_b) in KINDS.iter().cycle() {
        if clock.over.load(SeqCst) {
            break;
        }
        let earliest = clock.done.load(SeqCst);
        let answer = wire.get(target, CLIENTS).await;
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
        // Whatever is refused, and what A allows.
        seen.told[side] += u64::from(status != 200 || target == "/gate/1");
    }
    seen
}

/// Sends messages through one WebSocket and gets each back, until it is over; then closes it.
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

/// Keeps what the server remembers small.
async fn forget(behind: Arc<Backend>, clock: Arc<Clock>) {
    while !clock.over.load(SeqCst) {
        behind.take();
        sleep(Duration::from_millis(100)).await;
    }
}
