//! What deny rules cost, by their number.
//!
//! `cargo bench -p gabion-benches --bench deny`
//!
//! Each kind of path is judged by 10, 1,000 and 10,000 rules: paths, prefixes, names and extensions
//! in equal parts. Its views are read beforehand.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench may stop")]

use std::time::Duration;

use gabion::{ClientRules, Deny, DenyRule, Facts, Inspect, Mode, Trace, Verdict};
use gabion_benches::{Numbers, Race, is_test};
use gabion_testkit::HeadOf;

/// How often all paths are judged by all rules.
const ROUNDS: usize = 25;
const PATHS: usize = 1 << 12;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// As a site links to its pages.
    Plain,
    /// With escapes, as of names in other languages.
    Encoded,
    /// What tries to hide what it asks for, and asks for what no rule forbids.
    Hostile,
    /// What the first rule forbids.
    Denied,
}

fn main() {
    let (rounds, paths) = if is_test() { (1, 16) } else { (ROUNDS, PATHS) };
    println!("{:<10}{:>12}{:>9}{:>9}", "", "rules", "ns", "ratio");
    for kind in [Kind::Plain, Kind::Encoded, Kind::Hostile, Kind::Denied] {
        let mut numbers = Numbers::of(1);
        let heads: Vec<_> = (0..paths)
            .map(|_| HeadOf::get(&kind.path(&mut numbers)))
            .collect();
        let clients = ClientRules::default();
        let facts: Vec<_> = heads.iter().map(|head| head.facts(&clients)).collect();
        let mut race = Race::new();
        for count in [10, 1_000, 10_000] {
            let deny = rules(count);
            let facts = &facts;
            race.enter(&count.to_string(), move || denied(&deny, facts));
        }
        for finish in race.run(rounds, paths) {
            let (nanos, ratio) = (finish.nanos, finish.ratio);
            println!("{kind:<10?}{:>12}{nanos:>9.1}{ratio:>9.2}", finish.name);
        }
    }
}

fn denied(deny: &Deny, facts: &[Facts<'_>]) -> usize {
    let mut trace = Trace::new(&facts[0]);
    let verdicts = facts.iter().map(|facts| deny.inspect(facts, &mut trace));
    verdicts.filter(|verdict| *verdict != Verdict::Pass).count()
}

fn rules(count: usize) -> Deny {
    let php = DenyRule::new("php").extensions(["php"]);
    let more = (1..count).map(|number| {
        let rule = DenyRule::new(format!("rule-{number}"));
        match number % 4 {
            0 => rule.exact([format!("/probe/{number}/setup.cgi")]),
            1 => rule.prefix([format!("/old-{number}/admin")]),
            2 => rule.names([format!(".secret-{number}")]),
            _ => rule.extensions([format!("bak{number}")]),
        }
    });
    let rules: Vec<_> = std::iter::once(php).chain(more).collect();
    Deny::compile(&rules, Mode::Enforce, Duration::from_mins(10)).unwrap()
}

// === impl Kind ===

impl Kind {
    fn path(self, numbers: &mut Numbers) -> String {
        let (topic, page) = (numbers.below(1_000), numbers.below(100_000));
        match self {
            Self::Plain => format!("/articles/topic-{topic}/page-{page}.html"),
            Self::Encoded => format!("/articles/caf%C3%A9-{topic}/a%20b-{page}.html"),
            Self::Hostile => {
                format!("/a/..;x={topic}/%252e%252e/%5c{page}.html%00.jpg//./b;%70=1/c%2fd")
            }
            Self::Denied => format!("/articles/topic-{topic}/page-{page}.php"),
        }
    }
}
