//! Guards that share the counts of limits by a real Redis.

use std::time::{Duration, Instant};

use gabion_testkit::{RedisServer, eventually};
use tokio::time::sleep;

use super::{SECOND, Shared, client};
use crate::support::{Guard, guard, text};

/// A policy with one limit, behind a balancer that names the clients.
fn policy(limit: &str) -> String {
    format!(
        "version = 1\n[client]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[[limit]]\nid = \"shared\"\n\
         mode = \"enforce\"\n{limit}\n"
    )
}

/// Starts three guards and waits until they share limits.
async fn three(redis: &RedisServer, limit: &str) -> [Shared; 3] {
    let policy = policy(limit);
    let guards = [
        Shared::start_with(redis, &policy).await,
        Shared::start_with(redis, &policy).await,
        Shared::start_with(redis, &policy).await,
    ];
    for guard in &guards {
        let has_joined = || guard.operate(&["status"]).contains("limits shared");
        let shared = eventually(|| has_joined().then_some(())).await;
        assert!(shared.is_some(), "{}", guard.operate(&["status"]));
    }
    guards
}

/// Sends requests of a client to the guards in turn, each `every`, for `time`. Returns how many pass, of how many,
/// and in which time.
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn passed(
    guards: &[Shared],
    client: &str,
    every: Duration,
    time: Duration,
) -> (u32, u32, Duration) {
    let (mut passed, mut sent) = (0, 0);
    let began = Instant::now();
    while began.elapsed() < time {
        match guards[sent as usize % guards.len()].status(client).await {
            200 => passed += 1,
            429 => {}
            other => panic!("status {other}"),
        }
        sent += 1;
        sleep((every * sent).saturating_sub(began.elapsed())).await;
    }
    (passed, sent, began.elapsed())
}

/// The number of requests of an exact limit about which Redis did not decide in time.
fn undecided(guard: &Shared) -> f64 {
    let status = guard.operate(&["status"]);
    let (before, _) = status.split_once(" without an answer").expect(&status);
    let (_, count) = before.rsplit_once(' ').expect(&status);
    count.parse().expect(&status)
}

/// Each guard alone would let pass a burst of 40 and 20 per second.
#[tokio::test]
async fn three_guards_admit_about_one_burst_and_one_rate_of_a_client() {
    let Some(redis) = RedisServer::start(&[]) else {
        return;
    };
    let guards = three(&redis, "rate = \"20/s\"\nburst = 40").await;
    let every = Duration::from_millis(5);
    let (passed, sent, time) = passed(&guards, &client(1), every, 4 * SECOND).await;
    let exact = 40.0 + 20.0 * time.as_secs_f64();
    // What two guards let pass before the third hears of it: half a second of requests, at most.
    let most = exact + f64::from(sent) / time.as_secs_f64() / 2.0;
    println!(
        "approximate: {passed} of {sent} in {time:?} pass; exact {exact:.0}, at most {most:.0}"
    );
    assert!(f64::from(sent) > 2.0 * most, "the test is too slow: {sent}");
    assert!((exact - 20.0..=most).contains(&f64::from(passed)));
}

#[tokio::test]
async fn a_client_below_the_rate_is_never_denied_over_three_guards() {
    let Some(redis) = RedisServer::start(&[]) else {
        return;
    };
    let guards = three(&redis, "rate = \"20/s\"\nburst = 40").await;
    // A page with 20 images, and then 15 requests per second.
    for n in 0..20 {
        assert_eq!(guards[n % 3].status(&client(2)).await, 200);
    }
    let every = Duration::from_millis(67);
    let (passed, sent, _) = passed(&guards, &client(2), every, 4 * SECOND).await;
    assert_eq!(passed, sent);
}

