//! The seeds and past findings of the fuzz targets satisfy the laws.

use std::{fs, path::Path};

use gabion_testkit::{laws::Law, laws::TARGETS};

fn fuzz() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz"))
}

/// The sorted names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> = entries
        .map(|entry| name(entry).into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

/// Runs `law` on every input of a folder, and returns the number of inputs.
#[expect(clippy::disallowed_methods, reason = "a test reads its inputs")]
fn replay(folder: &Path, law: Law) -> usize {
    let inputs: Vec<_> = names(folder)
        .into_iter()
        .filter(|name| name != ".gitkeep")
        .collect();
    for name in &inputs {
        let input = fs::read(folder.join(name)).unwrap();
        // The test harness shows this output if the law fails.
        println!("{name}: {}", input.escape_ascii());
        law(&input);
    }
    inputs.len()
}

#[test]
fn seeds_and_regressions_satisfy_the_laws() {
    for (target, law) in TARGETS {
        let seeds = replay(&fuzz().join("seeds").join(target), law);
        assert!(seeds > 0, "{target} has no seed");
        replay(&fuzz().join("regressions").join(target), law);
    }
}

#[test]
fn every_target_is_replayed() {
    let targets = names(&fuzz().join("fuzz_targets"));
    assert_eq!(targets, TARGETS.map(|(target, _)| format!("{target}.rs")));
}
