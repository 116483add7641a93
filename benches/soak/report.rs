//! What came of it, for a person.

use std::{fmt, path::PathBuf, rc::Rc, time::Duration};

use crate::{
    guard::Log,
    samples::{Growth, Sample},
    stage::Part,
};

pub(crate) struct Report {
    pub(crate) lasted: Duration,
    pub(crate) parts: Vec<Rc<Part>>,
    pub(crate) taken: Vec<Sample>,
    /// Those that were taken while all acted.
    pub(crate) traffic: Vec<Sample>,
    /// Before the first client came, and after the last had left.
    pub(crate) descriptors: [usize; 2],
    pub(crate) restarts: usize,
    pub(crate) ended_well: bool,
    pub(crate) log: Log,
    /// Where the samples are kept.
    pub(crate) table: PathBuf,
}

/// How many KiB guard may grow by: what comes and goes with policies, of which requests under way hold some
/// that are replaced; and less than a leak of 250 bytes a request comes to in five minutes.
const ROOM: i64 = 8192;

/// How many lines of the log are shown.
const LINES: usize = 20;

// === impl Report ===

impl Report {
    pub(crate) fn is_well(&self) -> bool {
        self.wrongs().is_empty()
    }

    fn wrongs(&self) -> Vec<String> {
        let mut wrongs = Vec::new();
        for part in &self.parts {
            if !part.is_well(self.lasted) {
                wrongs.push(format!("{} went wrong, or never came", part.name()));
            }
        }
        if let Some(growth) = self.growth().filter(|growth| growth.kib() > ROOM) {
            let kib = growth.kib();
            wrongs.push(format!("its memory grew by {kib} KiB, over {ROOM}"));
        }
        let [at_rest, left] = self.descriptors;
        if left != at_rest {
            wrongs.push(format!("it holds {left} descriptors, not {at_rest}"));
        }
        if self.restarts == 0 {
            wrongs.push("the server behind was never replaced".to_owned());
        }
        if !self.ended_well {
            wrongs.push("it did not end, or not well".to_owned());
        }
        if !self.log.says("stopped; all connections finished") {
            wrongs.push("it had something to cut when it ended".to_owned());
        }
        let alarming = self.log.alarming().take(LINES);
        wrongs.extend(alarming.map(|line| format!("its log: {line}")));
        wrongs
    }

    fn growth(&self) -> Option<Growth> {
        Growth::of(&self.traffic)
    }

    /// The share of one core that it took.
    fn share(&self) -> f64 {
        let (Some(first), Some(last)) = (self.traffic.first(), self.traffic.last()) else {
            return 0.0;
        };
        let cpu = last.cpu.saturating_sub(first.cpu);
        let passed = last.at.saturating_sub(first.at);
        100.0 * cpu.as_secs_f64() / passed.as_secs_f64().max(1.0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.lasted.as_secs_f64() / 60.0;
        writeln!(
            f,
            "{:<28}{:>10}{:>8}{:>12}",
            "", "well", "wrong", "slowest, ms"
        )?;
        for part in &self.parts {
            writeln!(f, "{part}")?;
        }
        writeln!(
            f,
            "\n{minutes:.1} minutes; the server behind replaced {} times",
            self.restarts
        )?;
        match self.growth() {
            Some(growth) => writeln!(
                f,
                "memory {:.1} MiB, then {:.1}: {:+} KiB",
                mib(growth.from),
                mib(growth.to),
                growth.kib(),
            )?,
            None => writeln!(f, "too short to tell whether memory grows")?,
        }
        let most = |of: fn(&Sample) -> usize| self.taken.iter().map(of).max().unwrap_or(0);
        let [at_rest, left] = self.descriptors;
        writeln!(
            f,
            "descriptors {at_rest}, at most {}, then {left}; threads at most {}; {:.1} % of a core",
            most(|sample| sample.descriptors),
            most(|sample| sample.threads),
            self.share(),
        )?;
        let (table, log) = (self.table.display(), self.log.file.display());
        writeln!(f, "samples: {table}; log: {log}")?;
        let wrongs = self.wrongs();
        for wrong in &wrongs {
            writeln!(f, "WRONG: {wrong}")?;
        }
        if !wrongs.is_empty() {
            writeln!(f, "its last words:")?;
            for line in self.log.last(LINES) {
                writeln!(f, "  {line}")?;
            }
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52")]
const fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
