//! What guard holds, second by second.

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

use gabion_benches::Chart;

/// Takes samples until it is stopped.
pub(crate) struct Sampler {
    taken: Arc<Mutex<Vec<Sample>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What a process holds at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// When, from the first sample on.
    pub(crate) at: Duration,
    /// Anonymous memory, in KiB.
    pub(crate) memory: u64,
    /// Open descriptors.
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
    /// The time that it had on processors.
    pub(crate) cpu: Duration,
}

/// How far memory went up or down while it should have stood still, in KiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growth {
    /// The most in the first half.
    pub(crate) from: u64,
    /// The most in the last sixth.
    pub(crate) to: u64,
}

const EVERY: Duration = Duration::from_secs(1);

/// How many samples a sixth holds at least: those of a soak of four minutes.
const ENOUGH: usize = 36;

// === impl Sampler ===

impl Sampler {
    pub(crate) fn of(pid: u32) -> Self {
        let taken = Arc::<Mutex<Vec<Sample>>>::default();
        let stop = Arc::<AtomicBool>::default();
        let (kept, stopped) = (Arc::clone(&taken), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let began = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                // None where the process is gone, which others find out.
                if let Ok(sample) = Sample::take(pid, began) {
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

    /// How many were taken so far.
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
    fn take(pid: u32, began: Instant) -> io::Result<Self> {
        let mut cpu = 0;
        let mut threads = 0;
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let stat = fs::read_to_string(thread?.path().join("schedstat"))?;
            let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
            cpu += nanos.unwrap_or(0);
            threads += 1;
        }
        Ok(Self {
            at: began.elapsed(),
            memory: anonymous(pid)?,
            descriptors: descriptors(pid)?,
            threads,
            cpu: Duration::from_nanos(cpu),
        })
    }
}

/// How many descriptors a process has open.
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

/// Writes them as a table, a line each.
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

/// Draws what memory was held when. The axis of time is logarithmic: what is level at its end was so
/// for most of it.
pub(crate) fn draw(samples: &[Sample], to: &Path) -> io::Result<()> {
    #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52")]
    let point = |sample: &Sample| (sample.at.as_secs_f64(), sample.memory as f64 / 1024.0);
    let points = samples.iter().skip(1).map(point);
    let chart = Chart::new("What guard holds in a soak", "seconds", "MiB").add("memory", points);
    fs::write(to, chart.to_string())
}

// === impl Growth ===

impl Growth {
    /// From the first half to the last sixth; none where there is too little to tell: what each policy and
    /// connection needs once is there after two minutes. The most counts, since the allocator gives back
    /// and takes again as policies come and go.
    pub(crate) fn of(samples: &[Sample]) -> Option<Self> {
        let (sixth, half) = (samples.len() / 6, samples.len() / 2);
        (sixth >= ENOUGH).then(|| Self {
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
