//! Request heads as bytes over sockets. A head that two servers would read differently is refused by a
//! named rule. hyper refuses chunks, and single streams of HTTP/2, without one. An honest head passes, and the upstream receives one well-formed
//! request. After each, the connection is in step or closed.

mod http1;
mod http2;
mod strict;

use std::{fmt, sync::Arc, time::Duration};

use gabion::event::Event;
use gabion_proxy::Protocols;
use gabion_testkit::{Recorder, eventually};
use tokio::time::timeout;

use crate::support::guarded_proxy::{GuardedProxy, builder, rule_of};
use strict::{Seen, Strict};

/// The time in which the event about a refused request comes.
const SOON: Duration = Duration::from_millis(100);

/// A guard with protocol rules only, and a strict upstream.
struct Setup {
    proxy: GuardedProxy,
    events: Arc<Recorder>,
    backend: Strict,
}

/// Counts of the rows by the component that decided.
#[derive(Clone, Copy, Default)]
struct Tally {
    rows: usize,
    wrong: usize,
    refused: usize,
    passed: usize,
    by_hyper: usize,
}

/// The outcome of one row.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// The status of the response, or `closed`, `reset` or `ended`.
    answer: String,
    /// The rule that refused, `hyper`, or `pass`.
    by: String,
    /// The bytes that reached the upstream.
    seen: Vec<Seen>,
    /// `true` if the connection served the next request.
    goes_on: bool,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_has_its_outcome() {
    let mut wrong = Vec::new();
    let one = http1::rows(&Setup::with_protocols(Protocols::Http1).await, &mut wrong).await;
    let two = Setup::with_protocols(Protocols::Http1AndPriorKnowledge).await;
    let two = http2::rows(&two, &mut wrong).await;
    println!("protocol table: HTTP/1.1 {one}, HTTP/2 {two}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Expands `\r\n` for `unescape`, and `<<3 x>>` to `xxx`.
fn expand(text: &str) -> String {
    let mut parts = text.split("<<");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (repeated, rest) = part.split_once(">>").expect("an end");
        let (count, text) = repeated.split_once(' ').expect("a number and a text");
        whole.push_str(&text.repeat(count.parse().unwrap()));
        whole.push_str(rest);
    }
    whole.replace("\\r\\n", "\\x0d\\x0a")
}

/// The rule of a denial, or of a refusal by hyper.
fn rule_or_part(event: &Event) -> Option<&str> {
    match event {
        Event::Unparsable(event) => Some(event.part.id()),
        event => rule_of(event),
    }
}

// === impl Setup ===

impl Setup {
    async fn with_protocols(protocols: Protocols) -> Self {
        let backend = Strict::start().await;
        let events = Arc::new(Recorder::default());
        let guard = builder(events.clone()).with_policy("version = 1\n", "protocol alone");
        let proxy = GuardedProxy::with_proxy_events(protocols, &backend.url(), guard.unwrap());
        Self {
            proxy,
            events,
            backend,
        }
    }

    /// The component that decided on the last requests. Without a refusal, the connection goes on.
    async fn by(&self, answer: &str, goes_on: bool) -> String {
        let is_served = answer == "200" || answer == "101";
        let is_done = is_served && goes_on;
        let events = || Some(self.events.take()).filter(|events| is_done || !events.is_empty());
        let events = timeout(SOON, eventually(events)).await;
        let events = events.ok().flatten().unwrap_or_default();
        let rules: Vec<_> = events.iter().filter_map(rule_or_part).collect();
        match &rules[..] {
            [] if is_served => "pass".to_owned(),
            [] => "hyper".to_owned(),
            rules => rules.join(", "),
        }
    }
}

// === impl Tally ===

impl Tally {
    fn count(&mut self, by: &str) {
        self.rows += 1;
        match by {
            "pass" => self.passed += 1,
            "hyper" => self.by_hyper += 1,
            _ => self.refused += 1,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let right = self.rows - self.wrong;
        write!(f, "{right} of {} rows ", self.rows)?;
        let (refused, passed, by_hyper) = (self.refused, self.passed, self.by_hyper);
        write!(
            f,
            "({refused} refused, {passed} passed, {by_hyper} by hyper)"
        )
    }
}
