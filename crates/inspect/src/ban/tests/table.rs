use std::{
    net::{Ipv4Addr, Ipv6Addr},
    thread,
    time::Duration,
};

use gabion_core::{BanOutcome, ClientIp, Now, Offense, OffenseRecorder, RuleId, UpdateOrigin};
use ipnet::IpNet;

use super::{addr, at, client, scattered};
use crate::{ActiveBan, BanTable};

/// A new ban, without or with the network whose ban was removed; or another outcome.
type Placed = Result<Option<IpNet>, BanOutcome>;

const NEW: Placed = Ok(None);

fn offense(rule: &'static str, millis: u64) -> Offense {
    Offense::certain(RuleId::builtin(rule), Duration::from_millis(millis))
}

fn host(number: u32) -> ClientIp {
    client(Ipv4Addr::from_bits(number))
}

fn place(table: &BanTable, client: &ClientIp, offense: &Offense, now: Now) -> Placed {
    match table.record_offense(client, offense, now) {
        BanOutcome::Banned(placement) => Ok(placement.evicted),
        other => Err(other),
    }
}

/// Returns the rule of the ban, and the remaining milliseconds.
fn ban_of(table: &BanTable, client: &ClientIp, now: u64) -> Option<(String, u128)> {
    let ActiveBan { by, left, .. } = table.active(client, at(now))?;
    Some((by.to_string(), left.as_millis()))
}

/// A jump of the wall clock moves the end that is shown and stored, not the end of the ban.
#[test]
fn clock_jumps_neither_end_nor_prolong_a_ban_in_force() {
    let (table, hour) = (BanTable::new(10), Duration::from_hours(1));
    let placed = place(&table, &host(1), &offense("probe", 1000), at(500));
    assert_eq!(placed, NEW);
    for (mono, is_banned) in [(1499, true), (1500, false)] {
        let now = at(mono);
        for wall in [now.wall() - hour, now.wall(), now.wall() + hour] {
            let jumped = Now::new(now.mono(), wall);
            let ban = table.active(&host(1), jumped);
            assert_eq!(ban.is_some(), is_banned, "{mono}, {wall:?}");
            let until = table.records(jumped).first().map(|ban| ban.until);
            let expected = is_banned.then(|| wall + Duration::from_millis(1));
            assert_eq!(until, expected, "{mono}, {wall:?}");
        }
    }
}

#[test]
fn ban_ends_on_time() {
    let table = BanTable::new(10);
    assert_eq!(
        place(&table, &host(1), &offense("probe", 1000), at(500)),
        NEW
    );
    for (now, expected) in [
        (500, Some(1000)),
        (1499, Some(1)),
        (1500, None),
        (9000, None),
    ] {
        let expected = expected.map(|left| ("probe".to_owned(), left));
        assert_eq!(ban_of(&table, &host(1), now), expected, "{now}");
        assert_eq!(ban_of(&table, &host(2), now), None, "another client, {now}");
    }
    assert_eq!(
        place(&table, &host(1), &offense("again", 10), at(1500)),
        NEW
    );
    assert_eq!(ban_of(&table, &host(1), 1500), Some(("again".into(), 10)));
    assert_eq!(table.len(), 1);
}

#[test]
fn the_later_end_counts() {
    let table = BanTable::new(10);
    table.record_offense(&host(1), &offense("long", 1000), at(0));
    let outcome = place(&table, &host(1), &offense("short", 100), at(100));
    assert_eq!(outcome, Err(BanOutcome::AlreadyBanned));
    assert_eq!(ban_of(&table, &host(1), 100), Some(("long".into(), 900)));

    let outcome = place(&table, &host(1), &offense("longer", 2000), at(100));
    assert_eq!(outcome, Err(BanOutcome::AlreadyBanned));
    assert_eq!(ban_of(&table, &host(1), 100), Some(("longer".into(), 2000)));
    assert_eq!(
        table.remove_expired(at(1000)),
        0,
        "the earlier end is dropped"
    );
    assert_eq!(table.len(), 1);
}

#[test]
fn ipv6_client_is_banned_by_network() {
    let table = BanTable::new(10);
    table.record_offense(&client(addr("2001:db8::1")), &offense("probe", 1000), at(0));
    for (address, banned) in [
        ("2001:db8::2", true),
        ("2001:db8::ffff:0:0:1", true),
        ("2001:db8:0:1::1", false),
    ] {
        let found = table.active(&client(addr(address)), at(1));
        assert_eq!(found.is_some(), banned, "{address}");
    }
}

#[test]
fn full_table_evicts_the_ban_that_ends_first() {
    let table = BanTable::new(3);
    for (number, millis) in [(1, 300), (2, 100), (3, 200)] {
        assert_eq!(
            place(&table, &host(number), &offense("probe", millis), at(0)),
            NEW
        );
    }
    let outcome = place(&table, &host(4), &offense("probe", 400), at(50));
    assert_eq!(outcome, Ok(Some(host(2).network())));
    assert_eq!(ban_of(&table, &host(2), 50), None);

    let outcome = place(&table, &host(1), &offense("probe", 500), at(50));
    assert_eq!(
        outcome,
        Err(BanOutcome::AlreadyBanned),
        "a banned client takes no new entry"
    );

    let outcome = place(&table, &host(5), &offense("probe", 400), at(200));
    assert_eq!(
        outcome, NEW,
        "the ban of 3 has ended, so nothing is evicted"
    );
    assert_eq!(table.len(), 3);
}

