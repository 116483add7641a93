//! A flood of events costs a bounded number of lines and of bytes.

use std::{sync::Arc, time::Duration};

use gabion_core::{ClientRules, Denial, Event, RequestEvent, RequestEventKind, Sink};
use gabion_sinks::{Bounded, EventBudget};
use gabion_testkit::{OwnedHead, Recorder};

const BUDGET: EventBudget = EventBudget {
    per_client: 3,
    in_all: 10,
};

struct To(Arc<Recorder>);

impl Sink for To {
    fn record(&self, event: &Event) {
        self.0.record(event);
    }
}

fn bounded() -> (Bounded<To>, Arc<Recorder>) {
    let told = Arc::new(Recorder::default());
    (Bounded::new(To(told.clone()), BUDGET), told)
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
        RequestEventKind::Denied(denial),
    ))
}

#[test]
fn a_client_s_flood_is_cut_and_told_in_one_line() {
    let (sink, told) = bounded();
    for _ in 0..50 {
        sink.record(&event("203.0.113.9", 7));
    }
    sink.record(&event("198.51.100.1", 7));
    assert_eq!(told.take().len(), 4, "three of the one, one of the other");
    sink.record(&event("203.0.113.9", 8));
    let words = told.take_words();
    assert_eq!(
        words[0],
        "47 more events in that second, 47 of them by 203.0.113.9/32"
    );
    assert_eq!(words.len(), 2);
}

#[test]
fn many_clients_share_a_budget() {
    let (sink, told) = bounded();
    for n in 0..20_000_u32 {
        sink.record(&event(
            &format!("10.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255),
            7,
        ));
    }
    assert_eq!(told.take().len(), 10);
    sink.flush(std::time::UNIX_EPOCH + Duration::from_secs(8));
    assert_eq!(told.take_words(), ["19990 more events in that second"]);
    sink.flush(std::time::UNIX_EPOCH + Duration::from_secs(9));
    assert!(told.take().is_empty(), "told once");
}
