use super::{budget::Budget, *};

/// Checks and reloads of one table, drawn from a seed.
struct History {
    random: u64,
    now: u64,
}

/// Keys that share one set, with different tags.
const KEYS: [u64; 3] = [1, 2, 3];

impl History {
    fn new(seed: u64) -> Self {
        let mut history = Self {
            random: seed,
            now: 0,
        };
        history.now = history.up_to(1 << 60);
        history
    }

    /// Returns a number below `end` (`SplitMix64`).
    fn below(&mut self, end: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u64::try_from((u128::from(mixed ^ (mixed >> 31)) * u128::from(end)) >> 64).unwrap()
    }

    /// Returns a number from 1 to `most`, of any order of magnitude.
    fn up_to(&mut self, most: u64) -> u64 {
        let bits = self.below(u64::from(most.ilog2()) + 1);
        most.min((1 << bits) + self.below(1 << bits))
    }

    fn count(&mut self, most: u64) -> NonZeroU32 {
        u32::try_from(self.up_to(most)).unwrap().try_into().unwrap()
    }

    fn budget(&mut self) -> Budget {
        let longest = nanos(Gcra::MAX_WINDOW);
        let interval = self.up_to(longest / 12);
        let burst = self.count(100_000_000.min(longest / interval));
        Budget { burst, interval }
    }

    /// Advances the clock: not at all, by some nanoseconds, by some intervals, or by any time.
    fn advance(&mut self, budget: Budget) {
        let intervals = self.below(4) * budget.interval;
        self.now += match self.below(4) {
            0 => 0,
            1 => self.below(4),
            2 => intervals + self.below(2),
            _ => self.up_to(2 * budget.interval * u64::from(budget.burst.get())),
        };
    }

    /// Checks the same keys in a table and by exact arithmetic.
    fn compare(mut self) {
        let table = LimitTable::new(1);
        table.allocate();
        let mut budget = self.budget();
        let mut tats = [0; KEYS.len()];
        for step in 0..2 + self.below(8) {
            if self.below(8) == 0 {
                budget = self.budget();
            }
            self.advance(budget);
            let gcra = Gcra::new(budget.burst, Duration::from_nanos(budget.interval)).unwrap();
            let cost = self.count(u64::from(budget.burst.get()));
            let check = [Check::Peek, Check::Take, Check::Take, Check::Take]
                [usize::try_from(self.below(4)).unwrap()];
            let which = usize::try_from(self.below(3)).unwrap();
            let tat = budget.limit_tat(tats[which], self.now);
            let expected = budget.take(cost, tat, self.now);
            tats[which] = match expected {
                Ok((_, next)) if check == Check::Take => next,
                _ => tat,
            };
            let found = table.check(KEYS[which], &gcra, cost, self.now, check);
            assert_eq!(
                found.map(|state| gcra.left(&state)),
                expected.map(|(left, _)| budget.left(left)),
                "step {step}: {check:?} {cost} of {budget:?} at {}",
                self.now
            );
        }
    }
}

#[test]
fn decisions_agree_with_exact_arithmetic() {
    for seed in 0..1_000_000 {
        History::new(seed).compare();
    }
}

#[test]
fn largest_quota_does_not_overflow_at_the_end_of_time() {
    let burst = NonZeroU32::new(366 * 24).unwrap();
    let gcra = Gcra::new(burst, Duration::from_hours(1)).unwrap();
    assert_eq!(gcra.window(), Gcra::MAX_WINDOW);
    let table = LimitTable::new(1);
    table.allocate();
    let check = |now, cost| table.check(1, &gcra, cost, nanos(now), Check::Take).is_ok();
    assert!(check(Duration::MAX, burst));
    assert!(!check(Duration::MAX, NonZeroU32::MIN));
    assert!(
        !check(Duration::ZERO, NonZeroU32::MIN),
        "clamped to one window"
    );
}

#[test]
fn cost_above_the_burst_never_passes() {
    let gcra = Gcra::new(NonZeroU32::MIN, SECOND).unwrap();
    let two = NonZeroU32::MIN.saturating_add(1);
    let taken = gcra.take(two, 0, 0).map(|(_, next)| next);
    assert_eq!(taken, Err(Duration::MAX));
}
