mod ban;
mod budget;
mod counting;
mod decisions;
mod key;
mod rate;
mod sharing;
mod table;

use crate::State;
use std::{num::NonZeroU32, time::Duration};

use gabion_core::{ClientRules, Denial, Mode, Quota, RuleId};
use gabion_testkit::OwnedHead;
use http::StatusCode;

use super::{gcra::Gcra, *};

const SECOND: Duration = Duration::from_secs(1);

/// Parses a limit in enforce mode.
fn rule(toml: &str) -> LimitRule {
    toml::from_str(&format!("id = 'x'\nmode = 'enforce'\n{toml}")).unwrap()
}

fn limit(toml: &str) -> Limit {
    in_table(&LimitTable::new(10_000).into(), toml)
}

fn in_table(table: &Arc<LimitTable>, toml: &str) -> Limit {
    [rule(toml)]
        .compile(&Context::new(&State::scratch().with_limits(table.clone())))
        .unwrap()
}

fn judged(limit: &Limit, head: &OwnedHead) -> (Verdict, RequestState) {
    let proxies = ["10.0.0.0/8".parse().unwrap()];
    let rules = ClientRules::default().with_trusted(proxies).unwrap();
    let facts = head.facts(&rules);
    let mut state = RequestState::new(&facts);
    (limit.inspect(&facts, &mut state), state)
}

fn passes(limit: &Limit, head: &OwnedHead) -> bool {
    judged(limit, head).0 == Verdict::Pass
}

/// Returns the number of concurrent requests that pass, of `count` requests made by `head`.
fn passed(limit: &Limit, count: u32, head: impl Fn(u32) -> OwnedHead) -> usize {
    (0..count).filter(|&n| passes(limit, &head(n))).count()
}

fn page() -> OwnedHead {
    OwnedHead::get("/")
}

fn denial(limit: &Limit, head: &OwnedHead) -> Denial {
    match judged(limit, head).0 {
        Verdict::Deny(denial) => *denial,
        other => panic!("{other}"),
    }
}

#[test]
fn errors_have_the_path_of_the_entry() {
    let table = Arc::new(LimitTable::blank());
    let rules = [
        rule("rate = '1/s'"),
        rule("rate = '1/s'\nkey = ['client', 'ip', 'header:a b', 'cookie:', 'path:0']"),
        rule("rate = '1/s'\nkey = []\ncost = 2\nceiling = 101"),
        rule("rate = '1/d'\nburst = 1000"),
        rule(
            "rate = '1/s'\nmethods = ['GET', 'a b']\npaths = ['x', '/%41']\nhosts = ['a b']\nstatuses = [401, 99]",
        ),
    ];
    let errors = rules
        .compile(&Context::new(&State::scratch().with_limits(table)))
        .unwrap_err();
    let paths: Vec<_> = errors.iter().map(|error| error.path.to_string()).collect();
    let expected = [
        "limit[1].id",
        "limit[1].key[1]",
        "limit[1].key[2]",
        "limit[1].key[3]",
        "limit[1].key[4]",
        "limit[2].id",
        "limit[2].key",
        "limit[2].cost",
        "limit[2].ceiling",
        "limit[3].id",
        "limit[3].burst",
        "limit[4].id",
        "limit[4].methods[1]",
        "limit[4].paths[0]",
        "limit[4].paths[1]",
        "limit[4].hosts[0]",
        "limit[4].statuses[1]",
    ];
    assert_eq!(paths, expected, "{errors}");
}

#[test]
fn quota_that_refills_too_slowly_is_refused() {
    let compile = |toml: &str| {
        let context = Context::new(&State::scratch());
        [rule(toml)]
            .compile(&context)
            .map_err(|errors| errors.to_string())
    };
    for (toml, error) in [
        ("rate = '1/d'\nburst = 366", None),
        (
            "rate = '1/d'\nburst = 367",
            Some("limit[0].burst: rule `x` takes more than 366 days to refill its burst of 367"),
        ),
        // Over 2^62 ns: the arithmetic of governor would overflow.
        (
            "rate = '1/31d'\nburst = 1000000",
            Some(
                "limit[0].burst: rule `x` takes more than 366 days to refill its burst of 1000000",
            ),
        ),
    ] {
        assert_eq!(compile(toml).err().as_deref(), error, "{toml}");
    }
}
