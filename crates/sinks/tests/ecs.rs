//! Events and requests as lines of JSON.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod events;

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use events::{Written, every_event};
use gabion_core::{
    AccessDenial, AccessRecord, AuditAction, AuditEvent, BanChange, BanEvent, ClientRules, Denial,
    Event, EventId, LogEvent, Mode, Offense, PeerAddr, RequestEvent, RequestEventKind, RuleId,
    StoreEvent, StorePart, WebSocketPhase,
};
use gabion_sinks::{Combined, Ecs, Pseudonyms};
use gabion_testkit::OwnedHead;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value};

const NOW: SystemTime = UNIX_EPOCH;

/// The fields of the guide, one row of a table each.
const GUIDE: &str = include_str!("../../gabion/guide/logs.md");

fn hostile() -> Written {
    Written {
        method: "GET".into(),
        target: "http://user:pa55word@a.example/x%22?token=5ecret&5ecret#5ecret".into(),
        text: "a\"b\\c\r\n\0\u{1b}[2J\u{7f}\u{85}\u{2028}é`".repeat(40),
    }
}

/// Kinds that `every_event` has not.
fn other_events() -> Vec<Event> {
    let network = "203.0.113.9/32".parse().unwrap();
    let peer = PeerAddr::new(([203, 0, 113, 9], 1).into());
    let client = ClientRules::default().resolve(peer, &HeaderMap::new());
    let rule = RuleId::builtin("scan");
    let offense = Offense::certain(rule, Duration::from_mins(1)).with_reason("105: scanner probe");
    let head = OwnedHead::get("/.env?token=5ecret").from("203.0.113.9");
    let facts = head.facts(&ClientRules::default());
    let denied = |mode| {
        let mut denial = Denial::forbidden("rule", "why").with_mode(mode);
        denial.event = Some(EventId::new(7));
        denial.diagnosis = Some(gabion_core::Diagnosis::Denied);
        denial.cause.view = Some(gabion_core::Transformations::default());
        let denial = denial.with_evidence(b".env");
        Event::Request(RequestEvent::new(
            &facts,
            1,
            RequestEventKind::Denied(denial.into()),
        ))
    };
    vec![
        denied(Mode::Enforce),
        denied(Mode::Observe),
        Event::Ban(BanEvent::new(NOW, client, offense, BanChange::Placed)),
        Event::Audit(AuditEvent::new(
            NOW,
            "unix uid 0",
            AuditAction::Ban,
            Some(network),
            "x\n",
        )),
        Event::Store(StoreEvent::recovered(NOW, StorePart::Bans)),
        Event::Log(LogEvent::degraded(
            NOW,
            "access.log",
            "no space left on device",
        )),
        Event::Log(LogEvent::recovered(NOW, "access.log")),
        Event::Log(LogEvent::dropped(NOW, "access.log", 7)),
    ]
}

fn parse(line: &[u8]) -> Map<String, Value> {
    let controls = line.iter().filter(|byte| byte.is_ascii_control()).count();
    assert_eq!(controls, 1, "{}", String::from_utf8_lossy(line));
    assert!(line.ends_with(b"}\n"));
    serde_json::from_slice(line).unwrap()
}

fn all_lines(format: &Ecs) -> Vec<Vec<u8>> {
    let events = every_event(&hostile()).into_iter().chain(other_events());
    let event_line = |event: Event| {
        let mut line = Vec::new();
        format.write_event(&event, NOW, &mut line);
        line
    };
    let mut lines: Vec<_> = events.map(event_line).collect();
    for websocket in [
        None,
        Some(WebSocketPhase::Open),
        Some(WebSocketPhase::Close),
    ] {
        with_request(|request| {
            request.websocket = websocket;
            let mut line = Vec::new();
            format.write_access(request, &mut line);
            lines.push(line);
        });
    }
    lines
}

