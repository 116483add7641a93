//! What is found out of a request before it is judged, and what the scan sees in it.
//!
//! `cargo bench -p gabion-benches --bench facts`
//!
//! Nanoseconds for the client, the views of the path and the scan's signals, for requests as browsers
//! send them, with escapes, and as those send them who hide.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench may stop")]

use std::{sync::Arc, time::Duration};

use gabion::{
    Inspect, RequestState,
    client::ClientRules,
    inspect::{Config as _, Context, PathViews, State},
    scan::{ScanConfig, Scores},
};
use gabion_benches::{Numbers, Race, asked, is_test};
use gabion_testkit::OwnedHead;

/// How often everything is done with all requests.
const ROUNDS: usize = 25;
const REQUESTS: usize = 1 << 12;

/// Who asks, and for what.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A browser, from its own address.
    Plain,
    /// A browser through a balancer, for a path with escapes.
    Encoded,
    /// A scanner that claims thirty proxies, and hides what it asks for.
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
        let mut numbers = Numbers::of(1);
        let heads: Vec<_> = (0..requests).map(|_| kind.head(&mut numbers)).collect();
        let facts: Vec<_> = heads.iter().map(|head| head.facts(&rules)).collect();
        let mut race = Race::new();
        race.enter("client", || {
            let clients = facts
                .iter()
                .map(|facts| rules.resolve(facts.peer, facts.headers));
            clients.filter(|client| client.exempt().is_none()).count()
        });
        race.enter("views", || {
            let paths = facts
                .iter()
                .map(|facts| PathViews::new(facts.uri.path().as_bytes()));
            paths.filter(|views| views.iter().next().is_some()).count()
        });
        race.enter("facts", || {
            let facts = heads.iter().map(|head| head.facts(&rules));
            facts
                .filter(|facts| facts.client.exempt().is_none())
                .count()
        });
        race.enter("scan", || {
            let mut state = RequestState::new(&facts[0]);
            let verdicts = facts.iter().map(|facts| scan.inspect(facts, &mut state));
            verdicts.count()
        });
        let finishes = race.run(rounds, requests);
        let nanos = finishes
            .iter()
            .map(|finish| format!("{:>10.1}", finish.nanos));
        println!("{kind:<10?}{}", nanos.collect::<String>());
    }
}

// === impl Kind ===

impl Kind {
    fn head(self, numbers: &mut Numbers) -> OwnedHead {
        match self {
            Self::Plain => browser(&asked::Path::Plain.draw(numbers)),
            Self::Encoded => browser(&asked::Path::Encoded.draw(numbers))
                .from("10.0.0.1")
                .header("x-forwarded-for", "203.0.113.9"),
            Self::Hostile => {
                let hops = ["10.0.0.7"; 29].join(", ");
                OwnedHead::get(&asked::Path::Hostile.draw(numbers))
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
    let [_, headers @ ..] = asked::BROWSER;
    let head = OwnedHead::get(path);
    headers
        .iter()
        .fold(head, |head, (name, value)| head.header(name, value))
}
