//! Import and export.

use std::{fmt::Write as _, time::Instant};

use gabion_admin::BanRow;

use crate::support::Served;

const UNTIL: &str = "\"since\":\"2026-11-30T00:00:00Z\",\"until\":\"2999-01-01T00:00:00Z\"";

fn line(network: &str) -> String {
    format!(
        "{{\"network\":\"{network}\",\"rule\":\"scan\",\"reason\":\"list\",{UNTIL},\"offenses\":2}}\n"
    )
}

/// The networks of an export, sorted: bans that end at one time have no order.
fn networks(lines: &str) -> Vec<String> {
    let rows = lines
        .lines()
        .map(|line| serde_json::from_str::<BanRow>(line).unwrap());
    let mut networks: Vec<_> = rows.map(|row| row.network).collect();
    networks.sort_unstable();
    networks
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test measures the time")]
fn ten_thousand_bans_are_imported_in_a_second_and_exported_again() {
    let served = Served::start();
    let mut lines = String::new();
    for host in 0..10_000_u32 {
        let addr = std::net::Ipv4Addr::from_bits(0xcb00_7200 + host);
        write!(lines, "{}", line(&format!("{addr}/32"))).unwrap();
    }
    let start = Instant::now();
    let (status, counts) = served.unix("POST /v1/import", "", &lines);
    let time = start.elapsed();
    println!("10,000 bans ({} bytes) imported in {time:?}", lines.len());
    assert_eq!(
        (status, &counts["placed"]),
        (200, &10_000.into()),
        "{counts}"
    );
    assert!(time.as_secs_f64() < 1.0, "{time:?}");
    assert_eq!(served.guard.bans().len(), 10_000);
    let again = served.unix("POST /v1/import", "", &lines).1;
    assert_eq!(again["already_banned"], 10_000);
    let bans = served.get("/v1/bans?limit=1").1;
    assert_eq!(
        (&bans["matching"], &bans["bans"][0]["offenses"]),
        (&10_000.into(), &2.into())
    );
    assert_eq!(served.events.take().len(), 2, "one for each import");
    let exported = served.text("/v1/export");
    assert_eq!(exported.lines().count(), 10_000);
    let other = Served::start();
    let counts = other.unix("POST /v1/import", "", &exported).1;
    assert_eq!(counts["placed"], 10_000);
    assert_eq!(networks(&other.text("/v1/export")), networks(&exported));
}

#[test]
fn import_with_one_invalid_line_places_nothing() {
    let served = Served::start();
    for (invalid, field, words) in [
        (line("203.0.113.9/24"), "network", "host bits"),
        (
            line("203.0.113.9").replace("scan", "two words"),
            "rule",
            "`two words`",
        ),
        (
            line("203.0.113.9").replace("2999", "1999"),
            "until",
            "before it begins",
        ),
        (
            line("203.0.113.9").replace("2999-01-01T00:00:00Z", "soon"),
            "until",
            "`soon`",
        ),
        (
            line("203.0.113.9").replace("offenses", "offences"),
            "offences",
            "unknown field",
        ),
        ("{\n".to_owned(), "", "EOF"),
    ] {
        let lines = format!("{}\n{invalid}{}", line("203.0.113.7"), line("203.0.113.8"));
        let (status, error) = served.unix("POST /v1/import", "", &lines);
        assert_eq!(
            (status, &error["line"]),
            (400, &3.into()),
            "{invalid}{error}"
        );
        assert_eq!(
            error["field"].as_str().unwrap_or_default(),
            field,
            "{invalid}{error}"
        );
        assert!(
            error["error"].as_str().unwrap().contains(words),
            "{invalid}{error}"
        );
    }
    assert!(served.guard.bans().is_empty());
    let exempt = format!("{}{}", line("198.51.100.7"), line("203.0.113.7"));
    let (_, counts) = served.unix("POST /v1/import", "", &exempt);
    assert_eq!(
        (&counts["exempt"], &counts["placed"]),
        (&1.into(), &1.into())
    );
}

#[test]
fn import_beyond_the_capacity_places_nothing() {
    let served = Served::start();
    let mut lines = String::new();
    for host in 0..=100_000_u32 {
        let addr = std::net::Ipv4Addr::from_bits(0xcb00_0000 + host);
        writeln!(lines, "{{\"network\":\"{addr}\",\"rule\":\"a\",{UNTIL}}}").unwrap();
    }
    let (status, error) = served.unix("POST /v1/import", "", &lines);
    assert_eq!(status, 409, "{error}");
    assert!(served.guard.bans().is_empty());
}
