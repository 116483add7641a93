//! A scan of the parameters of existing pages is seen: by expressions in the query, and by errors of the
//! service that other clients do not see. Neither denies a request by itself.

use std::{fmt::Write as _, fs, net::Ipv4Addr};

use gabion::inspect::Clock as _;
use gabion_testkit::{TestRequest, shared};
use serde_json::Value;

use crate::support::site::{Site, browser, disguised};

const POLICY: &str = "version = 1\n[scan]\n";

/// A site with a search, whose database fails at a single quote.
fn site(target: &str) -> (u16, String) {
    match target.split_once('?') {
        Some(("/find", query)) if query.contains("%27") && query.contains("fail") => {
            (500, String::new())
        }
        Some((_, query)) => (200, format!("results for {query}")),
        None => (200, format!("page {target}")),
    }
}

/// Queries of a tool that tests one parameter for SQL injection.
fn injections() -> impl Iterator<Item = String> {
    (1..40).map(|n| match n % 4 {
        0 => format!("/find?q={n}%27%20AND%20%27{n}%27%3D%27{n}"),
        1 => format!("/find?q={n}%20UNION%20ALL%20SELECT%20NULL%2C{n}--%20-"),
        2 => format!("/find?q={n}"),
        _ => format!("/find?q={n}%27%29%20AND%20SLEEP%285%29--%20"),
    })
}

#[test]
fn tool_that_injects_into_an_existing_page_is_banned() {
    let found = Site::new(POLICY, site);
    let reached = found.reached(injections().map(|target| disguised(&target)));
    assert!(found.has_ban() && reached <= 10, "{reached}");
    let found = Site::new(POLICY, site);
    let reached = found.reached(injections().map(|target| browser(&target)));
    assert!(found.has_ban() && reached <= 12, "{reached}");
}

#[test]
fn single_expression_is_served() {
    let found = Site::new(POLICY, site);
    for target in injections().take(3) {
        assert_eq!(found.send(browser(&target)).status, 200, "{target}");
    }
    assert!(!found.has_ban());
}

#[test]
fn searches_about_sql_are_served() {
    let found = Site::new(POLICY, site);
    let topics = [
        "how to select from two tables",
        "drop table vs truncate",
        "it's or its",
        "O'Brien and O'Neil",
        "union of two sets",
        "left join where null",
        "c++ <vector>",
        "100% wool",
        "a=b or b=a",
        "order by date",
        "what is xss script tag",
        "where 1 = one",
    ];
    for topic in topics.iter().cycle().take(60) {
        let query = topic
            .replace('%', "%25")
            .replace('+', "%2B")
            .replace('<', "%3C")
            .replace('>', "%3E");
        let target = format!("/find?q={}", query.replace(' ', "+"));
        assert_eq!(found.send(browser(&target)).status, 200, "{topic}");
    }
    assert!(!found.has_ban());
}

#[test]
fn person_who_writes_about_sql_is_served() {
    let found = Site::new(POLICY, site);
    for asset in ["/app.js", "/style.css", "/logo.png", "/font.woff2"] {
        found.send(browser(asset));
    }
    for target in injections() {
        assert_eq!(found.send(browser(&target)).status, 200, "{target}");
    }
    assert!(!found.has_ban());
}

/// Errors at forty targets of one page.
fn failing() -> impl Iterator<Item = TestRequest> {
    (0..40).map(|n| disguised(&format!("/find?q=fail{n}%27")))
}

#[test]
fn errors_that_others_do_not_see_ban() {
    let found = Site::new(POLICY, site);
    found.send(browser("/find?q=shoes").from("198.51.100.7"));
    let reached = found.reached(failing());
    assert!(found.has_ban() && reached <= 14, "{reached}");
}

#[test]
fn outage_bans_no_client() {
    let found = Site::new(POLICY, site);
    found.send(browser("/find?q=shoes").from("198.51.100.7"));
    found.send(disguised("/find?q=fail%27").from("198.51.100.8"));
    assert_eq!(
        found.reached(failing()),
        40,
        "another client sees errors, too"
    );

    let found = Site::new(POLICY, site);
    assert_eq!(found.reached(failing()), 40, "no other client is served");
}

/// The share of the values in a file for which `injection` is a signal of a client that sends one, of
/// those that `selects` selects.
#[expect(clippy::disallowed_methods, reason = "a test reads its data")]
fn share_of_injections(file: &str, selects: fn(&Value) -> bool) -> Option<(usize, usize)> {
    let text = fs::read_to_string(shared(&format!("data/payloads/{file}"))?).unwrap();
    let found = Site::new(POLICY, site);
    let scores = found.server.guard.policy_handle().state().scores().clone();
    let (mut injections, mut all) = (0, 0);
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        if !selects(&record) {
            continue;
        }
        let query =
            record["payload"]
                .as_str()
                .unwrap()
                .bytes()
                .fold(String::new(), |mut query, byte| {
                    write!(query, "%{byte:02x}").unwrap();
                    query
                });
        let addr = Ipv4Addr::from_bits(0x0100_0000 + u32::try_from(all).unwrap() * 7).to_string();
        found.send(disguised(&format!("/find?q={query}")).from(&addr));
        let signals = scores.reasons(
            format!("{addr}/32").parse().unwrap(),
            found.server.clock.now(),
        );
        let is_injection =
            signals.is_some_and(|signals| signals.names().any(|name| name == "injection"));
        injections += usize::from(is_injection);
        all += 1;
    }
    assert!(all > 0, "{file}");
    println!("{file}: {injections} of {all}");
    Some((injections, all))
}

#[test]
fn expressions_of_attacks_are_told_from_honest_values() {
    let Some((hits, _)) = share_of_injections("httpparams_train.ndjson", |record| {
        record["label"] == "benign"
    }) else {
        return;
    };
    assert_eq!(hits, 0);
    for file in [
        "gotestwaf_false_pos.ndjson",
        "libinjection_false_positives.ndjson",
    ] {
        let (hits, _) = share_of_injections(file, |_| true).unwrap();
        assert!(hits <= 1, "{file}: {hits}");
    }
    for (file, percent) in [
        ("libinjection_sqli.ndjson", 80),
        ("payloadbox_sqli.ndjson", 65),
    ] {
        let (hits, all) = share_of_injections(file, |_| true).unwrap();
        assert!(hits * 100 >= all * percent, "{file}: {hits} of {all}");
    }
}
