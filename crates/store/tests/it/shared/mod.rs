//! Bans shared by a real Redis between instances.

mod limits;
mod outages;
mod server;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gabion_core::{AllowRecord, BanUpdate};
use gabion_store::{SharedOptions, SharedState, Store};
use gabion_testkit::RedisServer;

use self::server::{Instance, Shares as _, converge};
use crate::support::{LONG, Table, ban, ban_for, client, now, wait_until};

#[test]
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
fn a_ban_on_one_instance_reaches_the_others_within_a_second() {
    let Some(server) = RedisServer::start(&[]) else {
        return;
    };
    let instances = [(); 3].map(|()| server.instance().ready());
    let mut times = Vec::new();
    for n in 0..200 {
        let began = Instant::now();
        instances[n as usize % 3].table.apply(&ban(n));
        let has = |instance: &Instance| instance.table.banned().contains(&client(n));
        wait_until("banned", || instances.iter().all(has));
        times.push(began.elapsed());
    }
    times.sort_unstable();
    println!(
        "propagation: p50 {:?}, p99 {:?}, longest {:?}",
        times[100], times[198], times[199]
    );
    assert!(times[199] < Duration::from_secs(1), "{:?}", times[199]);
    for instance in &instances {
        let status = instance.shared.status();
        assert_eq!(
            (status.state, status.skipped, status.dropped),
            (SharedState::Ready, 0, 0)
        );
        assert!(
            status.published >= 66 && status.received >= 133,
            "{status:?}"
        );
        assert_eq!(instance.recorder.take_texts(), [""; 0]);
    }
}

#[test]
fn lifts_exemptions_and_their_ends_reach_the_others() {
    let Some(server) = RedisServer::start(&[]) else {
        return;
    };
    let [one, other] = [(); 2].map(|()| server.instance().ready());
    (0..4).for_each(|n| one.table.apply(&ban(n)));
    wait_until("banned", || other.table.banned().len() == 4);
    other.table.apply(&BanUpdate::Lifted(client(0)));
    other.table.apply(&BanUpdate::Forgotten(client(1)));
    let since = now();
    other.table.apply(&BanUpdate::Allowed(AllowRecord {
        network: client(9),
        reason: Some("the office".into()),
        since,
        until: since + LONG,
    }));
    wait_until("lifted and allowed", || {
        one.table.banned() == [client(2), client(3)] && one.table.allowed() == [client(9)]
    });
    let new = server.instance().ready();
    assert_eq!(new.table.banned(), [client(2), client(3)]);
    assert_eq!(new.table.allowed(), [client(9)]);
    one.table.apply(&BanUpdate::Disallowed(client(9)));
    wait_until("not allowed", || other.table.allowed().is_empty());
    assert!(server.instance().ready().table.allowed().is_empty());
}

#[test]
fn a_new_instance_has_all_bans_when_it_is_ready() {
    let Some(server) = RedisServer::start(&[]) else {
        return;
    };
    let one = server.instance().ready();
    (0..5_000).for_each(|n| one.table.apply(&ban(n)));
    one.table.apply(&ban_for(client(9_000), Duration::ZERO));
    wait_until("published", || one.shared.status().queued == 0);
    let new = server.instance().ready();
    assert_eq!(new.table.banned().len(), 5_000);
}

/// A ban that another instance lifted meanwhile does not return from the local file.
#[test]
fn an_instance_with_stored_bans_obeys_lifts_and_shares_the_rest() {
    let Some(server) = RedisServer::start(&[]) else {
        return;
    };
    let stored: Arc<Table> = Arc::default();
    (0..10).for_each(|n| stored.apply(&ban(n)));
    let one = server.instance().ready();
    one.table.apply(&ban(3));
    one.table.apply(&BanUpdate::Lifted(client(3)));
    wait_until("published", || one.shared.status().published == 2);
    let late = Instance::start(server.options(), stored).ready();
    assert_eq!(late.table.banned().len(), 9);
    wait_until("shared", || one.table.banned() == late.table.banned());
}

#[test]
fn hostile_values_are_skipped_and_counted() {
    let Some(server) = RedisServer::start(&[]) else {
        return;
    };
    let mut redis = server.connection();
    let wide = r#"{"v":1,"kind":"banned","network":"0.0.0.0/0","rule":"a","since":1,"until":1900000000000000}"#;
    let later = wide.replace("\"v\":1", "\"v\":9");
    let garbage = [
        "",
        "{",
        "\u{0}\u{1b}[31m",
        wide,
        &later,
        &"x".repeat(100_000),
    ];
    let hset = |redis: &mut redis::Connection, key: &str, field: &str, value: &str| {
        let _: redis::Value = redis::cmd("HSET")
            .arg(key)
            .arg(field)
            .arg(value)
            .query(redis)
            .unwrap();
    };
    for (n, text) in garbage.iter().enumerate() {
        hset(&mut redis, "gabion:bans", &format!("field {n}"), text);
    }
    hset(
        &mut redis,
        "gabion:bans",
        "0.0.0.0/0",
        &format!("1764000000000000{wide}"),
    );
    hset(
        &mut redis,
        "gabion:allows",
        &client(1).to_string(),
        "no time",
    );
    // A time of the year 2286 that would hide every later change.
    hset(
        &mut redis,
        "gabion:bans",
        &client(2).to_string(),
        "9999999999999999{}",
    );
    let one = server.instance().ready();
    let other = server.instance().ready();
    assert_eq!(one.shared.status().skipped, 9);
    for text in garbage {
        let fields = ["i", "another", "u", text];
        let mut add = redis::cmd("XADD");
        let id: String = add
            .arg("gabion:changes")
            .arg("*")
            .arg(&fields)
            .query(&mut redis)
            .unwrap();
        assert!(!id.is_empty());
    }
    wait_until("skipped", || one.shared.status().skipped == 15);
    assert!(one.table.banned().is_empty());
    other.table.apply(&ban(1));
    other.table.apply(&ban(2));
    wait_until("banned", || one.table.banned() == [client(1), client(2)]);
    assert_eq!(one.shared.status().state, SharedState::Ready);
}

