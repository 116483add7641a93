//! Instruction counts of the hot paths, compared with `instructions.tsv`.
//!
//! `cargo bench -p gabion-benches --bench instructions [-- TIMES]` counts each row `TIMES` times (default
//! 1), prints the median and the spread of the counts, and fails if a count exceeds or falls below the
//! tolerance. `-- --write` writes the counts to the file.
//!
//! Callgrind counts the instructions within one function of this program. Each row runs in its own
//! process, so that no row affects the memory of another. gungraun works in the same way, but compares
//! with an earlier run in the target folder, not with a file of the repository, and only upwards.
//! Maps and tables hash with random keys, so collisions differ between runs; for this reason each row is
//! the mean of 1,000 operations.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench reads the system's state and may panic"
)]

mod baseline;
mod end_to_end;
mod rows;

use std::{env, process::ExitCode};

use baseline::{Baseline, Measured};
use gabion_benches::{callgrind::Callgrind, is_test};
use rows::{ROWS, Row};

/// The option that makes this program run one row, by its name.
const ROW: &str = "--row";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [flag, name] = &args[..]
        && flag == ROW
    {
        Row::named(name).expect("a row").run();
        return ExitCode::SUCCESS;
    }
    if is_test() {
        ROWS.iter().for_each(Row::run);
        println!("{} rows run", ROWS.len());
        return ExitCode::SUCCESS;
    }
    let Some(callgrind) = Callgrind::find() else {
        return ExitCode::SUCCESS;
    };
    let times = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(1);
    let measured = measure(&callgrind, times);
    if args.iter().any(|arg| arg == "--write") {
        baseline::write(&measured);
        return ExitCode::SUCCESS;
    }
    let baseline = Baseline::read();
    let differences = baseline.differences(&measured);
    for difference in &differences {
        eprintln!("{difference}");
    }
    if differences.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("{}", baseline.advice());
    ExitCode::FAILURE
}

/// Counts every row `times` times and returns the medians.
fn measure(callgrind: &Callgrind, times: usize) -> Vec<Measured> {
    println!("{:<36}{:>14}{:>10}", "", "instructions", "spread");
    let measure = |row: &Row| {
        let mut counts: Vec<_> = (0..times.max(1)).map(|_| row.count(callgrind)).collect();
        counts.sort_by(f64::total_cmp);
        let (least, most) = (counts[0], counts[counts.len() - 1]);
        let median = counts[counts.len() / 2];
        let spread = (most - least) / median * 100.0;
        println!("{:<36}{median:>14.1}{spread:>8.2} %", row.0);
        Measured {
            name: row.0.to_owned(),
            instructions: median,
        }
    };
    ROWS.iter().map(measure).collect()
}
