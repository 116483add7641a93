use std::{sync::Arc, time::Duration};

use gabion_core::{
    Attribution, BanOutcome, ClientIp, ClientRules, Offense, OffenseRecorder, Outcome, Placement,
    RequestState, RuleId,
};
use gabion_testkit::OwnedHead;
use http::StatusCode;
use proptest::prelude::*;

use super::{addr, at, client, scattered, v4, v6};
use crate::{
    BanArbiter, BanConfig, BanTable,
    ban::{
        activity::Activity,
        budget::{BanBudget, Claim},
    },
};

fn arbiter(clients: usize) -> BanArbiter {
    BanArbiter::new(Arc::new(BanTable::new(1000)), clients)
}

fn offense(attribution: Attribution) -> Offense {
    Offense::certain(RuleId::builtin("dotfiles"), Duration::from_mins(10))
        .with_attribution(attribution)
}

#[test]
fn attribution_decides_the_outcome() {
    let arbiter = arbiter(10);
    let client = client(addr("203.0.113.9"));
    let ban = |attribution| arbiter.record_offense(&client, &offense(attribution), at(0));
    let path = |path| ban(Attribution::Forgeable { path });
    for (got, expected) in [
        (
            path(1),
            BanOutcome::Suspected {
                paths: 1,
                needed: 3,
            },
        ),
        (
            path(1),
            BanOutcome::Suspected {
                paths: 1,
                needed: 3,
            },
        ),
        (
            ban(Attribution::CrossSite),
            BanOutcome::Withheld("a page of another origin caused the request"),
        ),
        (
            path(2),
            BanOutcome::Suspected {
                paths: 2,
                needed: 3,
            },
        ),
        (
            path(3),
            BanOutcome::Banned(Placement::new(Duration::from_mins(10))),
        ),
        (path(4), BanOutcome::AlreadyBanned),
        (ban(Attribution::Certain), BanOutcome::AlreadyBanned),
    ] {
        assert_eq!(got, expected);
    }
}

#[test]
fn opened_websocket_gives_good_standing_for_two_periods() {
    let arbiter = arbiter(10);
    let head = OwnedHead::get("/ws");
    let facts = head.facts(&ClientRules::default());
    let state = RequestState::new(&facts);
    let outcome = |status| Outcome::new(status, None, Duration::ZERO);
    let ban = |secs| {
        let offense = offense(Attribution::Forgeable { path: secs });
        arbiter.record_offense(&facts.client, &offense, at(secs * 1000))
    };
    arbiter.record(&state, &outcome(StatusCode::NOT_FOUND));
    assert_eq!(
        ban(1),
        BanOutcome::Suspected {
            paths: 1,
            needed: 3
        }
    );
    arbiter.record(&state, &outcome(StatusCode::SWITCHING_PROTOCOLS));
    assert!(matches!(ban(3599), BanOutcome::Withheld(_)));
    assert!(matches!(ban(14_399), BanOutcome::Withheld(_)));
    assert!(matches!(ban(14_400), BanOutcome::Suspected { .. }));
}

#[test]
fn flood_of_suspects_is_bounded_and_keeps_frequent_clients() {
    let arbiter = arbiter(100);
    let suspect = |addr, path| {
        let offense = offense(Attribution::Forgeable { path });
        arbiter.record_offense(&client(addr), &offense, at(0))
    };
    let mut outcomes = Vec::new();
    for (index, number) in (0..).zip(scattered(10_000)) {
        suspect(std::net::Ipv4Addr::from_bits(number).into(), 1);
        if index % 50 == 0 {
            outcomes.push(suspect(addr("203.0.113.9"), 1));
        }
    }
    assert!(
        format!("{arbiter:?}").contains("suspects: 100"),
        "{arbiter:?}"
    );
    let banned = outcomes
        .iter()
        .position(|outcome| matches!(outcome, BanOutcome::Banned(_)));
    assert_eq!(banned, Some(16), "{outcomes:?}");
}

