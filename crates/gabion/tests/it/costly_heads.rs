//! The costliest heads that fuzzing found take a bounded multiple of the time of their clean counterparts.

use std::fs;

use gabion_testkit::laws::weigh;

/// The largest ratio to a clean head. `--bench heads` counts instructions and holds a lower bound; times on a
/// busy machine, without optimization, vary more.
const MOST: u64 = 160;

/// The fastest of so many judgments counts, which other load disturbs least.
const RUNS: u32 = 100;

#[test]
#[expect(clippy::disallowed_methods, reason = "a test reads its inputs")]
fn costliest_heads_stay_within_a_multiple_of_clean_ones() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/heads/kept");
    let mut measured = 0;
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let weight = weigh(&fs::read(&file).unwrap(), RUNS).expect("a request head");
        println!("{}: {weight}", file.display());
        assert!(weight.times() <= MOST, "{}: {weight}", file.display());
        measured += 1;
    }
    assert!(measured > 0, "{folder} is empty");
}
