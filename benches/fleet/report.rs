//! The results of loads, and what follows for separate machines.

use std::time::Duration;

use crate::load::Load;

/// The rate of the goal, in changes per second.
const GOAL: f64 = 10_000.0;

/// The length of the stream, in changes ([`gabion_store::SharedOptions::with_stream_length`]).
const STREAM: f64 = 100_000.0;

pub(crate) fn print_loads(loads: &[Load]) {
    println!(
        "\n{:>9} {:>9} {:>8} {:>9} {:>9} {:>9} {:>6} {:>8} {:>10} {:>10} {:>9} {:>9}",
        "planned/s",
        "made/s",
        "delay s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "loads",
        "dropped",
        "in B",
        "out B",
        "Redis us",
        "inst. us"
    );
    for load in loads {
        let changes = f64::from(load.changes);
        println!(
            "{:>9} {:>9.0} {:>8.2} {:>9.1} {:>9.1} {:>9.1} {:>6} {:>8} {:>10.0} {:>10.0} {:>9.1} {:>9.1}",
            load.rate,
            changes / load.made_in.as_secs_f64(),
            load.delay.as_secs_f64(),
            load.millis(0.5),
            load.millis(0.99),
            load.millis(1.0),
            load.loads,
            load.dropped,
            load.used.bytes_in as f64 / changes,
            load.used.bytes_out as f64 / changes,
            load.used.redis_cpu * 1e6 / changes,
            load.used.instances_cpu * 1e6 / changes,
        );
    }
    println!("bytes and times are per change, those of the instances of all together");
}

/// Prints the load of 10,000 changes per second, by the times per change of the highest rate.
pub(crate) fn extrapolate(loads: &[Load], instances: usize, joined: Duration) {
    let Some(load) = loads.last() else {
        return;
    };
    let (changes, each) = (f64::from(load.changes), instances as f64);
    let redis = load.used.redis_cpu / changes;
    let instance = load.used.instances_cpu / changes / each;
    let (bytes_in, bytes_out) = (
        load.used.bytes_in as f64 / changes,
        load.used.bytes_out as f64 / changes,
    );
    println!("\n{instances} instances on machines of their own, {GOAL} changes per second:");
    println!(
        "  each instance sends {:.2} and receives {:.2} MB/s, and takes {:.0} % of a core",
        bytes_in / each * GOAL / 1e6,
        bytes_out / each * GOAL / 1e6,
        instance * GOAL * 100.0
    );
    println!(
        "  Redis receives {:.1} and sends {:.1} MB/s, and takes {:.0} % of its core",
        bytes_in * GOAL / 1e6,
        bytes_out * GOAL / 1e6,
        redis * GOAL * 100.0
    );
    println!(
        "  Redis is busy at {:.0} changes per second, an instance at {:.0}",
        1.0 / redis,
        1.0 / instance
    );
    println!(
        "  the stream reaches back {:.0} s; a load of all bans takes {:.1} s",
        STREAM / GOAL,
        joined.as_secs_f64()
    );
}

// === impl Load ===

impl Load {
    /// The time that `share` of the bans took at most, in milliseconds.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index of the vector"
    )]
    fn millis(&self, share: f64) -> f64 {
        let last = self.times.len().saturating_sub(1);
        let index = (last as f64 * share) as usize;
        self.times
            .get(index)
            .map_or(0.0, |micros| f64::from(*micros) / 1e3)
    }
}
