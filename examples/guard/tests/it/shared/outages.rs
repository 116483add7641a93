//! Redis killed, stopped and restarted under load, and missing at the start.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use gabion_testkit::{RedisServer, eventually};
use tokio::{task::spawn_blocking, time::sleep};

use super::{SECOND, Shared, agree, client};

/// Requests of other clients on each guard in each phase.
const REQUESTS: usize = 300;

/// What happens to Redis in the middle of a phase.
type Action = fn(&mut RedisServer);

/// Bans `banned` in turn on the guards, under requests of other clients, while `action` happens to Redis.
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn load(
    guards: &[Shared; 3],
    phase: &str,
    banned: Range<usize>,
    mut redis: RedisServer,
    action: Action,
) -> RedisServer {
    let began = Instant::now();
    let requests = |guard| async move {
        let mut longest = Duration::ZERO;
        for n in 0..REQUESTS {
            let sent = Instant::now();
            let status = Shared::status(guard, &client(5000 + n % 50)).await;
            assert_eq!(status, 200, "{phase}: request {n}");
            longest = longest.max(sent.elapsed());
        }
        longest
    };
    let bans = async {
        for n in banned.clone() {
            let guard = &guards[n % 3];
            guard.offend(&client(n)).await;
            let status = guard.status(&client(n)).await;
            assert_eq!(status, 403, "{phase}: the guard itself");
            sleep(Duration::from_millis(20)).await;
        }
    };
    let acting = async {
        sleep(Duration::from_millis(150)).await;
        let act = move || {
            action(&mut redis);
            redis
        };
        spawn_blocking(act).await.unwrap()
    };
    let [one, two, three] = guards;
    let (one, two, three, (), redis) =
        tokio::join!(requests(one), requests(two), requests(three), bans, acting);
    println!(
        "{phase}: {} requests answered in {:?}, the longest in {:?}; {} bans",
        3 * REQUESTS,
        began.elapsed(),
        one.max(two).max(three),
        banned.len()
    );
    redis
}

/// Waits until each guard has reported `outages` outages.
async fn noticed(guards: &[Shared; 3], outages: usize) {
    for guard in guards {
        let count = || guard.guard.log().matches("do not arrive").count();
        let noticed = eventually(|| (count() == outages).then_some(())).await;
        assert!(noticed.is_some(), "{} outages", count());
        let status = guard.operate(&["status"]);
        assert!(status.contains("Redis at"), "{status}");
    }
}

/// Waits until all guards refuse the first `banned` clients, and a new guard does.
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn converge(redis: &RedisServer, guards: &[Shared; 3], phase: &str, banned: usize) {
    let clients: Vec<_> = (0..banned).map(client).collect();
    let took = agree(guards, &clients, 403, Instant::now()).await;
    println!("{phase}: all guards refuse all {banned} clients after {took:?}");
    let new = Shared::start(redis).await;
    for client in &clients {
        assert_eq!(
            new.status(client).await,
            403,
            "{phase}: {client} on a new guard"
        );
    }
    assert_eq!(new.status(&client(5000)).await, 200);
}

#[tokio::test]
async fn redis_killed_stopped_and_restarted_under_load_fails_no_request_and_loses_no_ban() {
    let Some(redis) = RedisServer::start(&[]) else {
        return;
    };
    let guards = Shared::three(&redis).await;
    let redis = load(&guards, "Redis runs", 0..12, redis, |_| ()).await;
    let redis = load(&guards, "killed", 12..24, redis, RedisServer::kill).await;
    noticed(&guards, 1).await;
    let redis = load(
        &guards,
        "restarted, empty",
        24..36,
        redis,
        RedisServer::restart,
    )
    .await;
    converge(&redis, &guards, "restarted, empty", 36).await;
    let redis = load(&guards, "stopped", 36..48, redis, |redis| {
        redis.signal("STOP");
    })
    .await;
    noticed(&guards, 2).await;
    let redis = load(&guards, "continued", 48..60, redis, |redis| {
        redis.signal("CONT");
    })
    .await;
    converge(&redis, &guards, "continued", 60).await;
    for guard in &guards {
        guard.guard.logged(["shared bans: recovered"]).await;
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn a_guard_starts_without_redis_and_shares_later() {
    let Some(mut redis) = RedisServer::start(&[]) else {
        return;
    };
    redis.kill();
    let began = Instant::now();
    let guard = Shared::start(&redis).await;
    let took = began.elapsed();
    println!("without Redis, a guard listens after {took:?}");
    assert!(took < 6 * SECOND, "{took:?}");
    guard
        .guard
        .logged(["Redis does not respond: the bans"])
        .await;
    assert_eq!(guard.status(&client(5000)).await, 200);
    guard.offend(&client(1)).await;
    assert_eq!(guard.status(&client(1)).await, 403);
    redis.restart();
    let other = Shared::start(&redis).await;
    other.offend(&client(2)).await;
    let clients = [client(1), client(2)];
    let took = agree(&[guard, other], &clients, 403, Instant::now()).await;
    println!("after the start of Redis, both refuse both clients after {took:?}");
}

/// A guard listens after it has the bans of the others, if Redis responds within the wait.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn a_new_guard_refuses_from_its_first_request() {
    let Some(redis) = RedisServer::start(&[]) else {
        return;
    };
    let guards = [Shared::start(&redis).await];
    guards[0].offend(&client(1)).await;
    guards[0].offend(&client(2)).await;
    let other = [Shared::start(&redis).await];
    agree(&other, &[client(2)], 403, Instant::now()).await;
    redis.signal("STOP");
    let resume = async {
        sleep(SECOND).await;
        redis.signal("CONT");
    };
    let began = Instant::now();
    let (new, ()) = tokio::join!(Shared::start(&redis), resume);
    println!(
        "with a Redis that is stopped for 1 s, a guard listens after {:?}",
        began.elapsed()
    );
    assert_eq!(new.status(&client(1)).await, 403);
}
