//! What the views of a path cost, beside one reading of it.
//!
//! `cargo bench -p gabion-benches --bench path`
//!
//! gabion reads a path in every way in which a server might; its peer in one: `percent-encoding`
//! decodes it and `path-clean` takes its dots away.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench may stop")]

use gabion::inspect::PathViews;
use gabion_benches::{Numbers, Race, asked::Path, is_test};
use percent_encoding::percent_decode_str;

/// How often everyone reads all paths.
const ROUNDS: usize = 51;
const PATHS: usize = 1 << 12;

fn main() {
    let (rounds, count) = if is_test() { (1, 16) } else { (ROUNDS, PATHS) };
    println!("{:<12}{:<32}{:>9}{:>9}", "", "", "ns", "ratio");
    for kind in [Path::Plain, Path::Encoded, Path::Hostile] {
        let mut numbers = Numbers::of(1);
        let paths: Vec<_> = (0..count).map(|_| kind.draw(&mut numbers)).collect();
        let read = |reads: &dyn Fn(&str) -> bool| paths.iter().filter(|path| reads(path)).count();
        let mut race = Race::new();
        race.enter("percent-encoding, path-clean", || {
            read(&|path| {
                let decoded = percent_decode_str(path).decode_utf8_lossy();
                path_clean::clean(&*decoded).starts_with("/")
            })
        });
        race.enter("gabion, every view", || {
            read(&|path| PathViews::new(path.as_bytes()).iter().next().is_some())
        });
        let views = |path: &String| PathViews::new(path.as_bytes()).iter().count();
        let views = paths.iter().map(views).max().unwrap();
        for finish in race.run(rounds, count) {
            let (name, nanos, ratio) = (finish.name, finish.nanos, finish.ratio);
            println!(
                "{:<12}{name:<32}{nanos:>9.1}{ratio:>9.2}",
                format!("{kind:?}")
            );
        }
        println!("{:<12}{views} views at most", "");
    }
}
