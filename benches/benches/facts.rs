//! The time to extract the facts of a request, and of the scan's signals.
//!
//! `cargo bench -p gabion-benches --bench facts`
//!
//! Nanoseconds for the client, the views of the path, all facts, and the scan's signals. The requests are
//! those of a browser, of a browser through a balancer with an encoded path, and of a scanner that hides
//! its path.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench may panic")]

use std::{sync::Arc, time::Duration};

use gabion::{
    Inspect, RequestState,
    client::ClientRules,
    inspect::{Config as _, Context, PathViews, State},
    scan::{ScanConfig, Scores},
};
use gabion_benches::{Comparison, Rng, is_test, requests};
use gabion_testkit::OwnedHead;

/// Rounds, and requests per round.
const ROUNDS: usize = 25;
const REQUESTS: usize = 1 << 12;

/// A kind of request.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A browser, without a proxy.
    Plain,
    /// A browser through a balancer, with a percent-encoded path.
    Encoded,
    /// A scanner that forges thirty proxies and obfuscates its path.
    Hostile,
}

fn main() {
    let (rounds, requests) = if is_test() {
        (1, 16)
    } else {
        (ROUNDS, REQUESTS)
    };
    let trusted = ["10.0.0.0/8".parse().unwrap()];
    let rules = ClientRules::default().with_trusted(trusted).unwrap();
    let scores = Arc::new(Scores::new(1));
    let first = Duration::from_mins(10);
    let scan = ScanConfig::default()
        .compile(&Context::new(&State::scratch().with_scores(scores)).with_ban_for(first))
        .unwrap();
    println!(
        "{:<10}{:>10}{:>10}{:>10}{:>10}",
        "", "client", "views", "facts", "scan"
    );
    for kind in [Kind::Plain, Kind::Encoded, Kind::Hostile] {
        let mut rng = Rng::new(1);
        let heads: Vec<_> = (0..requests).map(|_| kind.head(&mut rng)).collect();
        let facts: Vec<_> = heads.iter().map(|head| head.facts(&rules)).collect();
        let mut comparison = Comparison::new();
        comparison.add("client", || {
            let clients = facts
                .iter()
                .map(|facts| rules.resolve(facts.peer, facts.headers));
            clients.filter(|client| client.exempt().is_none()).count()
        });
        comparison.add("views", || {
            let paths = facts
                .iter()
                .map(|facts| PathViews::new(facts.uri.path().as_bytes()));
            paths.filter(|views| views.iter().next().is_some()).count()
        });
        comparison.add("facts", || {
            let facts = heads.iter().map(|head| head.facts(&rules));
            facts
                .filter(|facts| facts.client.exempt().is_none())
                .count()
        });
        comparison.add("scan", || {
            let mut state = RequestState::new(&facts[0]);
            let verdicts = facts.iter().map(|facts| scan.inspect(facts, &mut state));
            verdicts.count()
        });
        let timings = comparison.run(rounds, requests);
        let nanos = timings
            .iter()
            .map(|timing| format!("{:>10.1}", timing.nanos));
        println!("{kind:<10?}{}", nanos.collect::<String>());
    }
}

// === impl Kind ===

impl Kind {
    fn head(self, rng: &mut Rng) -> OwnedHead {
        match self {
            Self::Plain => browser(&requests::PathKind::Plain.generate(rng)),
            Self::Encoded => browser(&requests::PathKind::Encoded.generate(rng))
                .from("10.0.0.1")
                .header("x-forwarded-for", "203.0.113.9"),
            Self::Hostile => {
                let hops = ["10.0.0.7"; 29].join(", ");
                OwnedHead::get(&requests::PathKind::Hostile.generate(rng))
                    .from("10.0.0.1")
                    .header("x-forwarded-for", &format!("203.0.113.9, {hops}"))
                    .header(
                        "user-agent",
                        "Mozilla/5.00 (Nikto/2.1.6) (Evasions:1) (Test:map_codes)",
                    )
            }
        }
    }
}

fn browser(path: &str) -> OwnedHead {
    let [_, headers @ ..] = requests::BROWSER;
    let head = OwnedHead::get(path);
    headers
        .iter()
        .fold(head, |head, (name, value)| head.header(name, value))
}
