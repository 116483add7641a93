//! Honest requests reach the server behind the guard's packs. The few exceptions are in
//! `testdata/benign_refused.tsv`, each with its reason.

use std::{collections::BTreeMap, fmt::Write as _, fs, sync::Arc};

use gabion::{
    Guard,
    policy::{Document, Pack},
};
use gabion_testkit::{Backend, RawConnection, Recorder, rows, shared};
use serde_json::Value;

use crate::support::guarded_proxy::{GuardedProxy, builder, fitting, rule_of, with_packs};

const EXPECTED: &str = include_str!("../../testdata/benign_refused.tsv");

/// A request to be sent as bytes.
struct TestRequest {
    method: String,
    target: String,
    bytes: Vec<u8>,
}

/// A target that the guard refused, and if that is expected.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Refusal {
    target: String,
    rule: String,
}

/// The policy for a server that every pack fits, such as Spring.
fn fitted(events: &Arc<Recorder>) -> Guard {
    let document = taking_webdav(with_packs(fitting()));
    builder(events.clone())
        .with_policy(&document.to_string(), "the built-in policy")
        .unwrap()
}

/// The policy for a server that runs PHP.
fn with_php(events: &Arc<Recorder>) -> Guard {
    let document = taking_webdav(with_packs(fitting().filter(|pack| *pack != Pack::NoPhp)));
    builder(events.clone())
        .with_policy(&document.to_string(), "without php")
        .unwrap()
}

/// The same policy with the `WebDAV` methods for a server such as Nextcloud.
fn taking_webdav(mut document: Document) -> Document {
    let theirs = "PROPFIND PROPPATCH MKCOL MKCALENDAR MOVE COPY LOCK UNLOCK REPORT SEARCH";
    let usual = document.protocol.methods.iter().map(String::as_str);
    document.protocol.methods = usual.chain(theirs.split(' ')).collect();
    document
}

#[tokio::test]
async fn well_formed_urls_pass() {
    let Some((plain, tricky)) = urls() else {
        return;
    };
    for guard in [fitted, with_php] {
        assert_eq!(refused("plain URLs", guard, &plain).await, []);
    }
    // Malformed paths are refused for their encoding, not by a deny rule.
    let refused = refused("URLs with broken escapes", fitted, &tricky).await;
    assert_eq!(refused.len(), tricky.len(), "{refused:?}");
    assert!(
        refused
            .iter()
            .all(|refusal| refusal.rule.starts_with("path/"))
    );
}

#[tokio::test]
async fn access_log_passes() {
    let Some(requests) = access_log() else { return };
    let seen = refused("access log", fitted, &requests).await;
    assert_eq!(seen, expected("log", |_| true));
    let seen = refused("access log, PHP allowed", with_php, &requests).await;
    assert_eq!(seen, expected("log", |rule| !rule.starts_with("no-php/")));
}

#[tokio::test]
async fn nextcloud_passes() {
    let Some(requests) = nextcloud() else { return };
    let seen = refused("Nextcloud, PHP allowed", with_php, &requests).await;
    assert_eq!(seen, expected("nextcloud", |_| true));
    let (doubled, requests): (Vec<_>, Vec<_>) = requests.into_iter().partition(has_two_hosts);
    let without_php: Vec<_> = requests
        .into_iter()
        .filter(|request| !request.target.contains(".php"))
        .collect();
    let seen = refused("Nextcloud beside its PHP", fitted, &without_php).await;
    assert_eq!(seen, []);
    let mended = doubled
        .iter()
        .map(|twice| request(&twice.method, &twice.target, "", ""));
    let mended: Vec<_> = mended.collect();
    let seen = refused("Nextcloud, two Hosts made one", with_php, &mended).await;
    assert_eq!(seen, []);
}

fn has_two_hosts(request: &TestRequest) -> bool {
    let head = String::from_utf8_lossy(&request.bytes).to_ascii_lowercase();
    head.matches("\r\nhost: ").count() == 2
}

/// The expected refusals.
fn expected(corpus: &str, counts: impl Fn(&str) -> bool) -> Vec<Refusal> {
    let rows = rows(EXPECTED).into_iter();
    let rows = rows.filter(|row| row[0] == corpus && counts(row[2]));
    let mut expected: Vec<_> = rows
        .map(|row| Refusal {
            target: row[1].to_owned(),
            rule: row[2].to_owned(),
        })
        .collect();
    expected.sort();
    expected
}

