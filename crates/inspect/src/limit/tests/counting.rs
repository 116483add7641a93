use super::*;
use crate::State;
use gabion_core::Findings;

#[test]
fn limit_counts_matching_requests_in_any_spelling() {
    let post = |target: &str| OwnedHead::get(target).method("POST");
    for (part, head, counted) in [
        ("methods = ['POST']", page(), false),
        ("methods = ['POST', 'PUT']", post("/"), true),
        ("paths = ['/login']", page(), false),
        ("paths = ['/login']", OwnedHead::get("/login"), true),
        (
            "paths = ['/login']",
            OwnedHead::get("/login/step?a=b"),
            true,
        ),
        ("paths = ['/login']", OwnedHead::get("/loginform"), false),
        ("paths = ['/login']", OwnedHead::get("/LOGIN;x=1"), true),
        ("paths = ['/login']", OwnedHead::get("/%6c%6fgin"), true),
        ("paths = ['/login']", OwnedHead::get("//x/..;/login"), true),
        ("paths = ['/a', '/']", OwnedHead::get("/anything"), true),
        (
            "hosts = ['api.example']",
            page().host("API.example:8080"),
            true,
        ),
        ("hosts = ['api.example']", page().host("www.example"), false),
        ("hosts = ['*.example']", page().host("v1.example"), true),
        (
            "methods = ['POST']\npaths = ['/login']",
            OwnedHead::get("/login"),
            false,
        ),
    ] {
        let limit = limit(&format!("rate = \"1/m\"\n{part}"));
        assert!(passes(&limit, &head));
        assert_eq!(!passes(&limit, &head), counted, "{part} {head:?}");
    }
}

#[test]
fn cost_is_taken_only_by_requests_that_pass() {
    let limit = limit("rate = '10/s'\ncost = 4");
    assert_eq!(passed(&limit, 9, |_| page()), 2);
    let denial = denial(&limit, &page());
    assert_eq!(denial.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        denial.to_string(),
        "denied (429): rule x: more than 10 in 1s per client"
    );
    assert!(passes(&limit, &page().at(Duration::from_millis(200))));
}

#[test]
fn retry_after_is_never_too_early_and_has_jitter() {
    for (rate, real) in [
        ("1/s", SECOND),
        ("2/m", Duration::from_secs(30)),
        ("1/h", Duration::from_hours(1)),
    ] {
        let limit = limit(&format!("rate = '{rate}'\nburst = 1"));
        let mut waits = Vec::new();
        for n in 0..100_u32 {
            let head = page().from(&format!("198.51.100.{n}"));
            assert!(passes(&limit, &head));
            let wait = denial(&limit, &head).retry_after.unwrap();
            let most = (real / 4).clamp(SECOND, Duration::from_mins(1));
            assert!((real..=real + most).contains(&wait), "{rate}: {wait:?}");
            assert!(!passes(
                &limit,
                &head
                    .clone()
                    .at(real.saturating_sub(Duration::from_millis(1)))
            ));
            assert!(passes(&limit, &head.at(wait)));
            waits.push(wait);
        }
        waits.sort();
        waits.dedup();
        assert!(waits.len() > 90, "clients do not retry at the same moment");
    }
}

#[test]
fn responses_count_with_statuses() {
    let limit = limit("rate = '2/m'\nstatuses = [401, 403]");
    let ask = |status: u16, ours: bool| {
        let (verdict, state) = judged(&limit, &page());
        let denial = Denial::forbidden("other", "denied");
        let denial = ours.then_some(&denial);
        let outcome = Outcome::new(
            StatusCode::from_u16(status).unwrap(),
            denial,
            Duration::ZERO,
        );
        limit.on_response(&state, &outcome, &mut Findings::default());
        verdict == Verdict::Pass
    };
    for (status, ours, passes) in [
        (200, false, true),
        (200, false, true),
        (401, false, true),
        (403, true, true),
        (200, false, true),
        (403, false, true),
        (200, false, false),
    ] {
        assert_eq!(ask(status, ours), passes, "{status}");
    }
}

#[test]
fn exempt_clients_are_never_limited() {
    for key in ["client", "global", "header:x-key", "host"] {
        let limit = limit(&format!("rate = \"1/h\"\nkey = \"{key}\""));
        for addr in ["127.0.0.1", "::1", "192.168.1.1", "10.0.0.1", "fe80::1"] {
            assert_eq!(passed(&limit, 5, |_| page().from(addr)), 5, "{key} {addr}");
        }
        assert_eq!(passed(&limit, 5, |_| page()), 1, "{key}");
    }
}

#[test]
fn preflights_are_free_below_the_ceiling() {
    let limit = limit("rate = '5/m'");
    let preflight = page()
        .method("OPTIONS")
        .header("origin", "https://app.example")
        .header("access-control-request-method", "PUT");
    assert_eq!(passed(&limit, 200, |_| preflight.clone()), 50);
    assert_eq!(
        passed(&limit, 200, |_| page()),
        5,
        "requests after preflights"
    );
    let bare = page().method("OPTIONS").from("203.0.113.10");
    assert_eq!(passed(&limit, 200, |_| bare.clone()), 5, "not a preflight");
}

#[test]
fn observe_mode_is_the_default_and_judgment_continues() {
    let rules = [
        LimitRule::new("observed", "1/h".parse().unwrap()),
        LimitRule::new("acting", "2/h".parse().unwrap()).mode(Mode::Enforce),
    ];
    let limit = rules
        .compile(&Context::new(
            &State::scratch().with_limits(LimitTable::new(100)),
        ))
        .unwrap();
    let judged_by_both = |head: &OwnedHead| {
        let (verdict, state) = judged(&limit, head);
        let observed: Vec<_> = state.observed().iter().map(ToString::to_string).collect();
        (verdict.refuses(), observed.len())
    };
    assert_eq!(judged_by_both(&page()), (false, 0));
    assert_eq!(judged_by_both(&page()), (false, 1));
    assert_eq!(judged_by_both(&page()), (true, 1));
}

#[test]
fn quota_is_shown_if_configured() {
    for (part, shown) in [("show = true", true), ("", false)] {
        let limit = limit(&format!("rate = '10/s'\n{part}"));
        let quotas = |head: &OwnedHead| judged(&limit, head).1.quotas().to_vec();
        let quota = Quota {
            rule: RuleId::new("x").unwrap(),
            limit: 10,
            window: SECOND,
            remaining: 9,
            reset: Duration::from_millis(100),
        };
        let expected = if shown { vec![quota] } else { vec![] };
        assert_eq!(quotas(&page()), expected);
        passed(&limit, 20, |_| page());
        let none = quotas(&page());
        assert!(
            none.iter()
                .all(|quota| quota.remaining == 0 && quota.reset >= SECOND / 10)
        );
    }
}

#[test]
fn explain_takes_nothing_from_the_quota() {
    let limit = limit("rate = '1/h'");
    let head = page();
    let facts = head.facts(&ClientRules::default());
    let explain = || {
        let mut state = RequestState::new(&facts);
        limit.explain(&facts, &mut state, &mut Explanation::default())
    };
    assert_eq!(explain(), Verdict::Pass);
    assert_eq!(explain(), Verdict::Pass);
    assert!(passes(&limit, &head));
    assert!(explain().refuses());
}
