//! The instruction counts in `instructions.tsv`, and the comparison with new ones.

use std::{
    fmt::{self, Write as _},
    fs,
    process::Command,
};

use gabion_testkit::rows;

/// The allowed relative difference from the count in the file.
const TOLERANCE: f64 = 0.05;

/// The allowed difference if another compiler version wrote the file: it may inline differently.
const OTHER_COMPILER: f64 = 0.25;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.tsv");

const WRITE: &str = "cargo bench -p gabion-benches --bench instructions -- --write";

/// The count of one row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) instructions: f64,
}

/// The contents of `instructions.tsv`.
pub(crate) struct Baseline {
    rows: Vec<Measured>,
    compiler: String,
    tolerance: f64,
}

/// A difference between the file and new counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Difference {
    /// More instructions than in the file: the old row and the new count.
    Grown(Measured, f64),
    /// Fewer instructions than in the file: the old row and the new count.
    Shrunk(Measured, f64),
    /// A counted row that is not in the file.
    New(Measured),
    /// A row of the file that is no longer counted.
    Gone(Measured),
}

/// Writes the counts to the file.
pub(crate) fn write(measured: &[Measured]) {
    let mut text = format!(
        "# Instructions per operation (user space, callgrind on x86-64).\n\
         # {WRITE}\n\
         # {}\n\
         name\tinstructions\n",
        compiler()
    );
    for row in measured {
        writeln!(text, "{}\t{:.1}", row.name, row.instructions).expect("a string accepts any text");
    }
    fs::write(FILE, text).expect("the file is files");
}

fn compiler() -> String {
    let output = Command::new("rustc").arg("-V").output();
    let version = output.expect("rustc prints its version").stdout;
    String::from_utf8_lossy(&version).trim().to_owned()
}

// === impl Baseline ===

impl Baseline {
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(FILE).expect("instructions.tsv exists");
        let by = text.lines().find_map(|line| line.strip_prefix("# rustc"));
        let compiler = format!("rustc{}", by.expect("the line of the compiler version"));
        let rows = rows(&text).into_iter().map(|row| Measured {
            name: row[0].to_owned(),
            instructions: row[1].parse().expect("a count"),
        });
        let same = compiler == self::compiler();
        Self {
            rows: rows.collect(),
            compiler,
            tolerance: if same { TOLERANCE } else { OTHER_COMPILER },
        }
    }

    /// Returns the differences that exceed the tolerance.
    pub(crate) fn differences(&self, measured: &[Measured]) -> Vec<Difference> {
        let now = |old: &Measured| measured.iter().find(|now| now.name == old.name);
        let changed = self.rows.iter().filter_map(|old| {
            let Some(now) = now(old) else {
                return Some(Difference::Gone(old.clone()));
            };
            let change = now.instructions / old.instructions - 1.0;
            match change {
                _ if change > self.tolerance => {
                    Some(Difference::Grown(old.clone(), now.instructions))
                }
                _ if change < -self.tolerance => {
                    Some(Difference::Shrunk(old.clone(), now.instructions))
                }
                _ => None,
            }
        });
        let new = measured
            .iter()
            .filter(|now| !self.rows.iter().any(|old| old.name == now.name));
        changed.chain(new.cloned().map(Difference::New)).collect()
    }

    /// Explains the tolerance and how to accept the differences.
    pub(crate) fn advice(&self) -> String {
        format!(
            "counts may differ by at most {:.0} % from those in instructions.tsv, which {} built; this is {}.\n\
             Find the cause. If the change is intended, update the file: {WRITE}",
            self.tolerance * 100.0,
            self.compiler,
            compiler()
        )
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, old, now) = match self {
            Self::Grown(old, now) => ("GROWN", old, now),
            Self::Shrunk(old, now) => ("SHRUNK", old, now),
            Self::New(row) => {
                return write!(
                    f,
                    "NEW     {}: now {:.1}, not in the file",
                    row.name, row.instructions
                );
            }
            Self::Gone(row) => {
                return write!(
                    f,
                    "GONE    {}: {:.1} in the file, no longer counted",
                    row.name, row.instructions
                );
            }
        };
        let (was, percent) = (old.instructions, now / old.instructions * 100.0 - 100.0);
        write!(
            f,
            "{kind:<8}{}: {was:.1} in the file, now {now:.1}, {percent:+.1} %",
            old.name
        )
    }
}
