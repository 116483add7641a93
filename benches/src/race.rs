//! Contestants timed in turns, so that whatever else the machine does hits all of them alike.

use std::{hint::black_box, time::Instant};

/// Contestants who do the same.
pub struct Race<'r> {
    contestants: Vec<(String, Lap<'r>)>,
}

/// Does all that is to do once, and gives a sum by which contestants are seen to agree.
type Lap<'r> = Box<dyn FnMut() -> usize + 'r>;

/// How one contestant did.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "plain figures")]
pub struct Finish {
    /// Who it was.
    pub name: String,
    /// Nanoseconds for each thing that was done: the median of all rounds.
    pub nanos: f64,
    /// How many times what the first took in the same round: the median of all rounds.
    pub ratio: f64,
}

// === impl Race ===

impl<'r> Race<'r> {
    /// A race with nobody in it.
    pub const fn new() -> Self {
        Self {
            contestants: Vec::new(),
        }
    }

    /// Enters a contestant; all others are compared with the first.
    pub fn enter(&mut self, name: &str, lap: impl FnMut() -> usize + 'r) {
        self.contestants.push((name.to_owned(), Box::new(lap)));
    }

    /// Lets all run so many rounds, in each of which everyone does `count` things.
    ///
    /// # Panics
    ///
    /// Where contestants disagree.
    pub fn run(mut self, rounds: usize, count: usize) -> Vec<Finish> {
        let mut times = vec![Vec::new(); self.contestants.len()];
        for _ in 0..rounds {
            let mut sums = Vec::new();
            for ((name, lap), times) in self.contestants.iter_mut().zip(&mut times) {
                let (sum, nanos) = time(lap);
                times.push(nanos / as_float(count));
                sums.push(sum);
                assert_eq!(sum, sums[0], "{name} disagrees");
            }
        }
        let Some(first) = times.first() else {
            return Vec::new();
        };
        let finish = |((name, _), times): (&(String, _), &Vec<f64>)| Finish {
            name: name.clone(),
            nanos: median(times.iter().copied()),
            ratio: median(times.iter().zip(first).map(|(own, first)| own / first)),
        };
        self.contestants.iter().zip(&times).map(finish).collect()
    }
}

impl Default for Race<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Race<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.contestants.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
fn time(lap: &mut Lap<'_>) -> (usize, f64) {
    let begun = Instant::now();
    let sum = black_box(lap());
    (sum, begun.elapsed().as_secs_f64() * 1e9)
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