fn with_request(write: impl FnOnce(&mut AccessRecord<'_>)) {
    let hostile = hostile();
    let (method, rule) = (Method::GET, RuleId::builtin("rule"));
    let peer = PeerAddr::new(([203, 0, 113, 9], 1).into());
    let target = hostile.target.as_bytes();
    let mut request = AccessRecord::new(NOW, &method, target, StatusCode::FORBIDDEN);
    request.client = Some(ClientRules::default().resolve(peer, &HeaderMap::new()));
    request.peer = Some(peer.addr());
    request.host = b"user:pa55word@a.example";
    request.user_agent = hostile.text.as_bytes();
    request.referer = b"https://user:pa55word@b.example/?q=5ecret";
    request.elapsed = Duration::from_micros(1500);
    request.denial = Some(AccessDenial {
        rule: &rule,
        mode: Mode::Enforce,
        event: Some(EventId::new(7)),
    });
    request.upstream = Some("http://10.0.0.1:80");
    write(&mut request);
}

#[test]
fn each_event_is_one_line_of_json_with_the_fields_of_the_guide() {
    let rows = GUIDE.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeSet<_> = rows
        .filter_map(|row| row.split('`').next().map(str::to_owned))
        .collect();
    let pseudonyms = Pseudonyms::new(&[1; 16]).unwrap();
    let lines = [
        all_lines(&Ecs::new()),
        all_lines(&Ecs::new().with_pseudonyms(pseudonyms)),
    ];
    let mut emitted = BTreeSet::new();
    for line in lines.concat() {
        let object = parse(&line);
        for key in ["@timestamp", "event.action", "event.kind", "event.category"] {
            assert!(object.contains_key(key), "{key} in {object:?}");
        }
        assert_eq!(object["gabion.schema"], Ecs::SCHEMA);
        emitted.extend(object.keys().cloned());
    }
    assert_eq!(emitted, documented);
}

#[test]
fn secrets_are_in_no_line() {
    for line in all_lines(&Ecs::new()) {
        let line = String::from_utf8(line).unwrap();
        // The texts of the events of the list are errors, not targets.
        for secret in ["5ecret", "pa55word"] {
            assert!(!line.contains(secret), "{line}");
        }
    }
    with_request(|request| {
        let mut line = Vec::new();
        Combined::new().write_access(request, &mut line);
        let line = String::from_utf8(line).unwrap();
        assert!(line.is_ascii());
        assert!(
            !line.contains("5ecret") && !line.contains("pa55word"),
            "{line}"
        );
    });
    let lines = all_lines(&Ecs::new().with_secrets(true)).concat();
    assert!(String::from_utf8(lines).unwrap().contains("token=5ecret"));
}

#[test]
fn matched_bytes_of_headers_and_queries_are_secrets() {
    let head = OwnedHead::get("/").from("203.0.113.9");
    let facts = head.facts(&ClientRules::default());
    let denial = Denial::forbidden("cookie", "header cookie is wrong").with_evidence(b"5ecret");
    let kind = RequestEventKind::Denied(denial.into());
    let event = Event::Request(RequestEvent::new(&facts, 1, kind));
    let line = |format: Ecs| {
        let mut line = Vec::new();
        format.write_event(&event, NOW, &mut line);
        String::from_utf8(line).unwrap()
    };
    assert!(!line(Ecs::new()).contains("5ecret"));
    assert!(line(Ecs::new().with_secrets(true)).contains("5ecret"));
}

#[test]
fn lines_with_pseudonyms_have_no_address_of_a_client() {
    let of = |key: u8| Ecs::new().with_pseudonyms(Pseudonyms::new(&[key; 16]).unwrap());
    let lines = all_lines(&of(1));
    for line in &lines {
        let line = String::from_utf8_lossy(line);
        assert!(!line.contains("203.0.113."), "{line}");
    }
    assert_eq!(lines, all_lines(&of(1)));
    assert_ne!(lines, all_lines(&of(2)));
}

#[test]
fn signals_of_a_scan_are_fields() {
    let mut line = Vec::new();
    Ecs::new().write_event(&other_events()[2], NOW, &mut line);
    let object = parse(&line);
    assert_eq!(object["gabion.scan.score"], 105);
    assert_eq!(
        object["gabion.scan.signals"],
        serde_json::json!(["scanner", "probe"])
    );
}
