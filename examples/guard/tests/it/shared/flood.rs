//! One instance that bans as many clients as it can.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use gabion::{
    ban::{BanRecord, BanUpdate, ChangeListener as _, UpdateOrigin},
    inspect::RuleId,
};
use gabion_store::{SharedBans, SharedOptions};
use gabion_testkit::{Recorder, RedisServer, eventually};

use super::{POLICY, SECOND, Shared, agree, client};

/// The default `most_per_minute`, ten times: bans of others are certain.
const BUDGET: usize = 600;

/// Bans of the flood.
const FLOOD: u32 = 5_000;

/// Bans this many clients of different networks, as a defective or hostile instance would.
#[expect(
    clippy::disallowed_methods,
    reason = "bans have times of the wall clock; a test waits for a thread"
)]
fn flood(redis: &RedisServer, clients: u32) {
    let options = SharedOptions::new(&redis.url()).unwrap();
    let shared = SharedBans::start(options, Arc::new(Recorder::default()), |_| ()).unwrap();
    assert!(shared.wait_ready(10 * SECOND));
    let since = SystemTime::now();
    for n in 0..clients {
        let addr = IpAddr::V4(Ipv4Addr::from(0x2d00_0000 + n * 256));
        let ban = BanRecord {
            network: addr.into(),
            by: RuleId::builtin("flood"),
            reason: None,
            since,
            until: since + Duration::from_hours(1),
            offenses: 1,
        };
        shared.on_ban_update(&BanUpdate::Banned(ban), UpdateOrigin::Rule);
    }
    while shared.status().queued > 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn a_flood_of_bans_by_one_instance_stays_within_the_budget_of_the_others() {
    let Some(redis) = RedisServer::start(&[]) else {
        return;
    };
    let guards = [Shared::start(&redis).await, Shared::start(&redis).await];
    let began = Instant::now();
    let flooding = tokio::task::spawn_blocking(move || {
        flood(&redis, FLOOD);
        redis
    });
    let _redis = flooding.await.unwrap();
    // The last one of the flood is behind it in the stream.
    let received = || {
        let status = guards[0].operate(&["status"]);
        status
            .contains(&format!("{FLOOD} received"))
            .then_some(status)
    };
    let status = eventually(received).await.expect("all changes are read");
    let bans = status
        .split_once("bans")
        .and_then(|(_, rest)| rest.split_whitespace().next());
    let bans: usize = bans.unwrap().parse().unwrap();
    // The flood may begin in one minute and end in the next.
    let minutes = usize::try_from(began.elapsed().as_secs() / 60).unwrap() + 2;
    assert!((BUDGET..=minutes * BUDGET).contains(&bans), "{status}");
    let log = guards[0].guard.log();
    let reports = log.matches("`most_per_minute` in [ban] is reached").count();
    assert!((1..=minutes).contains(&reports), "{reports} reports");
    assert_eq!(guards[0].status(&client(1)).await, 200);
}

/// A ban by another guard does not bind a client that a list of this one keeps from bans.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn a_ban_by_another_guard_does_not_bind_clients_in_a_no_ban_list() {
    let Some(redis) = RedisServer::start(&[]) else {
        return;
    };
    let strict = [Shared::start(&redis).await];
    let lists = gabion_testkit::TempFolder::new("shared-crawlers");
    let list = lists.write("crawlers.netset", "203.0.113.0/28\n");
    let files = format!("[ban]\nfiles = [{{ file = '{list}', effect = 'no-ban' }}]\n");
    let lenient = Shared::start_with(&redis, &POLICY.replace("[ban]\n", &files)).await;
    let crawler = "203.0.113.9".to_owned();
    let others = ["203.0.113.16".to_owned()];
    strict[0].offend(&crawler).await;
    strict[0].offend(&others[0]).await;
    lenient
        .guard
        .logged([
            "the ban of 203.0.113.9/32 by another instance is not applied",
            "no-ban",
        ])
        .await;
    // The later ban has arrived.
    let lenient = [lenient];
    agree(&lenient, &others, 403, Instant::now()).await;
    assert_eq!(lenient[0].status(&crawler).await, 200);
    assert_eq!(strict[0].status(&crawler).await, 403);
}

/// Bans by another guard count toward `most_percent`, if this one served the clients.
#[tokio::test]
async fn bans_by_another_guard_stay_below_a_share_of_the_clients() {
    let Some(redis) = RedisServer::start(&[]) else {
        return;
    };
    let strict = Shared::start(&redis).await;
    let small = POLICY.replace("most_percent = 100", "most_percent = 10");
    let small = Shared::start_with(&redis, &small).await;
    for n in 0..60 {
        assert_eq!(small.status(&client(n)).await, 200);
    }
    for n in 0..14 {
        strict.offend(&client(n)).await;
    }
    small
        .guard
        .logged(["is not applied: `most_percent` in [ban] is reached"])
        .await;
    let received = || {
        small
            .operate(&["status"])
            .contains("14 received")
            .then_some(())
    };
    assert!(
        eventually(received).await.is_some(),
        "{}",
        small.operate(&["status"])
    );
    let mut refused = 0;
    for n in 0..14 {
        refused += usize::from(small.status(&client(n)).await == 403);
    }
    // 10 % of 60, which are estimated.
    assert!((5..=6).contains(&refused), "{refused} of 14");
}
