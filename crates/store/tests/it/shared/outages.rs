//! Redis killed, stopped, restarted, emptied and trimmed, under changes.

use std::{sync::Arc, thread, time::Duration};

use gabion_core::BanUpdate;
use gabion_store::SharedState;
use gabion_testkit::RedisServer;

use super::server::{Instance, Shares as _, converge};
use crate::support::{LONG, ban, client, wait_until};

/// Applies bans `range` in turn on the instances, one each millisecond.
#[expect(clippy::disallowed_methods, reason = "changes during an outage")]
fn ban_slowly(instances: &[Instance], range: std::ops::Range<u32>) {
    for n in range {
        instances[n as usize % instances.len()].table.apply(&ban(n));
        thread::sleep(Duration::from_millis(1));
    }
}

fn state_of(instance: &Instance) -> SharedState {
    instance.shared.status().state
}

#[track_caller]
fn wait_for(instances: &[Instance], state: SharedState) {
    wait_until(&format!("{state:?}"), || {
        instances.iter().all(|instance| state_of(instance) == state)
    });
}

#[test]
fn redis_killed_and_restarted_empty_loses_no_ban() {
    let Some(mut server) = RedisServer::start(&[]) else {
        return;
    };
    let instances = [(); 3].map(|()| server.instance().ready());
    for round in 0..3 {
        let first = round * 900;
        ban_slowly(&instances, first..first + 300);
        server.kill();
        ban_slowly(&instances, first + 300..first + 600);
        instances[0].table.apply(&BanUpdate::Lifted(client(first)));
        wait_for(&instances, SharedState::Degraded);
        server.restart();
        ban_slowly(&instances, first + 600..first + 900);
    }
    assert_eq!(converge(&server, &instances, 3 * 900 - 3), 3 * 900 - 3);
    for instance in &instances {
        let events = instance.recorder.take_texts();
        assert_eq!(events.len(), 6, "{events:#?}");
    }
}

#[test]
fn redis_killed_with_its_data_kept_loses_no_ban() {
    let args = ["--appendonly", "yes", "--appendfsync", "everysec"];
    let Some(mut server) = RedisServer::start(&args) else {
        return;
    };
    let instances = [(); 3].map(|()| server.instance().ready());
    ban_slowly(&instances, 0..500);
    server.kill();
    ban_slowly(&instances, 500..800);
    server.restart();
    ban_slowly(&instances, 800..1_000);
    assert_eq!(converge(&server, &instances, 1_000), 1_000);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the length of an outage")]
fn redis_stopped_for_seconds_delays_nothing_and_loses_nothing() {
    let Some(server) = RedisServer::start(&[]) else {
        return;
    };
    let instances = [(); 3].map(|()| server.instance().ready());
    ban_slowly(&instances, 0..200);
    server.signal("STOP");
    let began = std::time::Instant::now();
    for n in 200..5_000 {
        instances[n as usize % 3].table.apply(&ban(n));
    }
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    wait_for(&instances, SharedState::Degraded);
    thread::sleep(Duration::from_secs(1));
    server.signal("CONT");
    assert_eq!(converge(&server, &instances, 5_000), 5_000);
    wait_for(&instances, SharedState::Ready);
    for instance in &instances {
        let events = instance.recorder.take_texts();
        assert_eq!(events.len(), 2, "{events:#?}");
        assert!(
            events[0].contains("bans of other instances do not arrive"),
            "{events:?}"
        );
    }
}

#[test]
fn an_emptied_redis_gets_the_bans_of_every_instance_again() {
    let Some(server) = RedisServer::start(&[]) else {
        return;
    };
    let instances = [(); 3].map(|()| server.instance().ready());
    ban_slowly(&instances, 0..600);
    converge(&server, &instances, 600);
    let _: () = redis::cmd("FLUSHALL")
        .query(&mut server.connection())
        .unwrap();
    wait_until("loaded again", || {
        instances
            .iter()
            .all(|instance| instance.shared.status().loads > 1)
    });
    assert_eq!(converge(&server, &instances, 600), 600);
}

/// An instance that is behind a trimmed stream loads all bans again.
#[test]
fn a_trimmed_stream_loses_no_change() {
    let Some(server) = RedisServer::start(&[]) else {
        return;
    };
    let options = server.options().with_stream_length(1);
    let instances = [(); 3].map(|()| Instance::start(options.clone(), Arc::default()).ready());
    for n in 0..20_000 {
        let table = &instances[n as usize % 3].table;
        table.apply(&ban(n));
        if n % 10 == 0 {
            table.apply(&BanUpdate::Lifted(client(n)));
        }
    }
    assert_eq!(converge(&server, &instances, 18_000), 18_000);
    let loads: Vec<_> = instances
        .iter()
        .map(|one| one.shared.status().loads)
        .collect();
    println!("loaded {loads:?} times");
    assert!(loads.iter().sum::<u64>() > 3, "no instance was behind");
}

#[test]
fn changes_that_find_the_queue_full_are_published_later() {
    let Some(mut server) = RedisServer::start(&[]) else {
        return;
    };
    let options = server.options().with_queue(10);
    let instances = [(); 3].map(|()| Instance::start(options.clone(), Arc::default()).ready());
    ban_slowly(&instances, 0..100);
    converge(&server, &instances, 100);
    server.signal("STOP");
    for n in 100..1_000 {
        instances[n as usize % 3].table.apply(&ban(n));
    }
    (0..50).for_each(|n| instances[1].table.apply(&BanUpdate::Lifted(client(n))));
    assert!(instances[1].shared.status().dropped > 0);
    server.signal("CONT");
    assert_eq!(converge(&server, &instances, 950), 950);

    // The same, and Redis loses its data meanwhile.
    server.kill();
    for n in 1_000..2_000 {
        instances[n as usize % 3].table.apply(&ban(n));
    }
    server.restart();
    assert_eq!(converge(&server, &instances, 1_950), 1_950);
}

#[test]
fn an_instance_starts_without_redis_and_shares_later() {
    let Some(mut server) = RedisServer::start(&[]) else {
        return;
    };
    server.kill();
    let one = server.instance();
    assert!(!one.shared.wait_ready(Duration::from_millis(300)));
    one.table.apply(&ban(1));
    server.restart();
    assert!(one.shared.wait_ready(LONG));
    let other = server.instance().ready();
    wait_until("shared", || other.table.banned() == [client(1)]);
}

#[test]
fn a_dropped_instance_publishes_its_last_changes() {
    let Some(server) = RedisServer::start(&[]) else {
        return;
    };
    let one = server.instance().ready();
    (0..1_000).for_each(|n| one.table.apply(&ban(n)));
    drop(one);
    assert_eq!(server.instance().ready().table.banned().len(), 1_000);
}
