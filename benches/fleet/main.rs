//! A fleet: instances that share 1,000,000 bans by one real Redis and change 10,000 of them a second, and the cost of
//! a request beside it.
//!
//! `cargo bench -p gabion-benches --bench fleet [-- fleet|cost] [INSTANCES]`
//!
//! **fleet** runs [`Guard`](gabion::Guard)s with [`SharedBans`](gabion_store::SharedBans) in this process, each with
//! its own table of bans, connections and thread. The first one has the bans from a store and fills an empty Redis;
//! the others load them. Then changes are made at several rates, in turn on all instances: four bans of new clients,
//! and one lift. The time of a ban to each other instance is that until its table refuses the client. Bytes and the
//! processor time of Redis are its own counts (`INFO`), that of the instances is the time of their `gabion-shared`
//! threads, in which a table is changed, too. At the end, all tables must be equal.
//!
//! On a machine with few cores the instances compete with each other and with Redis. The extrapolation divides the
//! measured times by changes: the load of one instance on a machine of its own, and of Redis with all of them.
//!
//! **cost** times requests of one guard that receives 1,000 changes a second, of one that shares nothing, and of a
//! second one that shares nothing, in turns. The last ratio shows the noise.

#![allow(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a bench may panic, and reads the clock and the system's state"
)]

mod cost;
mod instance;
mod load;
mod meter;
mod report;

use std::{
    env,
    time::{Duration, Instant},
};

use gabion_benches::is_test;
use gabion_testkit::RedisServer;

use self::{
    instance::{Changes, Instance},
    meter::Meter,
};

/// The size of a run.
#[derive(Clone, Copy, Debug)]
struct Scale {
    instances: usize,
    bans: u32,
    /// Changes per second, each for `period`.
    rates: &'static [u32],
    period: Duration,
    /// Rounds of requests.
    rounds: usize,
}

const WHOLE: Scale = Scale {
    instances: 20,
    bans: 1_000_000,
    rates: &[1_000, 5_000, 10_000],
    period: Duration::from_secs(6),
    rounds: 600,
};

/// The scale of a smoke test (`-- --test`).
const SMOKE: Scale = Scale {
    instances: 3,
    bans: 2_000,
    rates: &[500],
    period: Duration::from_secs(1),
    rounds: 2,
};

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let mut scale = if is_test() { SMOKE } else { WHOLE };
    if let Some(instances) = args.iter().find_map(|arg| arg.parse().ok()) {
        scale.instances = instances;
    }
    let is_named = |name: &str| args.iter().any(|arg| arg == name);
    if !is_named("cost")
        && let Some(redis) = RedisServer::start(&[])
    {
        fleet(&redis, scale);
    }
    if !is_named("fleet")
        && let Some(redis) = RedisServer::start(&[])
    {
        cost::compare(&redis, scale.rounds);
    }
}

fn fleet(redis: &RedisServer, scale: Scale) {
    let meter = Meter::new(redis);
    let mut instances = fill(redis, &meter, scale);
    let joined = join(redis, &meter, scale, &mut instances);
    let mut changes = Changes::new(scale.bans);
    let mut loads = Vec::new();
    for rate in scale.rates {
        loads.push(load::run(
            &instances,
            &meter,
            *rate,
            scale.period,
            &mut changes,
        ));
    }
    report::print_loads(&loads);
    report::extrapolate(&loads, scale.instances, joined);
    let tables: Vec<_> = instances.iter().map(Instance::fingerprint).collect();
    assert!(
        tables.iter().all(|table| *table == tables[0]),
        "the tables differ: {tables:?}"
    );
    println!(
        "all {} tables are equal: {} bans",
        instances.len(),
        tables[0].0
    );
}

/// Starts the first instance, whose bans fill Redis.
fn fill(redis: &RedisServer, meter: &Meter, scale: Scale) -> Vec<Instance> {
    let capacity = scale.bans as usize * 2;
    let (before, began) = (meter.read(), Instant::now());
    let first = Instance::start(redis, capacity, instance::stored(scale.bans));
    first.wait_ready();
    let used = meter.read().since(&before);
    println!(
        "an instance with {} bans fills Redis in {:.1} s: {:.0} bytes each, {:.1} us of Redis, {:.1} us of the \
         instance; memory of Redis {:.0} bytes each",
        scale.bans,
        began.elapsed().as_secs_f64(),
        used.bytes_in as f64 / f64::from(scale.bans),
        used.redis_cpu * 1e6 / f64::from(scale.bans),
        used.instances_cpu * 1e6 / f64::from(scale.bans),
        used.memory as f64 / f64::from(scale.bans),
    );
    vec![first]
}

/// Starts the other instances, which load all bans. Returns the median time.
fn join(
    redis: &RedisServer,
    meter: &Meter,
    scale: Scale,
    instances: &mut Vec<Instance>,
) -> Duration {
    let capacity = scale.bans as usize * 2;
    let (before, mut times) = (meter.read(), Vec::new());
    while instances.len() < scale.instances {
        let began = Instant::now();
        let new = Instance::start(redis, capacity, Vec::new());
        new.wait_ready();
        times.push(began.elapsed());
        instances.push(new);
    }
    let used = meter.read().since(&before);
    times.sort_unstable();
    let bans = f64::from(scale.bans) * times.len() as f64;
    println!(
        "a new instance loads them in {:.2} s (median of {}, longest {:.2} s): {:.0} bytes each, {:.2} us of Redis, \
         {:.2} us of the instance",
        times[times.len() / 2].as_secs_f64(),
        times.len(),
        times[times.len() - 1].as_secs_f64(),
        used.bytes_out as f64 / bans,
        used.redis_cpu * 1e6 / bans,
        used.instances_cpu * 1e6 / bans,
    );
    println!(
        "memory of this process: {:.0} bytes for each ban of each instance",
        meter::resident() as f64 / (f64::from(scale.bans) * instances.len() as f64),
    );
    times[times.len() / 2]
}