#[test]
fn repeated_path_counts_as_another_at_every_eighth_repetition() {
    let arbiter = arbiter(10);
    let offense = offense(Attribution::Forgeable { path: 1 });
    let outcomes =
        (0..17).map(|_| arbiter.record_offense(&client(addr("203.0.113.9")), &offense, at(0)));
    let paths = outcomes.map(|outcome| match outcome {
        BanOutcome::Suspected { paths, .. } => paths,
        BanOutcome::Banned(_) => 3,
        other => panic!("{other:?}"),
    });
    let expected = [[1; 8], [2; 8]].concat();
    assert_eq!(paths.collect::<Vec<_>>(), [&expected[..], &[3]].concat());
}

#[test]
fn good_standing_ends_two_periods_after_its_last_responses() {
    let arbiter = arbiter(10);
    let rules = ClientRules::default();
    let serve = |from: u64, hours: u64| {
        for length in from..from + 10 {
            let head = OwnedHead::get("/").at(Duration::from_hours(hours));
            let outcome = Outcome::new(StatusCode::OK, None, Duration::ZERO);
            let outcome = outcome.with_length(Some(100 + length * 37));
            arbiter.record(&RequestState::new(&head.facts(&rules)), &outcome);
        }
    };
    let is_good = |hours: u64| {
        let offense = offense(Attribution::Forgeable { path: hours });
        let client = OwnedHead::get("/").facts(&rules).client;
        let outcome = arbiter.record_offense(&client, &offense, at(hours * 3_600_000));
        matches!(outcome, BanOutcome::Withheld(_))
    };
    serve(0, 0);
    serve(20, 0);
    assert!(is_good(0) && is_good(3));
    // A client that goes on to be served stays in good standing.
    serve(0, 3);
    serve(20, 3);
    assert!(is_good(4) && is_good(5));
    assert!(!is_good(6));
}

#[test]
fn flood_of_served_clients_drops_no_client_in_good_standing() {
    let arbiter = arbiter(100);
    let rules = ClientRules::default();
    let serve = |from: &str, path: &str| {
        let head = OwnedHead::get(path).from(from);
        let outcome = Outcome::new(StatusCode::OK, None, Duration::ZERO);
        arbiter.record(&RequestState::new(&head.facts(&rules)), &outcome);
    };
    for number in 0..30 {
        serve("203.0.113.9", &format!("/{number}"));
    }
    for number in scattered(10_000) {
        serve(&std::net::Ipv4Addr::from_bits(number).to_string(), "/a");
        serve(&std::net::Ipv4Addr::from_bits(number).to_string(), "/b");
    }
    let offense = offense(Attribution::Forgeable { path: 1 });
    let outcome = arbiter.record_offense(&client(addr("203.0.113.9")), &offense, at(0));
    assert!(matches!(outcome, BanOutcome::Withheld(_)), "{outcome:?}");
}

proptest! {
    #[test]
    fn responses_that_take_no_lock_change_no_standing(
        history in prop::collection::vec((0..2_u64, 0..14_u64, prop::sample::select(vec![0, 0, 0, 0, 0, 1])), 0..80),
    ) {
        let play = |before_each: &dyn Fn(&BanArbiter)| {
            let (arbiter, rules) = (arbiter(10), ClientRules::default());
            let mut hours = 0;
            let play = |&(client, length, passed): &(u64, u64, u64)| {
                hours += passed;
                before_each(&arbiter);
                let head = OwnedHead::get("/").at(Duration::from_hours(hours));
                let head = head.from(&format!("203.0.113.{client}"));
                let outcome = Outcome::new(StatusCode::OK, None, Duration::ZERO);
                let outcome = outcome.with_length(Some(100 + length * 37));
                let state = RequestState::new(&head.facts(&rules));
                arbiter.record(&state, &outcome);
                let page = offense(Attribution::Forgeable { path: 1 });
                let outcome = arbiter.record_offense(state.client(), &page, state.now());
                matches!(outcome, BanOutcome::Withheld(_))
            };
            history.iter().map(play).collect::<Vec<_>>()
        };
        prop_assert_eq!(play(&|_| {}), play(&|arbiter| arbiter.standings.counted.clear()));
    }
}

