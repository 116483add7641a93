use gabion_core::{Attribution, Findings};

use super::*;
use crate::{LimitAction, limit::attributable::is_attributable};

const BROWSER: (&str, &str) = ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0)");
const TOOL: (&str, &str) = ("user-agent", "python-requests/2.32.3");
const CLOUDFRONT: (&str, &str) = ("user-agent", "Amazon CloudFront");
const ALICE: &str = "203.0.113.9";

fn post() -> OwnedHead {
    OwnedHead::get("/login").method("POST")
}

fn with(head: OwnedHead, headers: &[(&str, &str)]) -> OwnedHead {
    let add = |head: OwnedHead, (name, value): &(&str, &str)| head.header(name, value);
    headers.iter().fold(head, add)
}

/// Returns the length of the ban that comes with the denial, if the head is denied.
fn ban_for(limit: &Limit, head: &OwnedHead) -> Option<Duration> {
    match judged(limit, head).0 {
        Verdict::Deny(denial) => denial.offense.map(|offense| offense.ban_for),
        _ => None,
    }
}

#[test]
fn request_that_no_page_causes_is_attributable() {
    let tool = |target: &str| with(OwnedHead::get(target), &[TOOL]);
    let origin = |origin| with(post(), &[BROWSER, ("origin", origin)]);
    let site = |head: OwnedHead, site| with(head, &[("sec-fetch-site", site)]);
    for (what, head, expected) in [
        ("PUT", page().method("PUT"), true),
        (
            "PUT of a page of another origin",
            site(page().method("PUT"), "cross-site"),
            false,
        ),
        ("POST without a report", post(), true),
        (
            "POST of a browser, own page",
            origin("https://localhost"),
            true,
        ),
        (
            "POST of a browser, other page",
            origin("https://evil.example"),
            false,
        ),
        ("POST of a browser, no referrer", origin("null"), false),
        (
            "POST of the own page",
            site(with(post(), &[BROWSER]), "same-origin"),
            true,
        ),
        (
            "POST of a page of the same site",
            site(with(post(), &[BROWSER]), "same-site"),
            false,
        ),
        (
            "POST without its headers",
            with(post(), &[CLOUDFRONT]),
            false,
        ),
        (
            "POST of the own page via CloudFront",
            site(with(post(), &[CLOUDFRONT]), "same-origin"),
            true,
        ),
        ("GET of a tool", tool("/search"), true),
        ("HEAD of a tool", tool("/search").method("HEAD"), true),
        ("picture for a tool", tool("/thumbs/1.JPG"), false),
        (
            "picture with dots for a tool",
            tool("/thumbs/../1.jpg"),
            false,
        ),
        (
            "GET of a tool with a report",
            site(tool("/search"), "same-origin"),
            false,
        ),
        (
            "GET of a tool with a language",
            with(tool("/"), &[("accept-language", "en")]),
            false,
        ),
        (
            "GET of two agents",
            with(tool("/search"), &[BROWSER]),
            false,
        ),
        (
            "GET without its headers",
            with(page(), &[CLOUDFRONT]),
            false,
        ),
        ("GET without an agent", page(), false),
        (
            "GET of an empty agent",
            with(page(), &[("user-agent", "")]),
            false,
        ),
        ("GET of a browser", with(page(), &[BROWSER]), false),
        (
            "GET of the own page",
            site(with(page(), &[BROWSER]), "same-origin"),
            false,
        ),
        (
            "document in a file manager",
            tool("/").method("PROPFIND"),
            false,
        ),
    ] {
        let rules = ClientRules::default();
        let facts = head.facts(&rules);
        assert_eq!(
            is_attributable(&facts, facts.attribution()),
            expected,
            "{what}"
        );
    }
}

#[test]
fn ban_comes_with_the_first_attributable_request_over_the_limit() {
    let limit = limit("rate = '2/m'\nthen = 'ban 1h'");
    for _ in 0..2 {
        assert!(passes(&limit, &post()));
    }
    let denial = denial(&limit, &post());
    let offense = denial.offense.unwrap();
    assert_eq!(offense.ban_for, Duration::from_hours(1));
    assert_eq!(offense.attribution, Attribution::Certain);
    assert_eq!(denial.retry_after, Some(Duration::from_hours(1)));
    assert_eq!(
        ban_for(&limit, &page()),
        None,
        "a page may have caused this one"
    );
    assert!(passes(&limit, &post().from("198.51.100.7")));
}

