//! Measures the packs on requests that they were not written from. Prints the figures; asserts only
//! against faults of the measurement. `crates/policy/packs/README.md` has the figures.

use std::{collections::BTreeMap, fs};

use gabion::{
    Inspect as _, RequestState,
    client::ClientRules,
    deny::{Deny, DenyRule},
    inspect::{Config as _, Context, State},
    policy::Pack,
};
use gabion_testkit::{OwnedHead, shared};
use serde_json::Value;

use crate::support::guarded_proxy::fitting;

fn deny(packs: impl IntoIterator<Item = Pack>) -> Deny {
    let rules: Vec<DenyRule> = packs
        .into_iter()
        .flat_map(|pack| pack.rules().to_vec())
        .collect();
    rules.compile(&Context::new(&State::scratch())).unwrap()
}

#[test]
fn paths_of_scanners() {
    for (file, key) in [
        ("data/requests/galah_honeypot.ndjson", "uri"),
        (
            "data/probe-paths/nuclei_exposures_misconfig_panels_tech.ndjson",
            "path",
        ),
    ] {
        let Some(targets) = texts(file, key) else {
            return;
        };
        println!("{file}: {} requests", targets.len());
        caught("never alone", &deny([Pack::Never]), &targets);
        let missed = caught("all that fit Spring", &deny(fitting()), &targets);
        caught("all", &deny(Pack::ALL), &targets);
        let mut heads = BTreeMap::<_, usize>::new();
        for path in &missed {
            let head = path.split('/').nth(1).unwrap_or_default();
            *heads.entry(head).or_default() += 1;
        }
        let mut heads: Vec<_> = heads.into_iter().collect();
        heads.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        println!("  missed most: {:?}", &heads[..heads.len().min(20)]);
    }
}

#[test]
fn agents_of_scanners_and_of_people() {
    let deny = deny([Pack::Scanners]);
    for file in ["isbot_browsers", "isbot_crawlers", "monperrus_crawlers"] {
        let Some(agents) = texts(&format!("data/user-agents/{file}.ndjson"), "ua") else {
            return;
        };
        let refused: Vec<_> = agents
            .iter()
            .filter(|agent| refuses(&deny, agent))
            .collect();
        println!("{file}: {} of {} refused", refused.len(), agents.len());
        for agent in &refused {
            println!("  {agent}");
        }
        if file == "isbot_browsers" {
            assert_eq!(refused.len(), 0, "a person's browser");
        }
    }
}

fn refuses(deny: &Deny, agent: &str) -> bool {
    let plain: String = agent
        .chars()
        .filter(|letter| !letter.is_control())
        .collect();
    let head = OwnedHead::get("/").header("user-agent", &plain);
    let rules = ClientRules::default();
    let facts = head.facts(&rules);
    deny.inspect(&facts, &mut RequestState::new(&facts))
        .refuses()
}

/// Prints the number of refused targets, and returns the paths of the others.
fn caught<'t>(name: &str, deny: &Deny, targets: &'t [String]) -> Vec<&'t str> {
    let paths = targets.iter().map(|target| {
        let end = target.find(['?', '#']).unwrap_or(target.len());
        &target[..end]
    });
    let missed: Vec<_> = paths
        .filter(|path| deny.judges(path.as_bytes()).is_none())
        .collect();
    let hit = targets.len() - missed.len();
    println!("  {name}: {hit} of {} refused", targets.len());
    missed
}

#[expect(clippy::disallowed_methods, reason = "a test reads its data")]
fn texts(file: &str, key: &str) -> Option<Vec<String>> {
    let text = fs::read_to_string(shared(file)?).unwrap();
    let texts: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|record| record[key].as_str().unwrap_or_default().to_owned())
        .collect();
    assert!(!texts.is_empty());
    Some(texts)
}
