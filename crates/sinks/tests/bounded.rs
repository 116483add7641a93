//! A flood of events is reduced to a bounded number of records.

mod events;

use std::{
    collections::HashSet,
    net::IpAddr,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use gabion_core::{
    ClientRules, Denial, Event, EventClass, RequestEvent, RequestEventKind, Sink, UnparsableEvent,
    UnparsablePart,
};
use gabion_sinks::{Bounded, EventBudget};
use gabion_testkit::{OwnedHead, Recorder};

use crate::events::{Written, every_event};

const BUDGET: EventBudget = EventBudget {
    per_client: 3,
    total: 10,
    bytes_per_client: 2_000,
    total_bytes: 6_000,
};

/// More than any field keeps of what a client writes.
fn largest() -> Written {
    Written {
        method: "M".repeat(50_000),
        target: format!("/{}", "%1b".repeat(20_000)),
        text: "\x1b\u{202e}".repeat(50_000),
    }
}

struct ToRecorder(Arc<Recorder>);

impl Sink for ToRecorder {
    fn record(&self, event: &Event) {
        self.0.record(event);
    }
}

fn bounded() -> (Bounded<ToRecorder>, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    (Bounded::new(ToRecorder(recorder.clone()), BUDGET), recorder)
}

fn event(from: &str, second: u64) -> Event {
    let head = OwnedHead::get("/x")
        .from(from)
        .at(Duration::from_secs(second));
    let facts = head.facts(&ClientRules::default());
    let denial = Denial::forbidden("rule", "why");
    Event::Request(RequestEvent::new(
        &facts,
        1,
        RequestEventKind::Denied(denial.into()),
    ))
}

#[test]
fn flood_of_one_client_is_limited_and_reported_in_one_line() {
    let (sink, recorder) = bounded();
    for _ in 0..50 {
        sink.record(&event("203.0.113.9", 7));
    }
    sink.record(&event("198.51.100.1", 7));
    assert_eq!(
        recorder.take().len(),
        4,
        "three of one client, one of the other"
    );
    sink.record(&event("203.0.113.9", 8));
    let words = recorder.take_texts();
    assert_eq!(
        words[0],
        "log limit: 47 events not shown, 47 of them from 203.0.113.9/32"
    );
    assert_eq!(words.len(), 2);
}

#[test]
fn flood_of_unparsable_requests_is_limited_by_peer() {
    let (sink, recorder) = bounded();
    let at = UNIX_EPOCH + Duration::from_secs(7);
    let event = |peer: [u8; 4]| {
        let event = UnparsableEvent::new(at, peer.into(), UnparsablePart::Target, b"GET /<");
        Event::Unparsable(event)
    };
    for _ in 0..50 {
        sink.record(&event([203, 0, 113, 9]));
    }
    sink.record(&event([198, 51, 100, 1]));
    assert_eq!(recorder.take().len(), 4);
    sink.flush(at + Duration::from_secs(1));
    let text = "log limit: 47 events not shown, 47 of them from 203.0.113.9/32";
    assert_eq!(recorder.take_texts(), [text]);
}

#[test]
fn addresses_of_one_ipv6_network_are_one_client() {
    let (sink, recorder) = bounded();
    let at = UNIX_EPOCH + Duration::from_secs(7);
    for n in 0..50_u16 {
        let peer = IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, n]);
        let event = UnparsableEvent::new(at, peer, UnparsablePart::Target, b"GET /<");
        sink.record(&Event::Unparsable(event));
    }
    assert_eq!(recorder.take().len(), 3);
    sink.flush(at + Duration::from_secs(1));
    let text = "log limit: 47 events not shown, 47 of them from 2001:db8:0:1::/64";
    assert_eq!(recorder.take_texts(), [text]);
}

#[test]
fn many_clients_share_a_budget() {
    let (sink, recorder) = bounded();
    for n in 0..20_000_u32 {
        sink.record(&event(
            &format!("10.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255),
            7,
        ));
    }
    assert_eq!(recorder.take().len(), 10);
    sink.flush(UNIX_EPOCH + Duration::from_secs(8));
    assert_eq!(recorder.take_texts(), ["log limit: 19990 events not shown"]);
    sink.flush(UNIX_EPOCH + Duration::from_secs(9));
    assert!(recorder.take().is_empty(), "reported once");
}

#[test]
fn no_number_of_denials_hides_an_event_of_another_class() {
    let (sink, recorder) = bounded();
    // A scanner that is fast, and 150 other clients that use up the total.
    for _ in 0..50 {
        sink.record(&event("203.0.113.9", 7));
    }
    for n in 0..150 {
        sink.record(&event(&format!("198.51.100.{n}"), 7));
    }
    assert_eq!(recorder.take().len(), 10);
    let others: Vec<_> = every_event(&largest())
        .into_iter()
        .filter(|event| event.class() != EventClass::Traffic)
        .collect();
    for event in &others {
        sink.record(event);
    }
    let passed = recorder.take_texts();
    let classes: HashSet<_> = others.iter().map(Event::class).collect();
    assert_eq!(classes.len(), EventClass::ALL.len() - 1, "each is tried");
    for class in classes {
        let mut events = others.iter().filter(|event| event.class() == class);
        let is_shown = events.any(|event| passed.contains(&event.to_string()));
        assert!(is_shown, "{class:?} is hidden");
    }
}

#[test]
fn every_event_is_bounded_in_number_and_bytes() {
    for event in every_event(&largest()) {
        let (sink, recorder) = bounded();
        for _ in 0..10_000 {
            sink.record(&event);
        }
        let passed = recorder.take_texts();
        let most = if event.client().is_some() {
            BUDGET.per_client
        } else {
            BUDGET.total
        };
        let most = usize::try_from(most).unwrap();
        assert!(
            (1..=most).contains(&passed.len()),
            "{}: {event}",
            passed.len()
        );
        let budget = BUDGET.bytes_per_client.max(BUDGET.total_bytes);
        let budget = usize::try_from(budget).unwrap();
        let bytes: usize = passed.iter().map(String::len).sum();
        let one = event.to_string().len();
        assert!(bytes < budget + one, "{bytes}: {event}");
        let max = if matches!(event, Event::Policy(_)) {
            17_000
        } else {
            4_500
        };
        assert!(one < max, "{one} bytes: {event}");
    }
}

#[test]
fn bytes_of_one_client_and_of_all_clients_are_limited() {
    let (sink, recorder) = bounded();
    let long = |client: u8| {
        let at = UNIX_EPOCH + Duration::from_secs(7);
        let client = IpAddr::from([203, 0, 113, client]);
        let part = UnparsablePart::Target;
        Event::Unparsable(UnparsableEvent::new(at, client, part, &[0xff; 300]))
    };
    let one = long(1).to_string().len();
    assert!((1_000..2_000).contains(&one));
    for _ in 0..3 {
        sink.record(&long(1));
    }
    assert_eq!(recorder.take().len(), 2, "the second exceeds 2,000 bytes");
    for client in 2..20 {
        sink.record(&long(client));
    }
    let passed = 2 + recorder.take().len();
    assert_eq!(passed, 6_000_usize.div_ceil(one));
    sink.flush(UNIX_EPOCH + Duration::from_secs(8));
    let text = format!(
        "log limit: {} events not shown, 1 of them from 203.0.113.1/32",
        21 - passed
    );
    assert_eq!(recorder.take_texts(), [text]);
}
