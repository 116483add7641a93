//! Timing of several implementations in turns, so that other load on the machine affects all of them
//! equally.

use std::{hint::black_box, time::Instant};

/// Implementations of the same work, timed against each other.
///
/// In each round every implementation runs once, in the order of [`Comparison::add`].
pub struct Comparison<'r> {
    subjects: Vec<(String, Work<'r>)>,
}

/// Does the whole work once. The returned checksum must be the same for all implementations.
type Work<'r> = Box<dyn FnMut() -> usize + 'r>;

/// The result of one implementation in a [`Comparison`].
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "plain figures")]
pub struct Timing {
    /// The name of the implementation.
    pub name: String,
    /// Nanoseconds for each operation: the median of all rounds.
    pub nanos: f64,
    /// Ratio to the time of the first implementation in the same round: the median of all rounds.
    pub ratio: f64,
}

// === impl Comparison ===

impl<'r> Comparison<'r> {
    /// Creates a comparison without implementations.
    pub const fn new() -> Self {
        Self {
            subjects: Vec::new(),
        }
    }

    /// Adds an implementation. Ratios are relative to the first one that is added.
    pub fn add(&mut self, name: &str, work: impl FnMut() -> usize + 'r) {
        self.subjects.push((name.to_owned(), Box::new(work)));
    }

    /// Runs `rounds` rounds, in each of which every implementation does `count` operations.
    ///
    /// # Panics
    ///
    /// If two implementations return different checksums.
    pub fn run(mut self, rounds: usize, count: usize) -> Vec<Timing> {
        let mut times = vec![Vec::new(); self.subjects.len()];
        for _ in 0..rounds {
            let mut sums = Vec::new();
            for ((name, work), times) in self.subjects.iter_mut().zip(&mut times) {
                let (sum, nanos) = time(work);
                times.push(nanos / as_float(count));
                sums.push(sum);
                assert_eq!(sum, sums[0], "the checksum of `{name}` differs");
            }
        }
        let Some(first) = times.first() else {
            return Vec::new();
        };
        let timing = |((name, _), times): (&(String, _), &Vec<f64>)| Timing {
            name: name.clone(),
            nanos: median(times.iter().copied()),
            ratio: median(times.iter().zip(first).map(|(own, first)| own / first)),
        };
        self.subjects.iter().zip(&times).map(timing).collect()
    }
}

impl Default for Comparison<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Comparison<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.subjects.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
fn time(work: &mut Work<'_>) -> (usize, f64) {
    let start = Instant::now();
    let sum = black_box(work());
    (sum, start.elapsed().as_secs_f64() * 1e9)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
const fn as_float(count: usize) -> f64 {
    count as f64
}
