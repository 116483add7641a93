//! The time of deny rules, by their number.
//!
//! `cargo bench -p gabion-benches --bench deny`
//!
//! Each kind of path is judged by 10, 1,000 and 10,000 rules: paths, prefixes, names and extensions
//! in equal parts. The views of the paths are read before the measurement.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench may panic")]

use gabion::{
    Facts, Inspect, RequestState, Verdict,
    client::ClientRules,
    deny::Deny,
    inspect::{Config as _, Context, State},
};
use gabion_benches::{Comparison, Rng, is_test, requests::PathKind, rules};
use gabion_testkit::OwnedHead;

/// Rounds, and paths per round.
const ROUNDS: usize = 25;
const PATHS: usize = 1 << 12;

fn main() {
    let (rounds, paths) = if is_test() { (1, 16) } else { (ROUNDS, PATHS) };
    println!("{:<10}{:>12}{:>9}{:>9}", "", "rules", "ns", "ratio");
    for kind in [
        PathKind::Plain,
        PathKind::Encoded,
        PathKind::Hostile,
        PathKind::Denied,
    ] {
        let mut rng = Rng::new(1);
        let heads: Vec<_> = (0..paths)
            .map(|_| OwnedHead::get(&kind.generate(&mut rng)))
            .collect();
        let clients = ClientRules::default();
        let facts: Vec<_> = heads.iter().map(|head| head.facts(&clients)).collect();
        let mut comparison = Comparison::new();
        for count in [10, 1_000, 10_000] {
            let deny = rules(count);
            let facts = &facts;
            comparison.add(&count.to_string(), move || denied(&deny, facts));
        }
        for timing in comparison.run(rounds, paths) {
            let (nanos, ratio) = (timing.nanos, timing.ratio);
            println!("{kind:<10?}{:>12}{nanos:>9.1}{ratio:>9.2}", timing.name);
        }
    }
}

fn denied(deny: &Deny, facts: &[Facts<'_>]) -> usize {
    let mut state = RequestState::new(&facts[0]);
    let verdicts = facts.iter().map(|facts| deny.inspect(facts, &mut state));
    verdicts.filter(|verdict| *verdict != Verdict::Pass).count()
}

fn rules(count: usize) -> Deny {
    let rules = rules::deny(count);
    rules.compile(&Context::new(&State::scratch())).unwrap()
}
