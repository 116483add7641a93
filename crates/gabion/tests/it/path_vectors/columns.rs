//! The 181 path vectors, in both columns, with both ways of forwarding.

use std::sync::Arc;

use gabion_proxy::Protocols;
use gabion_testkit::{RawResponse, Recorder, rows, unescape};

use super::{raw::RequestLines, request_line};
use crate::support::guarded_proxy::{GuardedProxy, builder, rule_of};

pub(crate) const VECTORS: &str = include_str!("../../../../inspect/testdata/deny.tsv");

/// As nginx users write the rules: see `columns` in `crates/inspect/src/deny/tests.rs`.
pub(crate) const LITERAL: &str = r"
version = 1
[[deny]]
id = 'php'
regex = '\.php$'
[[deny]]
id = 'pub'
regex = '^/public/'
";

/// With the typed conditions of gabion.
pub(crate) const TYPED: &str = "
version = 1
[[deny]]
id = 'php'
extensions = ['php', 'php3', 'php4', 'php5', 'php6', 'php7', 'php8', 'phtml', 'phar', 'phps', 'pht']
[[deny]]
id = 'pub'
prefix = '/public'
";

/// The expected outcome of a row.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// hyper refuses the bytes before the guard receives them.
    Hyper,
    /// A rule refuses the request.
    Refused(u16, String),
    /// The upstream receives exactly this line.
    Reached(Vec<u8>),
}

#[tokio::test]
async fn literal_column() {
    column("literal", 6, LITERAL, false).await;
    column("literal, canonical", 6, LITERAL, true).await;
}

#[tokio::test]
async fn typed_column() {
    column("typed", 7, TYPED, false).await;
    column("typed, canonical", 7, TYPED, true).await;
}

async fn column(name: &str, at: usize, policy: &str, is_canonical: bool) {
    let backend = RequestLines::start().await;
    let events = Arc::new(Recorder::default());
    let forward = if is_canonical { "canonical" } else { "as-sent" };
    let policy = format!("{policy}[server]\nforward = '{forward}'\n");
    let guard = builder(events.clone()).with_policy(&policy, name).unwrap();
    let proxy = GuardedProxy::with_protocols(Protocols::Http1, &backend.url(), guard);
    let rows = rows(VECTORS);
    assert_eq!(rows.len(), 181, "the vectors are not all here");
    let mut wrong = Vec::new();
    let (mut refused, mut reached, mut by_hyper) = (0, 0, 0);
    for row in &rows {
        let target = unescape(row[2]);
        let mut connection = proxy.connect().await;
        let request = [b"GET ", &*target, b" HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat();
        connection.send(&request).await;
        let answer = connection.response("GET").await;
        let rules: Vec<_> = events
            .take()
            .iter()
            .map(|event| rule_of(event).map(ToOwned::to_owned))
            .collect();
        let seen = backend.take();
        let outcome = outcome(row, at, || request_line(&target, is_canonical));
        match outcome {
            Outcome::Hyper => by_hyper += 1,
            Outcome::Refused(..) => refused += 1,
            Outcome::Reached(_) => reached += 1,
        }
        if !matches_row(&outcome, answer.as_ref(), &rules, &seen) {
            let status = answer.map(|answer| answer.status);
            wrong.push(format!(
                "row {} {}: {outcome:?}, but {status:?} {rules:?} {seen:?}",
                row[0], row[2]
            ));
        }
    }
    println!(
        "path vectors, {name}: {} of {} as measured ({refused} refused, {by_hyper} refused by hyper, {reached} passed on)",
        rows.len() - wrong.len(),
        rows.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn outcome(row: &[&str], at: usize, line: impl FnOnce() -> Vec<u8>) -> Outcome {
    if row[5] == "400" {
        return Outcome::Hyper;
    }
    match row[at] {
        "pass" => Outcome::Reached(line()),
        rule @ ("php" | "pub") => Outcome::Refused(403, rule.to_owned()),
        "400 badform" => Outcome::Refused(400, "path/form".to_owned()),
        "400 badpct" => Outcome::Refused(400, "path/escape".to_owned()),
        "400 badutf8" => Outcome::Refused(400, "path/utf8".to_owned()),
        "400 ctl" => Outcome::Refused(400, "path/control".to_owned()),
        "400 decctl" => Outcome::Refused(400, "path/escaped-control".to_owned()),
        other => panic!("row {}: what is {other}?", row[0]),
    }
}

fn matches_row(
    outcome: &Outcome,
    answer: Option<&RawResponse>,
    rules: &[Option<String>],
    seen: &[Vec<u8>],
) -> bool {
    let Some(answer) = answer else { return false };
    let status = answer.status.as_u16();
    match outcome {
        Outcome::Hyper => status == 400 && rules.is_empty() && seen.is_empty(),
        Outcome::Refused(with, by) => {
            status == *with && rules == [Some(by.clone())] && seen.is_empty()
        }
        Outcome::Reached(line) => status == 200 && rules.is_empty() && seen == [line.clone()],
    }
}
