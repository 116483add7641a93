//! An operator bans, unbans and exempts clients without an edit of the policy.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use gabion::{
    Guard,
    ban::{AllowRecord, BanOutcome, BanRecord, BanUpdate, Bans},
    event::{BanChange, Event},
    policy::{Candidate, SampleRequest},
};
use gabion_testkit::Recorder;

use crate::support::in_process::{get, guarded, probe};

const POLICY: &str = "version = 1\n[client]\ntrusted_proxies = ['198.51.100.0/24']\n";
const HOUR: Duration = Duration::from_hours(1);
/// The client of a request from the test support.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
const CLIENT_2: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 2));

fn guard() -> (Guard, Arc<Recorder>) {
    let events = Arc::new(Recorder::default());
    let guard = Guard::builder().with_sink(events.clone());
    (guard.with_policy(POLICY, "policy").unwrap(), events)
}

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn is_refused(guard: &Guard, client: &str) -> bool {
    let request = SampleRequest::new("GET /").unwrap().with_from(addr(client));
    guard.explain(&request).verdict.refuses()
}

#[test]
fn banned_client_is_refused_until_it_is_unbanned() {
    let (guard, events) = guard();
    let outcome = guard.ban(addr("203.0.113.9"), HOUR, "too many forms");
    assert!(matches!(outcome, BanOutcome::Banned(_)));
    assert!(is_refused(&guard, "203.0.113.9"));
    assert!(!is_refused(&guard, "203.0.113.10"));

    let [(network, ban)] = &guard.bans().list()[..] else {
        panic!("one ban")
    };
    assert_eq!(network.to_string(), "203.0.113.9/32");
    assert_eq!(
        (&ban.by, ban.reason.as_deref()),
        (&Bans::OPERATOR, Some("too many forms"))
    );
    let [Event::Ban(event)] = &events.take()[..] else {
        panic!("one event")
    };
    assert_eq!(
        (&event.change, event.offense.ban_for),
        (&BanChange::Placed, HOUR)
    );
    assert_eq!(event.offense.reason.as_deref(), Some("too many forms"));

    assert!(
        guard.unban(addr("::ffff:203.0.113.9")),
        "the same address, mapped"
    );
    assert!(!is_refused(&guard, "203.0.113.9"));
    assert!(
        !guard.unban(addr("203.0.113.9")),
        "there is no ban any more"
    );
}

#[test]
fn ipv6_client_is_banned_with_its_network() {
    let (guard, _events) = guard();
    guard.ban(addr("2001:db8:1:2::7"), HOUR, "scraper");
    assert!(is_refused(&guard, "2001:db8:1:2:ffff::1"));
    assert!(!is_refused(&guard, "2001:db8:1:3::7"));
    assert!(guard.unban(addr("2001:db8:1:2::99")));
    assert!(!is_refused(&guard, "2001:db8:1:2::7"));
}

#[test]
fn exempt_addresses_are_not_banned() {
    let (guard, events) = guard();
    for exempt in ["127.0.0.1", "192.168.0.7", "198.51.100.7"] {
        let outcome = guard.ban(addr(exempt), HOUR, "by mistake");
        assert!(
            matches!(outcome, BanOutcome::Withheld(_)),
            "{exempt}: {outcome:?}"
        );
    }
    assert!(guard.bans().is_empty());
    let withheld = |event: &Event| matches!(event, Event::Ban(event) if matches!(event.change, BanChange::Withheld(_)));
    let events = events.take();
    assert_eq!(events.iter().filter(|event| withheld(event)).count(), 3);
}

#[test]
fn exempted_client_passes_every_rule_for_its_time() {
    let policy = "version = 1\n[[deny]]\nid = 'dotfiles'\nnames = ['.env']\nthen = 'ban'\n";
    let server = guarded(policy);
    let probe = || probe("/.env");
    server.send(probe());
    assert_eq!(server.verdict("/"), "403 ban/timed");

    let lifted = server.guard.allow(CLIENT, HOUR, "our own scanner");
    assert_eq!(lifted, ["203.0.113.9/32".parse().unwrap()]);
    let answer = server.send(probe());
    assert_eq!(answer.status, 200);
    let texts = answer.event_texts().join("\n");
    assert!(
        texts.contains("allow/operator") && texts.contains("3600 s more"),
        "{texts}"
    );
    let stranger = get("/.env").from("203.0.113.10");
    assert_eq!(server.verdict(stranger), "403 dotfiles");

    server.clock.advance(HOUR);
    assert_eq!(server.verdict(probe()), "403 dotfiles");
    assert_eq!(server.verdict("/"), "403 ban/timed", "it is banned again");
    assert!(server.guard.allow(CLIENT, HOUR, "again").len() == 1);
    assert!(server.guard.disallow(CLIENT));
    assert_eq!(server.verdict(probe()), "403 dotfiles");
}

#[test]
fn bans_by_rule_are_lifted_together() {
    let (guard, _events) = guard();
    for host in 1..=3 {
        guard.ban(IpAddr::from([203, 0, 113, host]), HOUR, "scraper");
    }
    let lifted = guard
        .bans()
        .unban_where(|ban| ban.network.addr() != CLIENT_2);
    assert_eq!(lifted.len(), 2);
    let left = guard.bans().records();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].network.addr(), CLIENT_2);
}

