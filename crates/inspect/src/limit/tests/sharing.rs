use gabion_core::LimitCount;

use super::*;

const SECRET: [u64; 2] = [7, 11];

/// The time between two exchanges of the test.
const INTERVAL: u64 = 200;

/// Instances of a service, each with its own counters.
struct Instances {
    limits: Vec<Limit>,
    tables: Vec<Arc<LimitTable>>,
}

impl Instances {
    fn new(toml: &str) -> Self {
        let tables: Vec<_> = (0..3).map(|_| Arc::new(LimitTable::new(1_000))).collect();
        let limits = tables.iter().map(|table| {
            table.share_by(SECRET);
            in_table(table, toml)
        });
        Self {
            limits: limits.collect(),
            tables,
        }
    }

    /// Gives each instance what the others counted in the last interval.
    fn exchange(&self, now: u64) {
        let taken = self.tables.iter().map(taken).collect::<Vec<_>>();
        for (from, counts) in taken.iter().enumerate() {
            for (to, table) in self.tables.iter().enumerate().filter(|(to, _)| *to != from) {
                let added =
                    table.add_counts(counts, millis(now.saturating_sub(INTERVAL)), millis(now));
                assert_eq!(added, counts.len(), "from {from} to {to}");
            }
        }
    }

    /// Sends a request each `every` milliseconds for `seconds`, in turn to each instance, and returns how many
    /// pass.
    fn passed(&self, every: u64, seconds: u64) -> u64 {
        let (mut passed, mut exchanged) = (0, 0);
        for (n, now) in (0..seconds * 1_000)
            .step_by(usize::try_from(every).unwrap())
            .enumerate()
        {
            while exchanged + INTERVAL <= now {
                exchanged += INTERVAL;
                self.exchange(exchanged);
            }
            passed += u64::from(passes(&self.limits[n % 3], &page().at(millis(now))));
        }
        passed
    }
}

fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn taken(table: &Arc<LimitTable>) -> Vec<LimitCount> {
    let mut counts = Vec::new();
    table.take_counts(&mut counts);
    counts
}

#[test]
fn instances_together_admit_a_burst_and_the_rate() {
    let (rate, burst) = (20, 40);
    for seconds in [1, 3, 30, 300] {
        let instances = Instances::new("rate = '20/s'\nburst = 40");
        let passed = instances.passed(4, seconds);
        let exact = burst + rate * seconds;
        // What the others let pass in one interval, before an instance hears of it.
        let unheard = 250 * INTERVAL / 1_000;
        assert!(
            (exact - rate..=exact + unheard).contains(&passed),
            "{passed} in {seconds} s, exact {exact}"
        );
    }
}

#[test]
fn short_bursts_admit_the_rate_in_the_long_run() {
    // An empty quota refills within an interval.
    let passed = Instances::new("rate = '20/s'\nburst = 1").passed(2, 100);
    assert!((1_900..=2_050).contains(&passed), "{passed}");
}

#[test]
fn client_below_the_rate_is_never_denied() {
    for (toml, every) in [
        ("rate = '20/s'\nburst = 10", 51),
        ("rate = '10/m'\nburst = 3", 6_010),
    ] {
        let instances = Instances::new(toml);
        let passed = instances.passed(every, 100);
        assert_eq!(passed, 100_000_u64.div_ceil(every), "{toml}");
    }
}

#[test]
fn all_keys_of_a_rule_are_shared_and_hashed() {
    for key in [
        "'client'",
        "'prefix'",
        "'global'",
        "'header:x-key'",
        "['client', 'path:1']",
    ] {
        let instances = Instances::new(&format!("rate = '2/m'\nkey = {key}"));
        let request = page().header("x-key", "a-secret");
        assert!(passes(&instances.limits[0], &request), "{key}");
        assert!(passes(&instances.limits[1], &request), "{key}");
        instances.exchange(INTERVAL);
        let later = || request.clone().at(millis(INTERVAL));
        for (n, limit) in instances.limits.iter().enumerate() {
            assert!(!passes(limit, &later()), "{key}: instance {n}");
        }
    }
}

#[test]
fn counts_toward_a_ban_and_of_responses_are_shared() {
    let instances = Instances::new("rate = '2/m'\nthen = 'ban'");
    let tool = || page().header("user-agent", "curl/8.0");
    assert!(passes(&instances.limits[0], &tool()) && passes(&instances.limits[1], &tool()));
    instances.exchange(INTERVAL);
    let denial = denial(&instances.limits[2], &tool().at(millis(INTERVAL)));
    assert!(denial.offense.is_some(), "{denial}");

    let instances = Instances::new("rate = '2/m'\nstatuses = [401]");
    for limit in &instances.limits[..2] {
        let (_, state) = judged(limit, &page());
        let outcome = Outcome::new(StatusCode::UNAUTHORIZED, None, Duration::ZERO);
        limit.on_response(&state, &outcome, &mut Findings::default());
    }
    assert!(passes(&instances.limits[2], &page()));
    instances.exchange(INTERVAL);
    assert!(!passes(&instances.limits[2], &page().at(millis(INTERVAL))));
}

