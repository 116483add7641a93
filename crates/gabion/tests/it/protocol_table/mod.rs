//! Request heads as bytes over sockets. A head that two servers would read differently is refused,
//! by a named rule or by hyper. An honest head passes, and the upstream receives one well-formed
//! request. After each, the connection is in step or closed.

mod http1;
mod http2;
mod strict;

use std::{fmt, sync::Arc};

use gabion_proxy::Protocols;
use gabion_testkit::Recorder;

use crate::support::guarded_proxy::{GuardedProxy, builder, rule_of};
use strict::{Seen, Strict};

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

// === impl Setup ===

impl Setup {
    async fn with_protocols(protocols: Protocols) -> Self {
        let backend = Strict::start().await;
        let events = Arc::new(Recorder::default());
        let guard = builder(events.clone()).with_policy("version = 1\n", "protocol alone");
        let proxy = GuardedProxy::with_protocols(protocols, &backend.url(), guard.unwrap());
        Self {
            proxy,
            events,
            backend,
        }
    }

    /// The component that decided on the last request.
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
