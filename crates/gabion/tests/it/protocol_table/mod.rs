//! Heads as bytes over sockets: what two servers would read differently is refused, by a rule that
//! says so or by hyper before it; what honest clients send passes, and the server behind sees it as
//! one well-formed request. After each the connection is in step, or it has ended.

mod http1;
mod http2;
mod strict;

use std::{fmt, sync::Arc};

use gabion_proxy::Protocols;
use gabion_testkit::Recorder;

use crate::support::sockets::{Front, builder, rule_of};
use strict::{Seen, Strict};

/// A guard that judges by the head alone, and a server that takes it at its word.
struct Place {
    front: Front,
    events: Arc<Recorder>,
    behind: Strict,
}

/// Who decided, and how often.
#[derive(Clone, Copy, Default)]
struct Tally {
    rows: usize,
    wrong: usize,
    refused: usize,
    passed: usize,
    by_hyper: usize,
}

/// What became of one row.
#[derive(Debug, PartialEq, Eq)]
struct Fate {
    /// The status of the answer, or what came in its place.
    answer: String,
    /// The rule that refused, `hyper` where it did, or `pass`.
    by: String,
    /// What the server behind saw.
    seen: Vec<Seen>,
    /// Whether the connection went on to serve the next request.
    goes_on: bool,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_comes_true() {
    let mut wrong = Vec::new();
    let one = http1::rows(&Place::speaking(Protocols::Http1).await, &mut wrong).await;
    let two = Place::speaking(Protocols::Http1AndPriorKnowledge).await;
    let two = http2::rows(&two, &mut wrong).await;
    println!("protocol table: HTTP/1.1 {one}, HTTP/2 {two}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `\r\n` as `unescape` reads it, and `<<3 x>>` as `xxx`.
fn spelled_out(text: &str) -> String {
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

// === impl Place ===

impl Place {
    async fn speaking(protocols: Protocols) -> Self {
        let behind = Strict::start().await;
        let events = Arc::new(Recorder::default());
        let guard = builder(events.clone()).with_policy("version = 1\n", "protocol alone");
        let front = Front::speaking(protocols, &behind.url, guard.unwrap());
        Self {
            front,
            events,
            behind,
        }
    }

    /// Who decided on the request that was just sent.
    fn by(&self, answer: &str) -> String {
        let events = self.events.take();
        let rules: Vec<_> = events.iter().filter_map(rule_of).collect();
        match &rules[..] {
            [] if answer == "200" || answer == "101" => "pass".to_owned(),
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
