//! The report of a soak.

use std::{fmt, path::PathBuf, rc::Rc, time::Duration};

use crate::{
    guard::Log,
    samples::{Growth, Sample},
    traffic::Stats,
};

pub(crate) struct Report {
    pub(crate) lasted: Duration,
    pub(crate) stats: Vec<Rc<Stats>>,
    pub(crate) taken: Vec<Sample>,
    /// The samples taken during the traffic.
    pub(crate) traffic: Vec<Sample>,
    /// Open descriptors before the first client connected, and after the last had disconnected.
    pub(crate) descriptors: [usize; 2],
    pub(crate) restarts: usize,
    pub(crate) ended_well: bool,
    pub(crate) log: Log,
    /// The file of the samples.
    pub(crate) table: PathBuf,
    /// The folder of the charts.
    pub(crate) charts: PathBuf,
}

/// The allowed growth of guard's memory, in KiB. It covers the four replaced policies that are kept for waiting
/// requests (9 MiB) and the steps in which the allocator takes memory meanwhile (6 MiB). It is less than a leak
/// of 400 bytes per request in five minutes, or of 30 bytes in an hour.
const MAX_GROWTH: i64 = 16384;

/// The number of log lines in the report.
const LINES: usize = 20;

// === impl Report ===

impl Report {
    pub(crate) fn is_success(&self) -> bool {
        self.failures().is_empty()
    }

    fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        for stats in &self.stats {
            if !stats.is_success(self.lasted) {
                failures.push(format!("`{}` failed, or never succeeded", stats.name()));
            }
        }
        if let Some(growth) = self.growth().filter(|growth| growth.kib() > MAX_GROWTH) {
            let kib = growth.kib();
            failures.push(format!(
                "guard's memory grew by {kib} KiB; {MAX_GROWTH} KiB are allowed"
            ));
        }
        let [at_rest, left] = self.descriptors;
        if left != at_rest {
            failures.push(format!(
                "guard holds {left} descriptors after the traffic, {at_rest} before it"
            ));
        }
        if self.restarts == 0 {
            failures.push("the upstream server was never replaced".to_owned());
        }
        if !self.ended_well {
            failures.push("guard did not exit in time, or not with success".to_owned());
        }
        if !self.log.contains("stopped; all connections finished") {
            failures.push("guard cut connections at its shutdown".to_owned());
        }
        let errors = self.log.errors().take(LINES);
        failures.extend(errors.map(|line| format!("guard's log: {line}")));
        failures
    }

    fn growth(&self) -> Option<Growth> {
        Growth::new(&self.traffic)
    }

    /// Returns guard's processor time during the traffic, in percent of one core.
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
            "", "passed", "failed", "slowest, ms"
        )?;
        for stats in &self.stats {
            writeln!(f, "{stats}")?;
        }
        writeln!(
            f,
            "\n{minutes:.1} minutes; the upstream server was replaced {} times",
            self.restarts
        )?;
        match self.growth() {
            Some(growth) => writeln!(
                f,
                "memory: at most {:.1} MiB in the first half, {:.1} MiB in the last sixth: {:+} KiB",
                mib(growth.from),
                mib(growth.to),
                growth.kib(),
            )?,
            None => writeln!(f, "memory growth: not judged; the soak is too short")?,
        }
        let most = |value: fn(&Sample) -> usize| self.taken.iter().map(value).max().unwrap_or(0);
        let [at_rest, left] = self.descriptors;
        writeln!(
            f,
            "descriptors: {at_rest} before, at most {}, {left} after; at most {} threads; {:.1} % of a core",
            most(|sample| sample.descriptors),
            most(|sample| sample.threads),
            self.share(),
        )?;
        let (table, log) = (self.table.display(), self.log.file.display());
        let charts = self.charts.display();
        writeln!(f, "samples: {table}; log: {log}; charts: {charts}")?;
        let failures = self.failures();
        for failure in &failures {
            writeln!(f, "FAILED: {failure}")?;
        }
        if !failures.is_empty() {
            writeln!(f, "last lines of the log, without denials:")?;
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