/// Sends every request through a guard on one connection. Checks that each reached the server as
/// sent, or was refused with an event that names the rule.
async fn refused(
    name: &str,
    guard: impl Fn(&Arc<Recorder>) -> Guard,
    requests: &[TestRequest],
) -> Vec<Refusal> {
    assert!(!requests.is_empty(), "{name}: nothing to send");
    let backend = Backend::start().await;
    let events = Arc::new(Recorder::default());
    let proxy = GuardedProxy::start(&backend.url(), guard(&events));
    let mut connection = proxy.connect().await;
    let mut refused = BTreeMap::new();
    let mut passed = 0;
    for request in requests {
        connection.send(&request.bytes).await;
        let Some(answer) = connection.response(&request.method).await else {
            panic!("{} {}: no answer", request.method, request.target);
        };
        let (denials, seen) = (events.take(), backend.take());
        match (&*denials, &*seen) {
            ([], [seen]) => {
                assert_eq!(
                    (seen.method.as_str(), &*seen.target),
                    (&*request.method, &*request.target)
                );
                assert_eq!(answer.status, 200, "{}", request.target);
                passed += 1;
            }
            ([event], []) => {
                let rule = rule_of(event).expect("a denial").to_owned();
                assert!(matches!(answer.status.as_u16(), 400 | 403 | 404));
                let target = request.target.clone();
                *refused.entry(Refusal { target, rule }).or_insert(0) += 1;
            }
            other => panic!("{} {}: {other:?}", request.method, request.target),
        }
        if answer
            .headers
            .get("connection")
            .is_some_and(|token| token == "close")
        {
            connection = RawConnection::connect(proxy.addr()).await;
        }
    }
    println!("{name}: {passed} of {} reached the server", requests.len());
    for (Refusal { target, rule }, times) in &refused {
        println!("  refused {times} times by {rule}: {target}");
    }
    refused.into_keys().collect()
}

/// The requests of a browser for each URL that the web-platform tests accept: well-formed ones and
/// others.
///
/// In a well-formed path, every `%` begins an escape, and the decoded path is UTF-8 without control
/// characters.
fn urls() -> Option<(Vec<TestRequest>, Vec<TestRequest>)> {
    let records = records("data/path-normalisation/wpt_urltestdata.ndjson")?;
    let targets = records
        .iter()
        .filter(|record| ["http:", "https:"].contains(&text(record, "protocol")))
        .map(|record| (text(record, "pathname"), text(record, "search")));
    let (plain, tricky): (Vec<_>, Vec<_>) = targets.partition(|(path, _)| is_plain(path));
    let requests = |targets: Vec<(&str, &str)>| {
        let targets = targets.into_iter();
        targets
            .map(|(path, query)| request("GET", &format!("{path}{query}"), "", ""))
            .collect()
    };
    Some((requests(plain), requests(tricky)))
}

fn is_plain(path: &str) -> bool {
    let mut bytes = Vec::new();
    let mut parts = path.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let Some(byte) = part
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
        else {
            return false;
        };
        bytes.push(byte);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).is_ok_and(|path| !path.contains(|char: char| char.is_ascii_control()))
}

fn access_log() -> Option<Vec<TestRequest>> {
    let log = shared("data/logs/elastic_apache_combined.log")?;
    let log = read(&log);
    let lines = log.lines().map(|line| {
        let line = line.split('"').nth(1).expect("a request line");
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let length = if method == "POST" {
            "Content-Length: 0\r\n"
        } else {
            ""
        };
        request(method, target, length, "")
    });
    Some(lines.collect())
}

fn nextcloud() -> Option<Vec<TestRequest>> {
    let records = records("data/requests/crs_plugin_nextcloud.ndjson")?;
    let requests = records.iter().map(|record| {
        let mut body = record["body"].as_str().unwrap_or_default().to_owned();
        let mut lines = String::new();
        let mut stated = false;
        for (name, value) in record["headers"].as_object().unwrap() {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), ToOwned::to_owned);
            if name.eq_ignore_ascii_case("content-length") {
                stated = true;
                // The corpus states lengths that differ from those of its bodies.
                let length = value.parse().unwrap();
                body = format!("{body:length$}");
                body.truncate(length);
            }
            if name != "Host" {
                write!(lines, "{name}: {value}\r\n").unwrap();
            }
        }
        if !stated && !body.is_empty() {
            write!(lines, "Content-Length: {}\r\n", body.len()).unwrap();
        }
        request(text(record, "method"), text(record, "uri"), &lines, &body)
    });
    Some(requests.collect())
}

fn request(method: &str, target: &str, lines: &str, body: &str) -> TestRequest {
    let host = if lines.contains("host: cloud.example.com") {
        ""
    } else {
        "Host: localhost\r\n"
    };
    TestRequest {
        method: method.to_owned(),
        target: target.to_owned(),
        bytes: format!("{method} {target} HTTP/1.1\r\n{host}{lines}\r\n{body}").into_bytes(),
    }
}

fn records(file: &str) -> Option<Vec<Value>> {
    let text = read(&shared(file)?);
    Some(
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    )
}

fn text<'r>(record: &'r Value, key: &str) -> &'r str {
    record[key].as_str().unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "a test reads its data")]
fn read(file: &std::path::Path) -> String {
    String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned()
}
