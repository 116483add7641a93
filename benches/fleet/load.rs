//! Changes at a rate.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    instance::{Changes, Instance},
    meter::{Meter, Reading},
};

/// The interval in which changes are made.
const TICK: Duration = Duration::from_millis(1);

/// The time after a load until all instances must have all changes.
const MAX_DELAY: Duration = Duration::from_mins(2);

/// The result of a load.
#[derive(Debug)]
pub(crate) struct Load {
    /// Changes per second, as planned.
    pub(crate) rate: u32,
    pub(crate) changes: u32,
    /// The time in which they were made.
    pub(crate) made_in: Duration,
    /// The time after that until all instances had them.
    pub(crate) delay: Duration,
    /// Times from a ban to each other instance, sorted, in microseconds.
    pub(crate) times: Vec<u32>,
    pub(crate) used: Reading,
    /// The number of times that an instance loaded all bans, and of changes that found a queue full.
    pub(crate) loads: u64,
    pub(crate) dropped: u64,
}

/// Makes changes on all instances in turn, and waits until all have them.
pub(crate) fn run(
    instances: &[Instance],
    meter: &Meter,
    rate: u32,
    period: Duration,
    changes: &mut Changes,
) -> Load {
    let counts = || {
        let statuses = instances.iter().map(Instance::status);
        statuses.fold((0, 0), |(loads, dropped), status| {
            (loads + status.loads, dropped + status.dropped)
        })
    };
    for instance in instances {
        instance.take_times();
    }
    let (before, (loads, dropped)) = (meter.read(), counts());
    let (made, made_in) = make(instances, rate, period, changes);
    let began = Instant::now();
    let is_equal = |instance: &Instance| instance.len() == changes.bans();
    while !instances.iter().all(is_equal) {
        let lengths: Vec<_> = instances.iter().map(Instance::len).collect();
        assert!(
            began.elapsed() < MAX_DELAY,
            "{} bans: {lengths:?}",
            changes.bans()
        );
        thread::sleep(Duration::from_millis(2));
    }
    let (delay, used, after) = (began.elapsed(), meter.read().since(&before), counts());
    let mut times: Vec<_> = instances.iter().flat_map(Instance::take_times).collect();
    times.sort_unstable();
    Load {
        rate,
        changes: made,
        made_in,
        delay,
        times,
        used,
        loads: after.0 - loads,
        dropped: after.1 - dropped,
    }
}

/// Makes changes for `period`, and returns their number and the time.
fn make(
    instances: &[Instance],
    rate: u32,
    period: Duration,
    changes: &mut Changes,
) -> (u32, Duration) {
    let (began, mut made) = (Instant::now(), 0_u32);
    let mut turn = instances.iter().cycle();
    loop {
        let elapsed = began.elapsed();
        if elapsed >= period {
            return (made, elapsed);
        }
        let due = f64::from(rate) * elapsed.as_secs_f64();
        while f64::from(made) < due {
            changes.make(turn.next().expect("an instance"));
            made += 1;
        }
        thread::sleep(TICK);
    }
}
