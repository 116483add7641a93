//! The time of all views of a path, beside one normalization of it.
//!
//! `cargo bench -p gabion-benches --bench path`
//!
//! gabion derives a view for each way in which a server may read the path. The peer reads it in one way:
//! `percent-encoding` decodes it and `path-clean` removes its dot segments.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench may panic")]

use gabion::inspect::PathViews;
use gabion_benches::{Comparison, Rng, is_test, requests::PathKind};
use percent_encoding::percent_decode_str;

/// Rounds, and paths per round.
const ROUNDS: usize = 51;
const PATHS: usize = 1 << 12;

fn main() {
    let (rounds, count) = if is_test() { (1, 16) } else { (ROUNDS, PATHS) };
    println!("{:<12}{:<32}{:>9}{:>9}", "", "", "ns", "ratio");
    for kind in [PathKind::Plain, PathKind::Encoded, PathKind::Hostile] {
        let mut rng = Rng::new(1);
        let paths: Vec<_> = (0..count).map(|_| kind.generate(&mut rng)).collect();
        let read = |reads: &dyn Fn(&str) -> bool| paths.iter().filter(|path| reads(path)).count();
        let mut comparison = Comparison::new();
        comparison.add("percent-encoding, path-clean", || {
            read(&|path| {
                let decoded = percent_decode_str(path).decode_utf8_lossy();
                path_clean::clean(&*decoded).starts_with("/")
            })
        });
        comparison.add("gabion, every view", || {
            read(&|path| PathViews::new(path.as_bytes()).iter().next().is_some())
        });
        let views = |path: &String| PathViews::new(path.as_bytes()).iter().count();
        let views = paths.iter().map(views).max().unwrap();
        for timing in comparison.run(rounds, count) {
            let (name, nanos, ratio) = (timing.name, timing.nanos, timing.ratio);
            println!(
                "{:<12}{name:<32}{nanos:>9.1}{ratio:>9.2}",
                format!("{kind:?}")
            );
        }
        println!("{:<12}{views} views at most", "");
    }
}
