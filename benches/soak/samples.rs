//! Samples of guard's memory, descriptors, threads and processor time, one per second.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Takes samples in a thread until it is stopped.
pub(crate) struct Sampler {
    taken: Arc<Mutex<Vec<Sample>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The resources of a process at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// The time since the start of the soak.
    pub(crate) at: Duration,
    /// Anonymous memory, in KiB.
    pub(crate) memory: u64,
    /// Open descriptors.
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
    /// The processor time used so far.
    pub(crate) cpu: Duration,
}

/// The change of memory during steady traffic, in KiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growth {
    /// The maximum of the first half.
    pub(crate) from: u64,
    /// The maximum of the last sixth.
    pub(crate) to: u64,
}

const EVERY: Duration = Duration::from_secs(1);

/// The minimum number of samples in a sixth, as a soak of four minutes takes.
const MIN_SAMPLES: usize = 36;

// === impl Sampler ===

impl Sampler {
    /// Samples the process `pid`, of which the soak began at `start`.
    pub(crate) fn start(pid: u32, start: Instant) -> Self {
        let taken = Arc::<Mutex<Vec<Sample>>>::default();
        let stop = Arc::<AtomicBool>::default();
        let (kept, stopped) = (Arc::clone(&taken), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                // No sample if the process has ended, which the clients detect.
                if let Ok(sample) = Sample::take(pid, start) {
                    kept.lock().unwrap().push(sample);
                }
                thread::sleep(EVERY);
            }
        });
        Self {
            taken,
            stop,
            thread: Some(thread),
        }
    }

    /// Returns the number of samples so far.
    pub(crate) fn len(&self) -> usize {
        self.taken.lock().unwrap().len()
    }

    pub(crate) fn stop(mut self) -> Vec<Sample> {
        self.end();
        self.taken.lock().unwrap().clone()
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.end();
    }
}

// === impl Sample ===

impl Sample {
    fn take(pid: u32, start: Instant) -> io::Result<Self> {
        let mut cpu = 0;
        let mut threads = 0;
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let schedstat = fs::read_to_string(thread?.path().join("schedstat"))?;
            let nanos = schedstat
                .split(' ')
                .next()
                .and_then(|nanos| nanos.parse().ok());
            cpu += nanos.unwrap_or(0);
            threads += 1;
        }
        Ok(Self {
            at: start.elapsed(),
            memory: anonymous(pid)?,
            descriptors: descriptors(pid)?,
            threads,
            cpu: Duration::from_nanos(cpu),
        })
    }
}

/// Returns the number of open descriptors of a process.
pub(crate) fn descriptors(pid: u32) -> io::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

fn anonymous(pid: u32) -> io::Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let mut lines = rollup.lines();
    let line = lines.find_map(|line| line.strip_prefix("Pss_Anon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kib.ok_or_else(|| io::Error::other("Linux 5.5 or later"))
}

/// Writes the samples as tab-separated values, one line each.
pub(crate) fn write(samples: &[Sample], to: &Path) -> io::Result<()> {
    let mut table = io::BufWriter::new(fs::File::create(to)?);
    writeln!(table, "second\tmemory_kib\tdescriptors\tthreads\tcpu_ms")?;
    for sample in samples {
        writeln!(
            table,
            "{:.1}\t{}\t{}\t{}\t{}",
            sample.at.as_secs_f64(),
            sample.memory,
            sample.descriptors,
            sample.threads,
            sample.cpu.as_millis(),
        )?;
    }
    table.flush()
}

// === impl Growth ===

impl Growth {
    /// Compares the first half with the last sixth; `None` if the soak is too short. After two minutes,
    /// one-time allocations of policies and connections are complete. Maxima are compared because the
    /// allocator returns and takes memory each time a policy is replaced.
    pub(crate) fn new(samples: &[Sample]) -> Option<Self> {
        let (sixth, half) = (samples.len() / 6, samples.len() / 2);
        (sixth >= MIN_SAMPLES).then(|| Self {
            from: most(&samples[..half]),
            to: most(&samples[samples.len() - sixth..]),
        })
    }

    pub(crate) const fn kib(self) -> i64 {
        self.to.cast_signed() - self.from.cast_signed()
    }
}

fn most(samples: &[Sample]) -> u64 {
    let memory = samples.iter().map(|sample| sample.memory);
    memory.max().unwrap_or_default()
}
