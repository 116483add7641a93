use std::{
    sync::{Arc, Mutex, Weak},
    time::{Duration, SystemTime},
};

use gabion_core::{
    AllowRecord, Attribution, BanOutcome, BanRecord, BanSnapshot, BanUpdate, ChangeListener,
    ClientIp, Mode, Now, Offense, OffenseRecorder as _, Placement, RuleId, UpdateOrigin,
};
use ipnet::IpNet;

use super::{addr, client};
use crate::{BanArbiter, BanConfig, BanSettings, BanTable, List, ban::escalation::Escalation};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

fn at(time: Duration) -> Now {
    Now::new(time, SystemTime::UNIX_EPOCH + 20_000 * DAY + time)
}

fn arbiter(config: &str) -> BanArbiter {
    let arbiter = BanArbiter::new(Arc::new(BanTable::new(1000)), 1000);
    let config = toml::from_str::<BanConfig>(config).unwrap();
    arbiter.configure(BanSettings::new(&config, &[]).unwrap());
    arbiter
}

fn placement(arbiter: &BanArbiter, client: &ClientIp, now: Now) -> Placement {
    let offense = Offense::certain(RuleId::builtin("probe"), 10 * MINUTE);
    match arbiter.record_offense(client, &offense, now) {
        BanOutcome::Banned(placement) => placement,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_further_ban_is_longer_up_to_the_longest() {
    let arbiter = arbiter("growth = 4\nlongest = '1d'");
    let client = client(addr("203.0.113.9"));
    let mut now = Duration::ZERO;
    for (offenses, minutes) in [(1, 10), (2, 40), (3, 160), (4, 640), (5, 1440), (6, 1440)] {
        let placed = placement(&arbiter, &client, at(now));
        assert_eq!(placed.offenses, offenses);
        let least = minutes * MINUTE;
        let most = if minutes == 1440 {
            least
        } else {
            least * 5 / 4
        };
        let length = placed.ban_for;
        assert!((least..=most).contains(&length), "{offenses}: {length:?}");
        assert!(offenses > 1 || length == least, "the first is exact");
        assert!(
            arbiter
                .table()
                .active(&client, at(now + length.checked_sub(MINUTE).unwrap()))
                .is_some()
        );
        now += length;
        assert!(arbiter.table().active(&client, at(now)).is_none());
    }
}

#[test]
fn offenses_of_requests_in_flight_together_count_once() {
    let escalation = Escalation::new(10);
    let client = client(addr("203.0.113.9"));
    let count = |time| escalation.count(&client, 10 * MINUTE, at(time)).offenses;
    let later = Duration::from_millis(300);
    assert_eq!(
        [count(MINUTE), count(MINUTE), count(MINUTE + later)],
        [1; 3]
    );
    assert_eq!(count(12 * MINUTE), 2);
}

#[test]
fn jitter_differs_by_client() {
    let arbiter = arbiter("");
    let mut lengths: Vec<_> = (1..=20)
        .map(|host| {
            let client = client(std::net::Ipv4Addr::new(192, 0, host, 1));
            placement(&arbiter, &client, at(Duration::ZERO));
            placement(&arbiter, &client, at(11 * MINUTE)).ban_for
        })
        .collect();
    lengths.sort();
    lengths.dedup();
    assert!(lengths.len() > 10, "{lengths:?}");
}

#[test]
fn half_of_the_offenses_are_forgotten_in_each_period() {
    let client = client(addr("203.0.113.9"));
    for (days, offenses) in [(6, 5), (8, 3), (15, 2), (29, 1)] {
        let arbiter = arbiter("growth = 1\nforget = '7d'");
        for offense in 0..4 {
            placement(&arbiter, &client, at(offense * 20 * MINUTE));
        }
        let placed = placement(&arbiter, &client, at(days * DAY));
        assert_eq!(placed.offenses, offenses, "after {days} days");
    }
}

#[test]
fn rule_with_longer_bans_keeps_their_length() {
    let arbiter = arbiter("longest = '5m'");
    let client = client(addr("203.0.113.9"));
    for now in [0, 20] {
        let placed = placement(&arbiter, &client, at(now * MINUTE));
        assert_eq!(placed.ban_for, 10 * MINUTE);
    }
}

#[test]
fn number_out_of_range_is_an_error() {
    for (text, expected) in [
        ("growth = 0", "invalid factor 0: write 1 to 100"),
        ("growth = 101", "invalid factor 101: write 1 to 100"),
        (
            "[neighbors]\nclients = 1",
            "invalid number of clients 1: write 2 to 16",
        ),
    ] {
        let error = toml::from_str::<BanConfig>(text).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

fn neighbor(host: u8) -> ClientIp {
    client(std::net::Ipv4Addr::new(203, 0, 113, host))
}

fn ban_neighbors(arbiter: &BanArbiter, hosts: std::ops::Range<u8>) -> Vec<Option<(IpNet, Mode)>> {
    hosts
        .map(|host| placement(arbiter, &neighbor(host), at(MINUTE)).surrounding)
        .collect()
}

#[test]
fn several_banned_neighbors_ban_their_network() {
    let network: IpNet = "203.0.113.0/24".parse().unwrap();
    for (mode, is_banned) in [("enforce", true), ("observe", false)] {
        let arbiter = arbiter(&format!("[neighbors]\nclients = 3\nmode = '{mode}'"));
        let surrounding = ban_neighbors(&arbiter, 1..4);
        assert_eq!(surrounding[..2], [None, None]);
        assert_eq!(surrounding[2].unwrap().0, network);
        let other = arbiter.table().active(&neighbor(200), at(2 * MINUTE));
        assert_eq!(other.is_some(), is_banned, "{mode}");
        let outside = client(addr("203.0.114.1"));
        assert!(arbiter.table().active(&outside, at(2 * MINUTE)).is_none());
        // It ends as the ban of the client does.
        assert!(
            arbiter
                .table()
                .active(&neighbor(200), at(11 * MINUTE))
                .is_none()
        );
    }
}

#[test]
fn neighbors_are_only_observed_by_default() {
    let arbiter = arbiter("");
    let surrounding = ban_neighbors(&arbiter, 1..9);
    assert_eq!(surrounding.iter().flatten().count(), 1);
    assert_eq!(surrounding[7].unwrap().1, Mode::Observe);
    assert!(arbiter.table().active(&neighbor(200), at(MINUTE)).is_none());
}

#[test]
fn shared_and_excepted_networks_are_never_banned_as_a_whole() {
    let config = "[neighbors]\nclients = 2\nmode = 'enforce'";
    let excepted = arbiter(&format!("{config}\nexcept = ['203.0.0.0/16']"));
    assert_eq!(ban_neighbors(&excepted, 1..9), [None; 8]);

    let shared = arbiter(config);
    shared.neighbors.record_good(&neighbor(77), 0);
    assert_eq!(ban_neighbors(&shared, 1..9), [None; 8]);

    // A page can cause forgeable offenses of any client.
    let forgeable = arbiter(config);
    for host in 1..9 {
        for path in 0..3 {
            let offense = Offense::certain(RuleId::builtin("probe"), MINUTE)
                .with_attribution(Attribution::Forgeable { path });
            forgeable.record_offense(&neighbor(host), &offense, at(MINUTE));
        }
    }
    assert_eq!(forgeable.table().len(), 8);
}

#[test]
fn listed_crawler_is_denied_but_never_banned() {
    let list = List::parse(
        "googlebot.json",
        r#"{"prefixes": [{"ipv4Prefix": "203.0.113.32/27"}]}"#,
    );
    let config = "files = [{ file = 'googlebot.json', effect = 'no-ban' }]\n[neighbors]\nclients = 2\nmode = 'enforce'";
    let config = toml::from_str::<BanConfig>(config).unwrap();
    let arbiter = BanArbiter::new(Arc::new(BanTable::new(1000)), 1000);
    arbiter.configure(BanSettings::new(&config, &[list.unwrap()]).unwrap());
    let offense = Offense::certain(RuleId::builtin("probe"), MINUTE);
    let outcome = arbiter.record_offense(&neighbor(37), &offense, at(MINUTE));
    assert!(matches!(outcome, BanOutcome::Withheld(_)), "{outcome:?}");
    // The rest of its /24 is banned client by client only.
    let surrounding: Vec<_> = (100..104)
        .map(|host| placement(&arbiter, &neighbor(host), at(MINUTE)).surrounding)
        .collect();
    assert_eq!(surrounding, [None; 4]);
}

#[derive(Default)]
struct Updates(Mutex<Vec<(BanUpdate, UpdateOrigin)>>);

impl ChangeListener for Updates {
    fn on_ban(&self, _client: IpNet) {}

    fn on_policy_replaced(&self) {}

    fn on_ban_update(&self, update: &BanUpdate, origin: UpdateOrigin) {
        self.0.lock().unwrap().push((update.clone(), origin));
    }
}

#[test]
fn exemption_lifts_bans_and_keeps_rules_from_banning() {
    let arbiter = arbiter("");
    let updates = Arc::new(Updates::default());
    let weak: Weak<Updates> = Arc::downgrade(&updates);
    arbiter.table().subscribe(weak);
    let client = client(addr("203.0.113.9"));
    placement(&arbiter, &client, at(MINUTE));
    let allow = AllowRecord {
        network: client.network(),
        reason: Some("a tester".into()),
        since: at(MINUTE).wall(),
        until: at(31 * MINUTE).wall(),
    };
    let lifted = arbiter.allow(&allow, UpdateOrigin::Operator, at(MINUTE));
    assert_eq!(lifted, [client.network()]);
    let offense = Offense::certain(RuleId::builtin("probe"), MINUTE);
    let outcome = |time| arbiter.record_offense(&client, &offense, at(time));
    assert!(matches!(outcome(30 * MINUTE), BanOutcome::Withheld(_)));
    assert!(matches!(outcome(31 * MINUTE), BanOutcome::Banned(_)));

    let updates = updates.0.lock().unwrap();
    let kinds: Vec<_> = updates
        .iter()
        .map(|(update, origin)| (std::mem::discriminant(update), *origin))
        .collect();
    let lifted = BanUpdate::Lifted(client.network());
    assert_eq!(kinds.len(), 4, "{updates:?}");
    assert!(matches!(
        updates[0],
        (BanUpdate::Banned(_), UpdateOrigin::Rule)
    ));
    assert!(matches!(
        updates[1],
        (BanUpdate::Allowed(_), UpdateOrigin::Operator)
    ));
    assert_eq!(updates[2], (lifted, UpdateOrigin::Operator));
    assert!(matches!(
        updates[3],
        (BanUpdate::Banned(_), UpdateOrigin::Rule)
    ));
}

#[test]
fn restored_state_is_that_of_the_snapshot() {
    let (old, client) = (arbiter("forget = '30d'"), client(addr("203.0.113.9")));
    placement(&old, &client, at(MINUTE));
    placement(&old, &client, at(12 * MINUTE));
    let snapshot = old.snapshot(at(13 * MINUTE));
    assert_eq!((snapshot.bans.len(), snapshot.offenses.len()), (1, 1));

    // Another process: its monotonic clock starts anew.
    let now = Now::new(Duration::ZERO, at(14 * MINUTE).wall());
    let new = arbiter("forget = '30d'");
    assert_eq!(new.restore(&snapshot, now), 1);
    let ban = new.table().active(&client, now).unwrap();
    assert_eq!((ban.by.as_str(), ban.offenses), ("probe", 2));
    assert_eq!(new.snapshot(now), snapshot);
    assert_eq!(new.offenses(client.network(), now), 2);

    // What has ended is not restored, but counts.
    let later = Now::new(Duration::ZERO, at(DAY).wall());
    let late = arbiter("forget = '30d'");
    assert_eq!(late.restore(&snapshot, later), 0);
    assert!(late.table().is_empty());
    assert_eq!(placement(&late, &client, later).offenses, 3);
}

#[test]
fn forgotten_client_has_no_history() {
    let (arbiter, client) = (arbiter(""), client(addr("203.0.113.9")));
    placement(&arbiter, &client, at(MINUTE));
    arbiter.forget(client.network(), UpdateOrigin::Operator);
    assert_eq!(arbiter.snapshot(at(MINUTE)), BanSnapshot::default());
    assert_eq!(placement(&arbiter, &client, at(MINUTE)).offenses, 1);
}

#[test]
fn bans_of_peers_are_within_the_budget() {
    let arbiter = arbiter("most_per_minute = 1");
    let add = |number: u16, since: Duration, offenses| {
        let [high, low] = number.to_be_bytes();
        let client = client(std::net::Ipv4Addr::new(192, high, low, 1));
        let record = BanRecord {
            network: client.network(),
            by: RuleId::builtin("probe"),
            reason: None,
            since: at(since).wall(),
            until: at(61 * MINUTE).wall(),
            offenses,
        };
        arbiter.add_from_peer(&client, &record, at(30 * MINUTE))
    };
    let outcome = |number| add(number, 29 * MINUTE, 2);
    let placed = |outcome: &BanOutcome| matches!(outcome, BanOutcome::Banned(_));
    // Ten times the maximum per minute, as for certain offenses.
    assert_eq!((0..50).map(outcome).filter(placed).count(), 10);
    assert_eq!(arbiter.table().len(), 10);
    let network = "192.0.0.1/32".parse().unwrap();
    assert_eq!(
        arbiter.offenses(network, at(30 * MINUTE)),
        2,
        "its history counts here too"
    );

    // What a new instance finds: bans of earlier times, and those of operators.
    assert!((1000..1900).all(|number| placed(&add(number, 20 * MINUTE, 1))));
    arbiter.table().unban_where(|_| true, UpdateOrigin::Peer);
    assert!((1000..1900).all(|number| placed(&add(number, 29 * MINUTE, 0))));
    assert!(!placed(&outcome(1)));
}
