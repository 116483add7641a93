//! The proxy: start, signals and shutdown.

use std::{error::Error, io, sync::Arc, time::Duration};

use gabion::{
    Guard, GuardBuilder,
    event::{Bounded, EventBudget, Tracing},
    policy::{ShrinkGuard, Watch},
};
use hyper_util::rt::TokioTimer;
use tokio::{
    runtime, select,
    signal::unix::{Signal, SignalKind, signal},
};
use tracing::{info, warn};

use crate::{
    built_in_policy,
    cli::RunArgs,
    demo,
    https::{Https, HttpsOptions},
    log,
    serve::serve,
    start_text,
};

/// The Unix signals that the process handles.
struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
    user1: Signal,
    user2: Signal,
}

/// The time after SIGUSR1 in which every rule only observes.
const OBSERVE_TIME: Duration = Duration::from_mins(10);

/// Runs the proxy until SIGINT or SIGTERM, then drains it.
pub(crate) fn run(args: &RunArgs) -> Result<(), Box<dyn Error>> {
    let _log = log::init()?;
    let guard = guard(args)?;
    for warning in guard.warnings() {
        warn!("{warning}");
    }
    let https = Https::start(HttpsOptions::from_args(&args.https)?, &guard)?;
    let watch = args.policy.as_ref().map(|_| guard.watch()).transpose()?;
    let upstream = match &args.upstream {
        Some(upstream) => upstream.clone(),
        None => format!("http://{}", demo::start()?).parse()?,
    };
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Before the first connection: a signal without a handler ends the process without a drain.
    let signals = runtime.block_on(async { Signals::register() })?;
    let workers = serve(args, &https, &guard, &upstream)?;
    start_text::print(args, &https, &upstream, workers.local_addrs());

    let signal = runtime.block_on(handle_signals(&guard, watch.as_ref(), &https, signals));
    info!(
        "received {signal}: no new connections; open requests have {} s to finish",
        args.grace.as_secs()
    );
    // The other half is for WebSockets whose client ignores the close frame.
    guard.drain(args.grace / 2);
    let drained = workers.shutdown(args.grace);
    info!("stopped; {drained}");
    let diagnoses = guard.diagnosis_counters().to_string();
    if !diagnoses.is_empty() {
        info!("WebSocket diagnoses since the start: {diagnoses}");
    }
    Ok(())
}

fn guard(args: &RunArgs) -> Result<Guard, Box<dyn Error>> {
    let shrink = if args.accept_shrink {
        ShrinkGuard::Accept
    } else {
        ShrinkGuard::Refuse
    };
    let log = Tracing::default().with_query_values(args.log_query_values);
    let builder: GuardBuilder = Guard::builder()
        .with_sink(Arc::new(Bounded::new(log, EventBudget::default())))
        .with_shrink_guard(shrink)
        .with_timer(TokioTimer::new());
    let Some(policy) = &args.policy else {
        let policy = match args.upstream {
            None => built_in_policy::for_demo(),
            Some(_) => built_in_policy::for_server(None),
        };
        return Ok(builder.with_policy(&policy, "the built-in policy")?);
    };
    Ok(builder.with_policy_file(policy)?)
}

/// Handles signals until SIGINT or SIGTERM; returns its name. SIGHUP reloads the policy and the certificate files,
/// and SIGUSR2 the policy, accepting what it removes; after SIGUSR1 every rule only observes for [`OBSERVE_TIME`], or until the next SIGUSR1.
async fn handle_signals(
    guard: &Guard,
    watch: Option<&Watch>,
    https: &Https,
    mut signals: Signals,
) -> &'static str {
    loop {
        select! {
            _ = signals.interrupt.recv() => return "SIGINT",
            _ = signals.terminate.recv() => return "SIGTERM",
            _ = signals.hangup.recv() => {
                reload(watch, ShrinkGuard::Refuse);
                https.reload();
            }
            _ = signals.user2.recv() => reload(watch, ShrinkGuard::Accept),
            _ = signals.user1.recv() => toggle_observe(guard),
        }
    }
}

fn toggle_observe(guard: &Guard) {
    if guard.observes_for().is_zero() {
        info!(
            "received SIGUSR1: every rule only observes for {} s; send SIGUSR1 again to enforce the \
             rules at once",
            OBSERVE_TIME.as_secs()
        );
        guard.observe_for(OBSERVE_TIME);
    } else {
        info!("received SIGUSR1 again: the rules are enforced from now on");
        guard.observe_for(Duration::ZERO);
    }
}

fn reload(watch: Option<&Watch>, shrink: ShrinkGuard) {
    let Some(watch) = watch else {
        info!("nothing to reload: the built-in policy is not a file");
        return;
    };
    if shrink == ShrinkGuard::Accept {
        info!("received SIGUSR2: the policy is read again, and what it removes is accepted");
        watch.reload_now_accepting_shrink();
    } else {
        info!("received SIGHUP: the policy and its lists are read again");
        watch.reload_now();
    }
}

// === impl Signals ===

impl Signals {
    /// Registers the handlers. Must be called within a runtime.
    fn register() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }
}