#[test]
fn values_of_another_type_degrade_and_recover() {
    let Some(server) = RedisServer::start(&[]) else {
        return;
    };
    let mut redis = server.connection();
    let mut run = |args: &[&str]| {
        let (name, args) = args.split_first().unwrap();
        let _: redis::Value = redis::cmd(name).arg(args).query(&mut redis).unwrap();
    };
    run(&["SET", "gabion:bans", "a string"]);
    let one = server.instance();
    wait_until("degraded", || {
        one.shared.status().state == SharedState::Degraded
    });
    run(&["DEL", "gabion:bans"]);
    wait_until("ready", || one.shared.status().state == SharedState::Ready);
    assert_eq!(one.recorder.take_texts().len(), 2);
}

#[test]
fn a_password_is_not_shown() {
    let Some(server) = RedisServer::start(&["--requirepass", "t0p-secret"]) else {
        return;
    };
    let url = |password: &str| {
        let socket = server.url();
        format!("{socket}?pass={password}")
    };
    let wrong = SharedOptions::new(&url("wr0ng-secret")).unwrap();
    assert!(!format!("{wrong:?}").contains("secret"));
    let denied = Instance::start(wrong, Arc::default());
    wait_until("degraded", || {
        denied.shared.status().state == SharedState::Degraded
    });
    let texts = denied.recorder.take_texts().join("\n");
    assert!(
        texts.contains("socket") && !texts.contains("secret"),
        "{texts}"
    );
    assert!(!format!("{:?}", denied.shared).contains("secret"));
    let right = SharedOptions::new(&url("t0p-secret")).unwrap();
    Instance::start(right, Arc::default()).ready();
}

/// Instances with different prefixes do not share their bans.
#[test]
fn prefixes_are_separate() {
    let Some(server) = RedisServer::start(&[]) else {
        return;
    };
    let one = server.instance().ready();
    let other = Instance::start(server.options().with_prefix("staging"), Arc::default()).ready();
    let third = server.instance().ready();
    one.table.apply(&ban(1));
    wait_until("banned", || !third.table.banned().is_empty());
    assert!(other.table.banned().is_empty());
}

/// Bans of others are stored, too: an instance that restarts without Redis has them.
#[test]
fn bans_of_others_survive_a_restart_without_redis() {
    let Some(server) = RedisServer::start(&[]) else {
        return;
    };
    let folder = gabion_testkit::TempFolder::new("store-shared");
    let (store, _) = crate::support::open(&folder);
    let table = Table::with(&store);
    let one = Instance::start(server.options(), table).ready();
    let other = server.instance().ready();
    other.table.apply(&ban(5));
    wait_until("banned", || !one.table.banned().is_empty());
    Store::sync(&store, LONG).unwrap();
    drop((one, store));
    assert_eq!(crate::support::stored(&folder), [client(5)]);
}

/// Three instances ban and lift the same networks at once: all reach the same state.
#[test]
fn conflicting_changes_converge() {
    let Some(server) = RedisServer::start(&[]) else {
        return;
    };
    let instances = [(); 3].map(|()| server.instance().ready());
    std::thread::scope(|scope| {
        for (mut seed, instance) in (1_u32..).zip(&instances) {
            scope.spawn(move || {
                for _ in 0..3_000 {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let n = (seed >> 8) % 50;
                    if seed >> 31 == 0 {
                        instance.table.apply(&ban(n));
                    } else {
                        instance.table.apply(&BanUpdate::Lifted(client(n)));
                    }
                }
            });
        }
    });
    let bans = converge(&server, &instances, 0);
    println!("{bans} of 50 are banned");
}

/// The guide names the commands.
#[test]
fn a_user_with_few_commands_suffices() {
    let server = RedisServer::start(&[
        "--user",
        "guard",
        "on",
        ">t0p-secret",
        "~gabion:*",
        "-@all",
        "+hget",
        "+hset",
        "+hdel",
        "+hscan",
        "+xadd",
        "+xread",
        "+xrange",
        "+evalsha",
        "+script|load",
        "+time",
        "+select",
        "+client",
    ]);
    let Some(server) = server else {
        return;
    };
    let url = format!("{}?user=guard&pass=t0p-secret", server.url());
    let options = SharedOptions::new(&url).unwrap();
    let [one, other] = [(); 2].map(|()| Instance::start(options.clone(), Arc::default()).ready());
    (0..2).for_each(|n| one.table.apply(&ban(n)));
    wait_until("banned", || other.table.banned().len() == 2);
    other.table.apply(&BanUpdate::Forgotten(client(1)));
    wait_until("forgotten", || one.table.banned() == [client(0)]);
}