#[test]
fn short_bans_displace_one_long_ban_and_then_each_other() {
    let table = BanTable::new(3);
    for number in [1, 2, 3] {
        table.record_offense(
            &host(number),
            &offense("long", 10_000),
            at(u64::from(number)),
        );
    }
    let short = offense("short", 100);
    assert_eq!(
        place(&table, &host(10), &short, at(10)),
        Ok(Some(host(1).network()))
    );
    for number in 11..50 {
        let now = at(u64::from(number));
        assert_eq!(
            place(&table, &host(number), &short, now),
            Ok(Some(host(number - 1).network()))
        );
        assert!(table.active(&host(number), now).is_some());
    }
    assert_eq!(place(&table, &host(50), &short, at(9000)), NEW);
    assert!(table.active(&host(2), at(9000)).is_some());
    assert!(table.active(&host(3), at(9000)).is_some());
}

#[test]
fn capacity_holds_against_ten_times_as_many_clients() {
    let capacity = 200;
    let table = BanTable::new(capacity);
    let mut model: Vec<(u64, ClientIp)> = Vec::new();
    for (now, number) in (0..).zip(scattered(2000)) {
        let millis = u64::from(number % 5000) + 5000;
        let nearest = model
            .iter()
            .min_by_key(|(end, client)| (*end, client.network()));
        let expected = match nearest.copied() {
            Some(nearest) if model.len() == capacity => {
                model.retain(|ban| *ban != nearest);
                Ok(Some(nearest.1.network()))
            }
            _ => NEW,
        };
        model.push((now + millis, host(number)));
        let outcome = place(&table, &host(number), &offense("probe", millis), at(now));
        assert_eq!(outcome, expected);
        assert!(table.len() <= capacity);
    }
    model.sort_by_key(|(end, client)| (*end, client.network()));
    let remaining: Vec<_> = model.iter().map(|(_, client)| client.network()).collect();
    let list = table.list(at(2000));
    assert_eq!(
        list.iter().map(|(net, _)| *net).collect::<Vec<_>>(),
        remaining
    );
    assert_eq!(remaining.len(), capacity);
}

#[test]
fn table_holds_at_least_one_ban() {
    let table = BanTable::new(0);
    assert_eq!(table.capacity(), 1);
    assert_eq!(place(&table, &host(1), &offense("probe", 100), at(0)), NEW);
    assert_eq!(
        place(&table, &host(2), &offense("probe", 100), at(0)),
        Ok(Some(host(1).network()))
    );
}

#[test]
fn remove_expired_drops_ended_bans() {
    let table = BanTable::new(10_000);
    for number in 0..5000 {
        table.record_offense(&host(number), &offense("probe", u64::from(number)), at(1));
    }
    assert_eq!(table.remove_expired(at(4000)), 4000);
    assert_eq!(table.len(), 1000);
    assert_eq!(table.list(at(0)).len(), 1000);
    assert_eq!(table.remove_expired(at(4000)), 0);
    assert_eq!(ban_of(&table, &host(4000), 4000), Some(("probe".into(), 1)));
}

#[test]
fn unban_removes_the_ban() {
    let table = BanTable::new(10);
    table.record_offense(&host(1), &offense("probe", 1000), at(0));
    assert!(table.unban(host(1).network(), UpdateOrigin::Operator));
    assert_eq!(ban_of(&table, &host(1), 0), None);
    assert!(!table.unban(host(1).network(), UpdateOrigin::Operator));
    assert!(table.is_empty());
    assert_eq!(place(&table, &host(1), &offense("probe", 1000), at(0)), NEW);
}

#[test]
fn list_is_sorted_by_remaining_time() {
    let table = BanTable::new(10);
    for (number, millis) in [(1, 300), (2, 100), (3, 200)] {
        table.record_offense(&host(number), &offense("probe", millis), at(0));
    }
    let list = table.list(at(100));
    let list: Vec<_> = list
        .iter()
        .map(|(net, ban)| (*net, ban.left.as_millis()))
        .collect();
    assert_eq!(list, [(host(3).network(), 100), (host(1).network(), 200)]);
}

#[test]
fn concurrent_writes_keep_the_table_consistent() {
    let table = BanTable::new(64);
    thread::scope(|scope| {
        for thread in 0..4_u32 {
            let table = &table;
            scope.spawn(move || {
                for (now, number) in (0..).zip(scattered(3000)) {
                    let client = client(Ipv6Addr::from_bits(u128::from(number % 512) << 64));
                    let millis = u64::from(number % 100);
                    match (number ^ thread) % 8 {
                        0 => drop(table.unban(client.network(), UpdateOrigin::Operator)),
                        1 => drop(table.remove_expired(at(now))),
                        2 => drop(table.active(&client, at(now))),
                        _ => {
                            table.record_offense(&client, &offense("probe", millis), at(now));
                        }
                    }
                    assert!(table.len() <= 64);
                }
            });
        }
    });
    assert!(!table.is_empty());
    table.remove_expired(at(2000));
    assert_eq!(
        table.list(at(2000)).len(),
        table.len(),
        "map and order agree"
    );
    table.remove_expired(at(1_000_000));
    assert!(table.is_empty());
    assert_eq!(table.list(at(0)), []);
}