#[test]
fn good_standing_takes_responses_that_differ() {
    let arbiter = arbiter(10);
    let rules = ClientRules::default();
    let served = |length: Option<u64>, path: &str| {
        let head = OwnedHead::get(path);
        let facts = head.facts(&rules);
        let outcome = Outcome::new(StatusCode::OK, None, Duration::ZERO).with_length(length);
        arbiter.record(&RequestState::new(&facts), &outcome);
    };
    let is_good = || {
        let offense = offense(Attribution::Forgeable { path: 1 });
        let client = OwnedHead::get("/").facts(&rules).client;
        matches!(
            arbiter.record_offense(&client, &offense, at(0)),
            BanOutcome::Withheld(_)
        )
    };
    for number in 0..100 {
        served(Some(1234), &format!("/{number}"));
        served(None, "/stream");
    }
    assert!(!is_good(), "one page for every path, and one path");
    for number in 0..7 {
        served(Some(100 + number), "/api");
    }
    assert!(!is_good(), "nine responses");
    for number in 0..6 {
        served(None, &format!("/{number}"));
    }
    assert!(is_good());
}

#[test]
fn active_clients_are_estimated_by_span() {
    for clients in [0, 1, 50, 1_000, 50_000, 200_000] {
        let activity = Activity::default();
        for number in scattered(clients) {
            for _ in 0..2 {
                let addr = std::net::IpAddr::from(number.to_be_bytes());
                activity.record(ClientIp::key_of(addr.into()), 7);
            }
        }
        let estimate = activity.estimate(7);
        let error = (estimate - f64::from(clients)).abs();
        assert!(
            error <= f64::from(clients) * 0.03,
            "{estimate} for {clients}"
        );
        assert!(
            (activity.estimate(8) - estimate).abs() < 0.5,
            "the previous span counts"
        );
        assert!(activity.estimate(9) < 0.5, "earlier spans do not");
    }
}

#[test]
fn ban_budget_is_per_minute_and_reported_once() {
    let budget = BanBudget::default();
    budget.set(&BanConfig {
        most_per_minute: 2,
        ..BanConfig::default()
    });
    let claim = |is_certain| Claim {
        client: v4(u32::from(is_certain) << 8, 32),
        is_certain,
        is_served: false,
    };
    for minute in 0..3 {
        let take = |is_certain| budget.take(claim(is_certain), at(minute * 60_000));
        assert_eq!((take(false), take(false)), (Ok(()), Ok(())));
        assert!(matches!(take(false), Err(Some(_))));
        assert_eq!((take(false), take(false)), (Err(None), Err(None)));
        assert_eq!(take(true), Ok(()), "a budget of its own");
    }
}

#[test]
fn ban_budget_of_a_network_ends_after_ten_minutes() {
    for (inside, outside) in [
        (v4(0xcb00_7109, 32), v4(0xcb00_7209, 32)),
        (
            v6(0x2001_0db8_0001_0002 << 64, 64),
            v6(0x2001_0db8_0002_0002 << 64, 64),
        ),
        (
            v6(0x2001_0db8_0001_0000 << 64, 44),
            v6(0x2001_0db8_0010_0000 << 64, 44),
        ),
    ] {
        let budget = BanBudget::default();
        let take = |client, is_certain, secs: u64| {
            let claim = Claim {
                client,
                is_certain,
                is_served: false,
            };
            budget.take(claim, at(secs * 1000)).is_ok()
        };
        let taken = (0..50).filter(|number| take(inside, number % 2 == 0, 0));
        assert_eq!(taken.count(), 16, "{inside}");
        assert!(!take(inside, true, 599) && take(outside, true, 599));
        assert!(take(inside, true, 600));
    }
}
