//! Counts of limits, and exact limits, shared by a real Redis.

use std::{
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

use gabion_core::{Denial, LimitCount, LimitCounts, Mode, RemoteCheck, RemoteLimits};
use gabion_testkit::RedisServer;
use tokio::{runtime, time};

use super::server::{Instance, Shares as _};
use crate::support::wait_until;

/// Counters of an instance.
#[derive(Default)]
struct Counts {
    secret: Mutex<Option<[u64; 2]>>,
    own: Mutex<Vec<LimitCount>>,
    others: Mutex<Vec<LimitCount>>,
    oldest: Mutex<Duration>,
}

impl LimitCounts for Counts {
    fn secret(&self) -> Option<[u64; 2]> {
        *self.secret.lock().unwrap()
    }

    fn share_by(&self, secret: [u64; 2]) {
        *self.secret.lock().unwrap() = Some(secret);
    }

    fn take_counts(&self, counts: &mut Vec<LimitCount>) {
        counts.append(&mut self.own.lock().unwrap());
    }

    fn add_counts(&self, counts: &[LimitCount], age: Duration) -> usize {
        self.others.lock().unwrap().extend(counts);
        let mut oldest = self.oldest.lock().unwrap();
        *oldest = age.max(*oldest);
        counts.len()
    }

    fn uncounted(&self) -> u64 {
        0
    }
}

/// An instance with counters.
struct Counting {
    instance: Instance,
    counts: Arc<Counts>,
}

impl Counting {
    fn start(server: &RedisServer) -> Self {
        let (instance, counts) = (server.instance().ready(), Arc::new(Counts::default()));
        let weak: Weak<dyn LimitCounts> = Arc::downgrade(&(counts.clone() as Arc<dyn LimitCounts>));
        instance.shared.share_limits(weak);
        let counting = Self { instance, counts };
        wait_until("shared", || counting.shares());
        counting
    }

    fn shares(&self) -> bool {
        self.instance.shared.status().shares_limits
    }

    fn count(&self, range: std::ops::Range<u32>) {
        self.counts.own.lock().unwrap().extend(range.map(count));
    }

    fn received(&self) -> Vec<LimitCount> {
        let mut counts = self.counts.others.lock().unwrap().clone();
        counts.sort_unstable_by_key(|count| count.key);
        counts
    }
}

fn count(n: u32) -> LimitCount {
    LimitCount {
        quota: 5,
        key: n.into(),
        units: n + 1,
    }
}

#[test]
fn counts_reach_the_others_once_within_a_second() {
    let Some(server) = RedisServer::start(&[]) else {
        return;
    };
    let [one, two, three] = [(); 3].map(|()| Counting::start(&server));
    let secret = one.counts.secret();
    assert!(secret.is_some());
    assert_eq!(
        (two.counts.secret(), three.counts.secret()),
        (secret, secret)
    );
    // More than a message holds.
    let all: Vec<_> = (0..5_000).map(count).collect();
    one.count(0..5_000);
    wait_until("received", || {
        two.received() == all && three.received() == all
    });
    assert!(one.received().is_empty(), "not its own");
    let oldest = *two.counts.oldest.lock().unwrap();
    assert!(oldest < Duration::from_secs(2), "{oldest:?}");
    two.count(7..8);
    wait_until("received", || one.received() == [count(7)]);
    // Counted after they are added.
    let status = || one.instance.shared.status();
    wait_until("counted", || status().counts_received >= 1);
    assert_eq!((status().counts_published, status().skipped), (5_000, 0));
}

/// The bytes that Redis received since its start.
fn received_bytes(redis: &mut redis::Connection) -> u64 {
    let info: String = redis::cmd("INFO").arg("stats").query(redis).unwrap();
    let (_, bytes) = info.split_once("total_net_input_bytes:").unwrap();
    let (bytes, _) = bytes.split_once("\r\n").unwrap();
    bytes.parse().unwrap()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
fn a_thousand_active_clients_cost_about_100_kb_per_second() {
    let Some(server) = RedisServer::start(&[]) else {
        return;
    };
    let counting = Counting::start(&server);
    let mut redis = server.connection();
    let (before, began) = (received_bytes(&mut redis), Instant::now());
    while began.elapsed() < Duration::from_secs(2) {
        // All of them, between two messages.
        let is_taken = || counting.counts.own.lock().unwrap().is_empty();
        wait_until("taken", is_taken);
        counting.count(0..1_000);
    }
    let bytes = u128::from(received_bytes(&mut redis) - before);
    let rate = bytes * 1_000 / began.elapsed().as_millis();
    println!("1,000 active clients: {rate} bytes per second");
    assert!((50_000..150_000).contains(&rate), "{rate}");
}

#[test]
fn a_lost_redis_gets_the_secret_again_and_old_counts_are_not_published() {
    let Some(mut server) = RedisServer::start(&[]) else {
        return;
    };
    let [one, two] = [(); 2].map(|()| Counting::start(&server));
    let secret = one.counts.secret();
    server.kill();
    wait_until("degraded", || !one.shares() && !two.shares());
    one.count(0..9);
    server.restart();
    wait_until("recovered", || one.shares() && two.shares());
    assert_eq!((one.counts.secret(), two.counts.secret()), (secret, secret));
    one.count(10..11);
    wait_until("received", || !two.received().is_empty());
    assert_eq!(two.received(), [count(10)]);
    assert_eq!(one.instance.shared.status().counts_published, 1);
    let texts = one.instance.recorder.take_texts().join("\n");
    assert!(
        texts.contains("each instance counts limits alone"),
        "{texts}"
    );
    assert!(texts.contains("shared limits: recovered"), "{texts}");
}

#[test]
fn hostile_messages_are_skipped_and_counted() {
    let Some(server) = RedisServer::start(&[]) else {
        return;
    };
    let counting = Counting::start(&server);
    let mut redis = server.connection();
    for message in [
        &b""[..],
        b"\x01",
        b"\x02\0\0\0\0",
        b"\x01\0\0\0\0abc",
        b"\x01\xff\xff\xff\xff",
    ] {
        let mut add = redis::cmd("XADD");
        add.arg("gabion:limits")
            .arg("*")
            .arg("i")
            .arg("x")
            .arg("c")
            .arg(message);
        let _: String = add.query(&mut redis).unwrap();
    }
    wait_until("skipped", || counting.instance.shared.status().skipped == 5);
    assert!(counting.shares() && counting.received().is_empty());
}

/// A check of a quota of 10 per second with a burst of 20.
fn check(key: u64, mode: Mode) -> RemoteCheck {
    let denial = Denial::forbidden("exact", "over the limit").with_mode(mode);
    let count = LimitCount {
        quota: 1,
        key,
        units: 1,
    };
    RemoteCheck::new(count, 20, Duration::from_millis(100), denial)
}

/// The number of `count` requests that pass, and the longest wait of one.
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn passed(limits: &[Arc<dyn RemoteLimits>], key: u64, count: usize) -> (u32, Duration) {
    let (mut passed, mut longest) = (0, Duration::ZERO);
    for n in 0..count {
        let began = Instant::now();
        let waits = limits[n % limits.len()]
            .check(&[check(key, Mode::Enforce)])
            .await;
        longest = longest.max(began.elapsed());
        passed += u32::from(waits.iter().all(Duration::is_zero));
    }
    (passed, longest)
}

fn runtime() -> runtime::Runtime {
    let mut builder = runtime::Builder::new_current_thread();
    builder.enable_time().build().unwrap()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
fn instances_together_never_exceed_an_exact_limit() {
    let Some(server) = RedisServer::start(&[]) else {
        return;
    };
    let instances = [(); 3].map(|()| Counting::start(&server));
    let limits = instances
        .each_ref()
        .map(|one| one.instance.shared.exact_limits());
    runtime().block_on(async {
        let began = Instant::now();
        let (mut count, mut rounds) = (0, 0);
        while began.elapsed() < Duration::from_secs(2) {
            count += passed(&limits, 1, 30).await.0;
            rounds += 1;
        }
        let most = 20.0 + 10.0 * began.elapsed().as_secs_f64();
        // On a busy machine, Redis may not answer within 10 ms.
        let undecided = |one: &Counting| one.instance.shared.status().exact_undecided;
        let undecided = u32::try_from(instances.iter().map(undecided).sum::<u64>());
        let most = most + f64::from(undecided.unwrap());
        assert!(
            f64::from(count) <= most,
            "{count} of {rounds} rounds, at most {most}"
        );
        assert!(count >= 38, "{count}");
        assert!(passed(&limits, 2, 1).await.0 == 1, "another client");
        let mut times = Vec::new();
        for n in 0..1_000 {
            let began = Instant::now();
            limits[n % 3]
                .check(&[check(n as u64 + 100, Mode::Enforce)])
                .await;
            times.push(began.elapsed());
        }
        times.sort_unstable();
        println!("exact check: p50 {:?}, p99 {:?}", times[500], times[990]);
        passed(&limits, 1, 30).await;
        // An observed one takes nothing from an enforced one, and the other way around.
        let both = [check(1, Mode::Observe), check(3, Mode::Enforce)];
        let waits = limits[0].check(&both).await;
        assert!(waits[0] > Duration::ZERO && waits[1].is_zero(), "{waits:?}");
        let both = [check(1, Mode::Enforce), check(4, Mode::Enforce)];
        let mut taken = 0;
        for _ in 0..5 {
            let waits = limits[0].check(&both).await;
            // On a busy machine, a unit may refill meanwhile, or Redis may not decide in time.
            taken += u32::from(waits.iter().all(Duration::is_zero));
        }
        assert!(taken < 5);
        let left = passed(&limits, 4, 20).await.0;
        assert!(
            left >= 20 - taken,
            "denied requests take nothing: {left}, {taken} taken"
        );
    });
    let status = instances[0].instance.shared.status();
    assert!(status.exact_decided > 0, "{status:?}");
}

#[test]
fn a_stopped_redis_delays_five_requests_by_10_ms_and_then_one_per_second() {
    let Some(server) = RedisServer::start(&[]) else {
        return;
    };
    let counting = Counting::start(&server);
    let limits = [counting.instance.shared.exact_limits()];
    let log = || counting.instance.recorder.take_texts().join("\n");
    runtime().block_on(async {
        assert_eq!(passed(&limits, 1, 30).await.0, 20);
        server.signal("STOP");
        let (count, longest) = passed(&limits, 1, 1_000).await;
        assert_eq!(count, 1_000, "the verdict of the instance");
        println!("longest wait {longest:?}");
        assert!(longest < Duration::from_millis(60), "{longest:?}");
        let undecided = counting.instance.shared.status().exact_undecided;
        assert_eq!(undecided, 1_000);
        let text = log();
        let opened = "exact limits: no response of Redis within 10 ms; until it recovers, each instance decides about \
                      exact limits alone";
        assert_eq!(text.matches(opened).count(), 1, "{text}");
        server.signal("CONT");
        let mut text = String::new();
        for _ in 0..600 {
            passed(&limits, 1, 1).await;
            text += &log();
            if text.contains("exact limits: recovered") {
                break;
            }
            time::sleep(Duration::from_millis(20)).await;
        }
        assert!(text.contains("exact limits: recovered"), "{text}");
        assert!(passed(&limits, 1, 300).await.0 < 60, "it decides again");
    });
}
