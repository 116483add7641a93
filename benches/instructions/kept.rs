//! The counts that the repository keeps.

use std::{
    fmt::{self, Write as _},
    fs,
    process::Command,
};

use gabion_testkit::rows;

/// How far a count may be from what is kept, as a share of it.
const TOLERANCE: f64 = 0.05;

/// The same where another compiler built what is counted: it may inline otherwise.
const OTHER_COMPILER: f64 = 0.25;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.tsv");

const WRITE: &str = "cargo bench -p gabion-benches --bench instructions -- --write";

/// A row, and its count.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) instructions: f64,
}

/// What the file says.
pub(crate) struct Kept {
    rows: Vec<Measured>,
    compiler: String,
    tolerance: f64,
}

/// What is not as it was.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Complaint {
    /// Kept, and now.
    Grown(Measured, f64),
    /// Kept, and now.
    Shrunk(Measured, f64),
    /// Counted, and not kept.
    New(Measured),
    /// Kept, and no longer counted.
    Gone(Measured),
}

/// Keeps what was measured.
pub(crate) fn write(measured: &[Measured]) {
    let mut text = format!(
        "# Instructions (user space, callgrind on x86-64) for each thing that a row does.\n\
         # {WRITE}\n\
         # {}\n\
         name\tinstructions\n",
        compiler()
    );
    for row in measured {
        writeln!(text, "{}\t{:.1}", row.name, row.instructions).expect("a text takes all");
    }
    fs::write(FILE, text).expect("the file is written");
}

fn compiler() -> String {
    let output = Command::new("rustc").arg("-V").output();
    let version = output.expect("rustc says its version").stdout;
    String::from_utf8_lossy(&version).trim().to_owned()
}

// === impl Kept ===

impl Kept {
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(FILE).expect("counts are kept");
        let by = text.lines().find_map(|line| line.strip_prefix("# rustc"));
        let compiler = format!("rustc{}", by.expect("who compiled"));
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

    /// All that is not as kept.
    pub(crate) fn complaints(&self, measured: &[Measured]) -> Vec<Complaint> {
        let now = |kept: &Measured| measured.iter().find(|now| now.name == kept.name);
        let changed = self.rows.iter().filter_map(|kept| {
            let Some(now) = now(kept) else {
                return Some(Complaint::Gone(kept.clone()));
            };
            let change = now.instructions / kept.instructions - 1.0;
            match change {
                _ if change > self.tolerance => {
                    Some(Complaint::Grown(kept.clone(), now.instructions))
                }
                _ if change < -self.tolerance => {
                    Some(Complaint::Shrunk(kept.clone(), now.instructions))
                }
                _ => None,
            }
        });
        let new = measured
            .iter()
            .filter(|now| !self.rows.iter().any(|kept| kept.name == now.name));
        changed.chain(new.cloned().map(Complaint::New)).collect()
    }

    /// What to do about complaints.
    pub(crate) fn advice(&self) -> String {
        format!(
            "at most {:.0} % may a count differ from that with {}; this is {}.\n\
             Find out why; where it is meant, write the new figures down: {WRITE}",
            self.tolerance * 100.0,
            self.compiler,
            compiler()
        )
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, kept, now) = match self {
            Self::Grown(kept, now) => ("GROWN", kept, now),
            Self::Shrunk(kept, now) => ("SHRUNK", kept, now),
            Self::New(row) => {
                return write!(f, "NEW     {}: {:.1}, not kept", row.name, row.instructions);
            }
            Self::Gone(row) => {
                return write!(f, "GONE    {}: {:.1} kept", row.name, row.instructions);
            }
        };
        let (was, percent) = (kept.instructions, now / kept.instructions * 100.0 - 100.0);
        write!(
            f,
            "{what:<8}{}: kept {was:.1}, now {now:.1}, {percent:+.1} %",
            kept.name
        )
    }
}
