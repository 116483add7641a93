//! A flood of events is reduced to a bounded number of records.

use std::{sync::Arc, time::Duration};

use gabion_core::{
    ClientRules, Denial, Event, RequestEvent, RequestEventKind, Sink, UnparsableEvent,
    UnparsablePart,
};
use gabion_sinks::{Bounded, EventBudget};
use gabion_testkit::{OwnedHead, Recorder};

const BUDGET: EventBudget = EventBudget {
    per_client: 3,
    total: 10,
};

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
    let at = std::time::UNIX_EPOCH + Duration::from_secs(7);
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
fn many_clients_share_a_budget() {
    let (sink, recorder) = bounded();
    for n in 0..20_000_u32 {
        sink.record(&event(
            &format!("10.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255),
            7,
        ));
    }
    assert_eq!(recorder.take().len(), 10);
    sink.flush(std::time::UNIX_EPOCH + Duration::from_secs(8));
    assert_eq!(recorder.take_texts(), ["log limit: 19990 events not shown"]);
    sink.flush(std::time::UNIX_EPOCH + Duration::from_secs(9));
    assert!(recorder.take().is_empty(), "reported once");
}