#[test]
fn ban_without_a_length_has_the_default_of_the_policy() {
    let context = Context::new(&State::default()).with_ban_for(Duration::from_mins(7));
    let limit = [rule("rate = '1/m'\nthen = 'ban'")]
        .compile(&context)
        .unwrap();
    assert!(passes(&limit, &post()));
    assert_eq!(ban_for(&limit, &post()), Some(Duration::from_mins(7)));
}

#[test]
fn requests_of_pages_deny_others_and_do_not_ban() {
    let limit = limit("rate = '3/m'\nthen = 'ban 1h'");
    assert_eq!(passed(&limit, 1_000, |_| page()), 3);
    for n in 0..3 {
        let denial = denial(&limit, &post());
        assert_eq!(
            denial.offense, None,
            "attributable request {n} of 3 per minute"
        );
        assert!(denial.retry_after < Some(Duration::from_mins(1)));
    }
    assert_eq!(
        ban_for(&limit, &post()),
        Some(Duration::from_hours(1)),
        "denied ones count, too"
    );
}

#[test]
fn attributable_requests_within_the_rate_never_ban() {
    let limit = limit("rate = '1/s'\nburst = 5\nthen = 'ban'");
    for second in 0..100 {
        let at = Duration::from_secs(second);
        assert_eq!(ban_for(&limit, &post().at(at)), None, "{at:?}");
        assert_eq!(ban_for(&limit, &page().at(at)), None, "{at:?}");
    }
}

#[test]
fn observed_limit_records_the_ban_and_denies_nothing() {
    let rule = LimitRule::new("x", "1/m".parse().unwrap())
        .burst(NonZeroU32::MIN)
        .then(LimitAction::Ban(None))
        .mode(Mode::Observe);
    let limit = [rule].compile(&Context::new(&State::default())).unwrap();
    assert!(judged(&limit, &post()).1.observed().is_empty());
    let (verdict, state) = judged(&limit, &post());
    assert_eq!(verdict, Verdict::Pass);
    assert!(state.observed()[0].is_observed());
    assert!(state.observed()[0].offense.is_some());
}

#[test]
fn explaining_takes_nothing_from_the_quota_of_the_ban() {
    let limit = limit("rate = '1/m'\nthen = 'ban'");
    for _ in 0..5 {
        let (head, rules) = (post(), ClientRules::default());
        let facts = head.facts(&rules);
        let mut state = RequestState::new(&facts);
        let mut steps = Explanation::default();
        assert_eq!(limit.explain(&facts, &mut state, &mut steps), Verdict::Pass);
    }
    assert!(passes(&limit, &post()));
}

/// Judges `head`, and ends its exchange with `status` if it passes.
fn answered(limit: &Limit, head: &OwnedHead, status: StatusCode) -> Option<Denial> {
    let (verdict, state) = judged(limit, head);
    if let Verdict::Deny(denial) = verdict {
        return Some(*denial);
    }
    let outcome = Outcome::new(status, None, Duration::ZERO);
    limit.on_response(&state, &outcome, &mut Findings::default());
    None
}

#[test]
fn limit_on_responses_bans_for_attributable_ones_only() {
    let (failed, ok) = (StatusCode::UNAUTHORIZED, StatusCode::OK);
    let limit = limit("rate = '3/m'\nstatuses = [401]\nthen = 'ban'");
    let foreign = with(post(), &[("sec-fetch-site", "cross-site")]);
    for _ in 0..50 {
        assert_eq!(answered(&limit, &post().from(ALICE), ok), None);
    }
    for _ in 0..3 {
        assert_eq!(answered(&limit, &foreign.clone().from(ALICE), failed), None);
    }
    let denial = answered(&limit, &post().from(ALICE), failed).unwrap();
    assert_eq!(
        denial.offense, None,
        "a page of another origin used up the quota"
    );

    for _ in 0..3 {
        assert_eq!(answered(&limit, &post().from("198.51.100.7"), failed), None);
    }
    let denial = answered(&limit, &post().from("198.51.100.7"), failed).unwrap();
    assert!(denial.offense.is_some());
}

#[test]
fn ban_needs_the_key_of_the_client() {
    for (key, is_valid) in [
        ("'client'", true),
        ("['client']", true),
        ("'global'", false),
        ("'prefix'", false),
        ("['client', 'path:1']", false),
        ("'header:x-token'", false),
    ] {
        let rules = [rule(&format!("rate = '1/s'\nkey = {key}\nthen = 'ban'"))];
        let errors = rules.compile(&Context::new(&State::scratch())).err();
        let paths = errors.map(|errors| errors[0].path.to_string());
        assert_eq!(
            paths.as_deref(),
            (!is_valid).then_some("limit[0].key"),
            "{key}"
        );
    }
}
