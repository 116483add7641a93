//! How many instructions the hot paths take, held to what is kept in `instructions.tsv`.
//!
//! `cargo bench -p gabion-benches --bench instructions [-- TIMES]` counts each row so often, prints the
//! median, how far the counts lie apart, and what is kept; it fails where a count has grown or shrunk.
//! `-- --write` keeps what is counted.
//!
//! Callgrind counts, from outside, what runs within one function of this program: each row in a process
//! of its own, so that none sees what another left in memory. gungraun does likewise, but holds its counts
//! to those of an earlier run in the target folder, not to a file of the repository, and only from above.
//! What is seeded at random (maps and tables hash with secret keys) takes as many instructions with any
//! seed, but for who meets whom in a table: each row is the mean of a thousand.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench asks its machine, and may stop"
)]

mod callgrind;
mod kept;
mod rows;
mod whole;

use std::{env, process::ExitCode};

use callgrind::Callgrind;
use gabion_benches::is_test;
use kept::{Kept, Measured};
use rows::{ROWS, Row};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [flag, name] = &args[..]
        && flag == callgrind::ROW
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
        kept::write(&measured);
        return ExitCode::SUCCESS;
    }
    let kept = Kept::read();
    let complaints = kept.complaints(&measured);
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    if complaints.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("{}", kept.advice());
    ExitCode::FAILURE
}

/// Counts every row so often: the median of each.
fn measure(callgrind: &Callgrind, times: usize) -> Vec<Measured> {
    println!("{:<36}{:>14}{:>10}", "", "instructions", "spread");
    let measure = |row: &Row| {
        let mut counts: Vec<_> = (0..times.max(1)).map(|_| callgrind.count(row)).collect();
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
