//! The proxy, from its first word to its last.

use std::{
    error::Error,
    io::{self, IsTerminal},
    net::SocketAddr,
    num::NonZeroUsize,
    sync::Arc,
    thread,
    time::Duration,
};

use gabion::{
    Guard, GuardBuilder,
    policy::{ShrinkGuard, Watch},
};
use gabion_proxy::{
    Connections, Protocols, Proxy, ProxyOptions, ServeOptions, Upstream, Workers, workers,
};
use hyper_util::rt::TokioTimer;
use tokio::{
    runtime, select,
    signal::unix::{Signal, SignalKind, signal},
    time::interval,
};
use tower_layer::Layer;
use tracing::info;
use tracing_subscriber::EnvFilter;

use crate::{behind, cli::Run, demo};

/// What a person, or whoever keeps services, may send.
struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
    user1: Signal,
}

/// How long SIGUSR1 keeps every rule from acting.
const TRUCE: Duration = Duration::from_mins(10);

/// Serves until it is told to stop, then drains.
pub(crate) fn run(options: &Run) -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();

    let guard = guard(options)?;
    let watch = options.policy.as_ref().map(|_| guard.watch()).transpose()?;
    let upstream = match &options.upstream {
        Some(upstream) => upstream.clone(),
        None => format!("http://{}", demo::start()?).parse()?,
    };
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Before anyone can connect: a signal that nobody waits for ends the process without a drain.
    let signals = runtime.block_on(async { Signals::awaited() })?;
    let workers = serve(options, &guard, &upstream)?;
    greet(options, &upstream, workers.local_addr());

    let stopped_by = runtime.block_on(maintain(&guard, watch.as_ref(), signals));
    info!(
        "{stopped_by}: no new connections; {} s to finish",
        options.grace.as_secs()
    );
    // The other half is for what does not heed it.
    guard.drain(options.grace / 2);
    let drained = workers.shutdown(options.grace);
    info!("stopped; {drained}");
    let diagnosis_counters = guard.diagnosis_counters().to_string();
    if !diagnosis_counters.is_empty() {
        info!("what was wrong with WebSockets: {diagnosis_counters}");
    }
    Ok(())
}

fn guard(options: &Run) -> Result<Guard, Box<dyn Error>> {
    let shrink = if options.accept_shrink {
        ShrinkGuard::Accept
    } else {
        ShrinkGuard::Refuse
    };
    let builder: GuardBuilder = Guard::builder()
        .with_shrink_guard(shrink)
        .with_timer(TokioTimer::new());
    let Some(policy) = &options.policy else {
        let policy = behind::built_in(options.upstream.is_none());
        return Ok(builder.with_policy(&policy, "the built-in policy")?);
    };
    Ok(builder.with_policy_file(policy)?)
}

/// One worker per core: each has its listener, its runtime, its pool of upstream connections.
fn serve(options: &Run, guard: &Guard, upstream: &Upstream) -> io::Result<Workers> {
    let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let protocols = if options.h2 {
        Protocols::Http1AndPriorKnowledge
    } else {
        Protocols::Http1
    };
    let live = guard.policy_handle().clone();
    let clock = guard.clone();
    let connections = Arc::new(Connections::new(live, move || clock.now()));
    guard.subscribe(&connections);
    let serve = ServeOptions::default()
        .with_protocols(protocols)
        .with_connections(connections)
        .with_sink(guard.sink());
    let proxy = ProxyOptions::default()
        .with_head_timeout(options.timeout)
        .with_sink(guard.sink());
    let (upstream, wall) = (upstream.clone(), guard.layer().insert_client_extension());
    workers(
        options.workers.unwrap_or_else(cores),
        options.listen,
        &serve,
        move |tunnels| wall.layer(Proxy::new(upstream.clone(), &proxy, tunnels.clone())),
    )
}

/// Says what listens where, and what to try.
fn greet(options: &Run, upstream: &Upstream, addr: SocketAddr) {
    let server = if options.upstream.is_some() {
        ""
    } else {
        " (a demo: a page, JSON, a WebSocket echo)"
    };
    println!("guard listens on http://{addr}");
    println!("      and guards {upstream}{server}");
    match &options.policy {
        Some(policy) => println!(
            "      by {}, read again whenever it changes",
            policy.display()
        ),
        None => println!("      by its built-in policy; `guard init` writes it to a file to edit"),
    }
    println!("Try:");
    if options.upstream.is_none() {
        println!("  open http://{addr}/ in a browser     a page, and an echo over a WebSocket");
    } else {
        println!("  curl -i http://{addr}/               what your server answers");
    }
    println!("  curl -i http://{addr}/.env           refused; the reason is in the log");
    let written = if options.upstream.is_none() {
        "index.ph%70"
    } else {
        "%2egit/HEAD"
    };
    println!("  curl -i http://{addr}/{written}    refused too, whatever way it is written");
    println!("Ctrl-C stops.");
}

/// Keeps house until a signal ends it; says which. SIGHUP reads the policy again, SIGUSR1
/// has every rule observe for a while.
async fn maintain(guard: &Guard, watch: Option<&Watch>, mut signals: Signals) -> &'static str {
    let mut second = interval(Duration::from_secs(1));
    loop {
        select! {
            _ = signals.interrupt.recv() => return "interrupted",
            _ = signals.terminate.recv() => return "told to terminate",
            _ = signals.hangup.recv() => reread(watch),
            _ = signals.user1.recv() => guard.observe_for(TRUCE),
            _ = second.tick() => guard.maintain(),
        }
    }
}

fn reread(watch: Option<&Watch>) {
    if let Some(watch) = watch {
        watch.poke();
    } else {
        info!("hangup: the built-in policy cannot be read again");
    }
}

// === impl Signals ===

impl Signals {
    /// Waits for them from now on. To be called within a runtime.
    fn awaited() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            user1: signal(SignalKind::user_defined1())?,
        })
    }
}
