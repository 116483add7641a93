//! The proxy: start, signals and shutdown.

use std::{error::Error, io, sync::Arc, time::Duration};

use gabion::{
    Guard, GuardBuilder,
    event::{Bounded, EventBudget, Tracing},
    policy::{ShrinkGuard, Watch},
};
use gabion_proxy::Readiness;
use hyper_util::rt::TokioTimer;
use sd_notify::NotifyState;
use tokio::{
    runtime, select,
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};
use tracing::{info, warn};

use crate::{
    built_in_policy,
    cli::RunArgs,
    demo,
    https::{Https, HttpsOptions},
    log,
    serve::{Parts, serve},
    sockets::{Offer, Sockets},
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
    let demo = || Ok(format!("http://{}", demo::start()?).parse()?);
    let upstreams = args.upstream.group(demo)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Before the first connection: a signal without a handler ends the process without a drain.
    let mut signals = runtime.block_on(async { Signals::register() })?;
    let mut sockets = Sockets::take(args.handover.as_deref())?;
    let parts = Parts {
        args,
        https: &https,
        guard: &guard,
        upstreams: &upstreams,
        readiness: args.ready_path.clone().map(Readiness::at),
    };
    let workers = serve(&parts, &mut sockets)?;
    let offer = sockets.pass_on()?;
    notify_systemd(NotifyState::Ready);
    start_text::print(args, &https, &upstreams, workers.local_addrs());
    // Until this function returns and the runtime is dropped.
    runtime.spawn(upstreams.run_health_checks());

    let reason = runtime.block_on(wait_for_end(&parts, watch.as_ref(), (&mut signals, offer)));
    info!(
        "{reason}: no new connections; open requests have {} s to finish",
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
        let policy = if args.upstream.is_demo() {
            built_in_policy::for_demo()
        } else {
            built_in_policy::for_server(None)
        };
        return Ok(builder.with_policy(&policy, "the built-in policy")?);
    };
    Ok(builder.with_policy_file(policy)?)
}

/// Waits for a signal to stop, or for a successor; returns which. Load balancers have had the time to notice then, and
/// the offer of the sockets has ended.
async fn wait_for_end(
    parts: &Parts<'_>,
    watch: Option<&Watch>,
    (signals, mut offer): (&mut Signals, Offer),
) -> String {
    let delay = parts.args.drain_delay;
    let reason = select! {
        signal = handle_signals(parts, watch, signals) => format!("received {signal}"),
        // Its sockets are left to the successor.
        () = offer.replaced() => return "a new guard accepts connections".to_owned(),
    };
    notify_systemd(NotifyState::Stopping);
    if let Some(readiness) = &parts.readiness {
        readiness.set_draining();
    }
    if !delay.is_zero() {
        info!(
            "{reason}: connections are accepted for another {} s",
            delay.as_secs()
        );
        select! {
            () = sleep(delay) => {}
            _ = signals.interrupt.recv() => {}
            _ = signals.terminate.recv() => {}
        }
    }
    reason
}

/// Tells systemd the state of the service, if it asked for that (`Type=notify`).
fn notify_systemd(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!("cannot notify systemd: {error}");
    }
}

/// Handles signals until SIGINT or SIGTERM; returns its name. SIGHUP reloads the policy and the certificate
/// files, and SIGUSR2 the policy, accepting what it removes; after SIGUSR1 every rule only observes for
/// [`OBSERVE_TIME`], or until the next SIGUSR1.
async fn handle_signals(
    parts: &Parts<'_>,
    watch: Option<&Watch>,
    signals: &mut Signals,
) -> &'static str {
    loop {
        select! {
            _ = signals.interrupt.recv() => return "SIGINT",
            _ = signals.terminate.recv() => return "SIGTERM",
            _ = signals.hangup.recv() => {
                reload(watch, ShrinkGuard::Refuse);
                parts.https.reload();
            }
            _ = signals.user2.recv() => reload(watch, ShrinkGuard::Accept),
            _ = signals.user1.recv() => toggle_observe(parts.guard),
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
