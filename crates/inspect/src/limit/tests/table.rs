use super::*;

#[test]
fn state_outlives_policies_but_not_slower_rates() {
    let table = Arc::new(LimitTable::new(100));
    assert_eq!(passed(&in_table(&table, "rate = '5/s'"), 9, |_| page()), 5);
    // If time began with each limiter, the quota would be full again.
    let later = |ms| page().at(Duration::from_millis(ms));
    let again = in_table(&table, "rate = '5/s'");
    assert_eq!(passed(&again, 9, |_| later(400)), 2);
    let hourly = in_table(&table, "rate = '2/h'");
    assert_eq!(passed(&hourly, 9, |_| page().from("203.0.113.10")), 2);
    let loosened = in_table(&table, "rate = '2/s'");
    let other = |ms| later(ms).from("203.0.113.10");
    assert_eq!(passed(&loosened, 9, |_| other(1_000)), 0, "used up");
    assert_eq!(
        passed(&loosened, 9, |_| other(1_500)),
        1,
        "but not for an hour"
    );
    assert_eq!(passed(&loosened, 9, |_| other(3_000)), 2);
}

#[test]
fn blank_table_stores_nothing() {
    let table = Arc::new(LimitTable::blank());
    assert_eq!(passed(&in_table(&table, "rate = '1/h'"), 9, |_| page()), 9);
    assert_eq!((table.len(), table.memory()), (0, 0));
}

#[test]
fn full_table_evicts_keys_seen_once_and_keeps_frequent_keys() {
    let table = Arc::new(LimitTable::new(1_000));
    let limit = in_table(&table, "rate = '1/h'");
    assert!(passes(&limit, &page()));
    for n in 0..100_000_u32 {
        let addr = std::net::Ipv4Addr::from(0x2d00_0000 + n).to_string();
        assert!(passes(&limit, &page().from(&addr)), "{addr}");
        if n % 100 == 0 {
            assert!(!passes(&limit, &page()), "after {n}");
        }
    }
    assert_eq!(table.memory(), 1_000 * 32, "{table:?}");
    assert!((1_000..=2_000).contains(&table.len()), "{table:?}");
}

#[test]
fn used_up_quota_survives_a_flood_of_other_keys() {
    let table = Arc::new(LimitTable::new(100));
    let limit = in_table(&table, "rate = '5/m'");
    assert_eq!(passed(&limit, 9, |_| page()), 5);
    for n in 0..10_000_u32 {
        let addr = std::net::Ipv4Addr::from(0x2d00_0000 + n).to_string();
        assert!(passes(&limit, &page().from(&addr)), "{addr}");
    }
    assert!(!passes(&limit, &page()));
}

#[test]
fn concurrent_checks_count_each_request_once() {
    let table = Arc::new(LimitTable::new(10));
    let limit = in_table(&table, "rate = '500/h'");
    let ask = || passed(&limit, 400, |_| page());
    let passed: usize = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        asking
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(passed, 500);
}

#[test]
fn check_does_not_allocate() {
    let keys = [
        "'client'",
        "'prefix'",
        "'global'",
        "'header:x-key'",
        "'cookie:sid'",
        "'path'",
        "'host'",
        "['client', 'path:1']",
    ];
    for key in keys {
        let limit = limit(&format!("rate = '2/m'\nkey = {key}\npaths = ['/a']"));
        let head = OwnedHead::get("/a/b")
            .header("x-key", "k")
            .header("cookie", "sid=x");
        let rules = ClientRules::default();
        let facts = head.facts(&rules);
        let mut state = RequestState::new(&facts);
        for request in ["first", "known client"] {
            let mut verdict = Verdict::Pass;
            let counted =
                allocation_counter::measure(|| verdict = limit.inspect(&facts, &mut state));
            assert_eq!(verdict, Verdict::Pass, "{key}");
            assert_eq!(counted.count_total, 0, "{key}: {request}");
        }
        assert!(limit.inspect(&facts, &mut state).refuses(), "{key}");
    }
}
