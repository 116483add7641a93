//! An operator bans and unbans clients without an edit of the policy.

use std::{net::IpAddr, sync::Arc, time::Duration};

use gabion::{
    Guard,
    ban::{BanOutcome, Bans},
    event::{BanChange, Event},
    policy::SampleRequest,
};
use gabion_testkit::Recorder;

const POLICY: &str = "version = 1\n[client]\ntrusted_proxies = ['198.51.100.0/24']\n";
const HOUR: Duration = Duration::from_hours(1);

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
    assert_eq!(event.change, BanChange::Placed);
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