#[tokio::test]
async fn a_ban_by_a_limit_counts_the_requests_on_all_guards() {
    let Some(redis) = RedisServer::start(&[]) else {
        return;
    };
    let limit = "rate = \"10/m\"\nburst = 12\nthen = \"ban 1h\"\n[ban]\nmost_percent = 100";
    let guards = three(&redis, limit).await;
    let put = async |guard: &Shared| {
        let mut connection = guard.guard.connect().await;
        let head = format!(
            "PUT /a HTTP/1.1\r\nHost: app.example\r\nX-Forwarded-For: {}\r\nContent-Length: 0\r\n\r\n",
            client(3)
        );
        connection.send(head).await;
        let response = connection.response("PUT").await;
        response.expect("a response").status.as_u16()
    };
    let mut statuses = Vec::new();
    for n in 0..60 {
        statuses.push(put(&guards[n % 3]).await);
        sleep(Duration::from_millis(50)).await;
    }
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert!(refused >= 1, "{statuses:?}");
    assert_eq!(statuses.last(), Some(&403), "banned: {statuses:?}");
    let passed = statuses.len() - statuses.iter().filter(|status| **status >= 400).count();
    assert!(
        passed < 24,
        "each guard alone would let pass 12: {statuses:?}"
    );
}

#[tokio::test]
async fn three_guards_never_exceed_an_exact_limit() {
    let Some(redis) = RedisServer::start(&[]) else {
        return;
    };
    let guards = three(&redis, "rate = \"20/s\"\nburst = 30\nshared = \"exact\"").await;
    let clients = [client(4), client(5)];
    let [one, two] = &clients;
    let every = Duration::from_millis(5);
    let began = tokio::time::Instant::now();
    let (first, second, other) = tokio::join!(
        passed(&guards, one, every, 3 * SECOND),
        passed(&guards[1..], one, every, 3 * SECOND),
        passed(&guards, two, Duration::from_millis(60), 3 * SECOND),
    );
    let most = 30.0 + 20.0 * began.elapsed().as_secs_f64();
    let passed = first.0 + second.0;
    println!(
        "exact: {passed} of {} pass, at most {most:.1}",
        first.1 + second.1
    );
    // On a busy machine, Redis may not answer within 10 ms.
    let most = most + guards.iter().map(undecided).sum::<f64>();
    assert!(f64::from(passed) <= most, "{passed} pass, at most {most}");
    assert!(
        f64::from(passed) >= most - 15.0,
        "{passed} pass, at most {most}"
    );
    assert_eq!(other.0, other.1, "a client below the limit");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn a_stopped_redis_delays_no_request_of_an_exact_limit_for_long() {
    let Some(redis) = RedisServer::start(&[]) else {
        return;
    };
    let guards = three(&redis, "rate = \"1000/s\"\nshared = \"exact\"").await;
    let longest = async || {
        let mut times = Vec::new();
        for n in 0..600 {
            let began = Instant::now();
            assert_eq!(guards[n % 3].status(&client(6)).await, 200);
            times.push(began.elapsed());
        }
        times.sort_unstable();
        (times[300], times[599])
    };
    let (median, before) = longest().await;
    redis.signal("STOP");
    let (stopped_median, stopped) = longest().await;
    println!(
        "request: p50 {median:?}, longest {before:?}; Redis stopped: p50 {stopped_median:?}, longest {stopped:?}"
    );
    assert!(stopped < before + Duration::from_millis(60), "{stopped:?}");
    for guard in &guards {
        guard
            .guard
            .logged(["exact limits: no response of Redis within 10 ms; until it recovers"])
            .await;
    }
    redis.signal("CONT");
    for guard in &guards {
        let recovered = async {
            while !guard.guard.log().contains("exact limits: recovered") {
                assert_eq!(guard.status(&client(6)).await, 200);
                sleep(Duration::from_millis(50)).await;
            }
        };
        let recovered = tokio::time::timeout(20 * SECOND, recovered).await;
        assert!(recovered.is_ok(), "{}", guard.guard.log());
    }
}

#[tokio::test]
async fn an_exact_limit_without_redis_is_named_at_the_start_and_by_check() {
    let folder = gabion_testkit::TempFolder::new("exact");
    let policy = folder.write("policy.toml", &policy("rate = \"1/s\"\nshared = \"exact\""));
    let warning =
        "limit `shared` is exact: without Redis (`redis_url_file`), each guard counts it alone";
    let checked = guard(["check", &policy]);
    assert!(checked.status.success());
    assert!(
        text(&checked.stdout).contains(warning),
        "{}",
        text(&checked.stdout)
    );
    let alone = Guard::start(&["--policy", &policy]).await;
    alone.logged([warning]).await;
    assert_eq!(alone.status("/").await, 200);
}