#[test]
fn other_rules_and_unknown_quotas_are_ignored() {
    let one = Instances::new("rate = '2/m'");
    assert!(passes(&one.limits[0], &page()));
    let counts = taken(&one.tables[0]);
    assert_eq!(counts.len(), 1);
    let now = millis(INTERVAL);
    for toml in [
        "rate = '3/m'",
        "rate = '2/m'\nburst = 3",
        "rate = '2/m'\nkey = 'prefix'",
        "rate = '2/m'\nshared = 'off'",
    ] {
        let other = Instances::new(toml);
        let added = other.tables[0].add_counts(&counts, Duration::ZERO, now);
        assert_eq!(added, 0, "{toml}");
        assert!(other.tables[0].is_empty(), "{toml}");
    }
    let table = &one.tables[1];
    assert_eq!(table.add_counts(&counts, Duration::ZERO, now), 1);
    drop(one.limits);
    assert_eq!(
        table.add_counts(&counts, Duration::ZERO, now),
        0,
        "no policy has it"
    );
}

#[test]
fn nothing_is_counted_for_others_without_a_secret_or_by_an_exempt_client() {
    let table = Arc::new(LimitTable::new(100));
    let alone = in_table(&table, "rate = '2/m'");
    assert!(passes(&alone, &page()));
    assert_eq!((taken(&table).len(), table.secret()), (0, None));
    table.share_by(SECRET);
    assert!(passes(&alone, &page().from("127.0.0.1")));
    assert_eq!(taken(&table), []);
    let off = in_table(&table, "rate = '2/m'\nshared = 'off'");
    assert!(passes(&off, &page()));
    assert_eq!(taken(&table), []);
    assert!(passes(&alone, &page()));
    assert_eq!(taken(&table).len(), 1);
    assert_eq!(taken(&table), [], "they were taken");
}

#[test]
fn shared_quota_survives_a_reload_with_another_rate() {
    let table = Arc::new(LimitTable::new(100));
    table.share_by(SECRET);
    assert_eq!(passed(&in_table(&table, "rate = '5/m'"), 9, |_| page()), 5);
    assert!(!passes(&in_table(&table, "rate = '6/m'"), &page()));
}

#[test]
fn counts_do_not_name_clients_to_those_without_the_secret() {
    let key_of = |secret| {
        let table = Arc::new(LimitTable::new(100));
        table.share_by(secret);
        let limit = in_table(&table, "rate = '2/m'");
        assert!(passes(&limit, &page()));
        taken(&table)[0].key
    };
    assert_eq!(key_of(SECRET), key_of(SECRET));
    assert_ne!(key_of(SECRET), key_of([7, 12]));
    assert_ne!(key_of(SECRET), key_of([8, 11]));
}

#[test]
fn flood_of_keys_is_counted_in_fixed_memory() {
    let table = Arc::new(LimitTable::new(1_000));
    table.share_by(SECRET);
    let limit = in_table(&table, "rate = '9/m'");
    for n in 0..100_000_u32 {
        let addr = std::net::Ipv4Addr::from(0x2d00_0000 + n).to_string();
        assert!(passes(&limit, &page().from(&addr)), "{addr}");
    }
    let counts = taken(&table);
    assert!(
        (16_000..=16_384).contains(&counts.len()),
        "{}",
        counts.len()
    );
    assert_eq!(counts.len() as u64 + table.uncounted(), 100_000);
}

#[test]
fn check_with_other_instances_does_not_allocate() {
    let table = Arc::new(LimitTable::new(1_000));
    table.share_by(SECRET);
    for key in ["'client'", "'header:x-key'"] {
        let limit = in_table(&table, &format!("rate = '9/m'\nkey = {key}"));
        let head = page().header("x-key", "k");
        let rules = ClientRules::default();
        let facts = head.facts(&rules);
        let mut state = RequestState::new(&facts);
        let counted = allocation_counter::measure(|| {
            assert_eq!(limit.inspect(&facts, &mut state), Verdict::Pass);
        });
        assert_eq!(counted.count_total, 0, "{key}");
    }
}

#[test]
fn request_that_passes_an_exact_limit_waits_for_a_decision() {
    let table = Arc::new(LimitTable::new(1_000));
    let limit = in_table(
        &table,
        "rate = '6/m'\nburst = 2\ncost = 2\nshared = 'exact'",
    );
    let later = |ms| page().at(millis(ms));
    let checks = |head: &OwnedHead| judged(&limit, head).1.take_remote_checks();
    assert_eq!(checks(&page()).len(), 0, "no other instance");
    table.share_by(SECRET);
    let found = checks(&later(20_000));
    let [check] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!((check.burst, check.count.units), (2, 2));
    assert_eq!(check.interval, 10 * SECOND);
    assert_eq!(check.denial.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(checks(&later(20_000)).len(), 0, "over the limit here");
    assert_eq!(checks(&later(40_000).from("127.0.0.1")).len(), 0, "exempt");
    assert_eq!(taken(&table), [], "not exchanged otherwise");
}

#[test]
fn exact_limit_cannot_count_responses() {
    let rules = [rule("rate = '1/s'\nstatuses = [401]\nshared = 'exact'")];
    let errors = rules.compile(&Context::new(&State::scratch())).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "limit[0].shared: invalid value `exact`: a limit with `statuses` counts after the response: write \
         `approximate`"
    );
}

#[test]
fn late_counts_are_those_of_their_time() {
    let instances = Instances::new("rate = '5/s'");
    assert_eq!(passed(&instances.limits[0], 9, |_| page()), 5);
    let counts = taken(&instances.tables[0]);
    // Arrived after a second, in which they were refilled.
    instances.tables[1].add_counts(&counts, Duration::ZERO, SECOND);
    assert_eq!(passed(&instances.limits[1], 9, |_| page().at(SECOND)), 5);
}