#[test]
fn bans_are_restored_but_not_of_clients_that_are_exempt_by_now() {
    let (old, _events) = guard();
    old.ban(CLIENT, HOUR, "scraper");
    old.ban(addr("192.0.2.7"), HOUR, "a proxy of the next policy");
    let snapshot = old.ban_snapshot();
    assert_eq!(snapshot.bans.len(), 2);

    let policy = "version = 1\n[client]\ntrusted_proxies = ['192.0.2.0/24']\n";
    let new = Guard::from_policy(policy).unwrap();
    assert_eq!(new.restore(&snapshot), 1);
    assert!(is_refused(&new, "203.0.113.9"));
    let ban = new.bans().find(CLIENT).unwrap();
    assert_eq!(ban.reason.as_deref(), Some("scraper"));
}

#[test]
fn changes_of_other_instances_obey_the_own_policy() {
    let (other, _events) = guard();
    let record = |network: &str| BanRecord {
        network: network.parse().unwrap(),
        by: Bans::OPERATOR,
        reason: None,
        since: other.now().wall(),
        until: other.now().wall_after(HOUR),
        offenses: 0,
    };
    let (guard, _events) = guard();
    let apply = |network| guard.apply_from_peer(&BanUpdate::Banned(record(network)));
    assert_eq!(apply("203.0.113.9/32"), Ok(()));
    assert_eq!(apply("203.0.112.0/24"), Ok(()));
    assert!(is_refused(&guard, "203.0.113.9"));
    assert!(is_refused(&guard, "203.0.112.77"));
    for refused in [
        "198.51.100.7/32",
        "10.0.0.1/32",
        "203.0.0.0/16",
        "0.0.0.0/0",
        "::/0",
        "2001::/32",
    ] {
        assert!(apply(refused).is_err(), "{refused}");
    }
    assert_eq!(guard.bans().len(), 2);

    // An exemption of many clients would lift all their bans.
    let allow = AllowRecord {
        network: "203.0.0.0/16".parse().unwrap(),
        reason: None,
        since: other.now().wall(),
        until: other.now().wall_after(HOUR),
    };
    assert!(guard.apply_from_peer(&BanUpdate::Allowed(allow)).is_err());
    assert_eq!(guard.bans().len(), 2);

    let lift = BanUpdate::Lifted("203.0.113.9/32".parse().unwrap());
    assert_eq!(guard.apply_from_peer(&lift), Ok(()));
    assert!(!is_refused(&guard, "203.0.113.9"));
}

#[test]
fn imported_bans_are_counted_by_what_became_of_them() {
    let (guard, _events) = guard();
    guard.ban(addr("203.0.113.9"), HOUR, "before");
    let now = guard.now();
    let ban = |network: &str, left: Duration| BanRecord {
        network: network.parse().unwrap(),
        by: Bans::OPERATOR,
        reason: None,
        since: now.wall(),
        until: now.wall_after(left),
        offenses: 0,
    };
    let imported = guard.import(&[
        ban("203.0.113.9/32", 2 * HOUR),
        ban("203.0.113.10/32", HOUR),
        ban("203.0.113.11/32", Duration::ZERO),
        ban("198.51.100.7/32", HOUR),
        ban("203.0.0.0/16", HOUR),
    ]);
    assert_eq!(
        (
            imported.already_banned,
            imported.placed,
            imported.ended,
            imported.exempt
        ),
        (1, 1, 1, 2)
    );
    assert!(is_refused(&guard, "203.0.113.10"));
    assert!(!is_refused(&guard, "203.0.113.12"), "a /16 is not banned");
    assert!(guard.find_ban(addr("203.0.113.9")).unwrap().left > HOUR);
    assert!(guard.find_ban(addr("203.0.113.11")).is_none());
}

#[test]
fn last_rejected_policy_is_kept_until_another_is_in_force() {
    let (guard, _events) = guard();
    assert_eq!(guard.rejected_policy(), None);
    guard.replace("version = 1\n[alow]\n").unwrap_err();
    let rejected = guard.rejected_policy().unwrap();
    assert!(rejected.errors.contains("did you mean `allow`?"));
    assert_eq!(guard.generation(), 0);
    guard.replace(POLICY).unwrap();
    assert_eq!((guard.rejected_policy(), guard.generation()), (None, 1));
}

#[test]
fn check_of_a_reload_takes_no_effect_and_names_what_would_be_lost() {
    let (guard, events) = guard();
    let report = guard
        .check_reload(Candidate::Text("version = 1\n"))
        .unwrap();
    assert!(report.shrinks);
    let warning = report.warnings[0].message();
    assert!(
        warning.contains("198.51.100.0/24 from [client] trusted_proxies"),
        "{warning}"
    );
    let more = format!("{POLICY}[[deny]]\nid = 'php'\nextensions = ['php']\n");
    assert!(!guard.check_reload(Candidate::Text(&more)).unwrap().shrinks);
    guard
        .check_reload(Candidate::Text("version = 2"))
        .unwrap_err();
    // It did not come from a file.
    guard.check_reload(Candidate::OwnFile).unwrap_err();
    assert_eq!((guard.generation(), guard.rejected_policy()), (0, None));
    assert!(events.take().is_empty());
    assert_eq!(guard.document().client.trusted_proxies.len(), 1);
}
