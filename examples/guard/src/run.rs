//! The proxy: start, signals and shutdown.

use std::{error::Error, io, sync::Arc, time::Duration};

use gabion::{
    Guard, GuardBuilder,
    event::{Bounded, EventBudget, Tracing},
    policy::{ShrinkGuard, Watch},
};
use gabion_proxy::{Readiness, Upstream};
use hyper_util::rt::TokioTimer;
use sd_notify::NotifyState;
use tokio::{
    runtime, select,
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};
use tracing::{info, warn};

use crate::{
    admin::{AdminApi, AdminListeners},
    built_in_policy,
    config::{ServiceSettings, Settings},
    demo,
    https::{Https, HttpsOptions},
    log,
    serve::{Parts, RoutedService, serve},
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

/// The policy of services without one, beside services with one.
const NO_RULES: &str = "version = 1\n";

/// The time after SIGUSR1 in which every rule only observes.
const OBSERVE_TIME: Duration = Duration::from_mins(10);

/// Runs the proxy until SIGINT or SIGTERM, then drains it.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the end of the settings is that of the run"
)]
pub(crate) fn run(settings: Settings) -> Result<(), Box<dyn Error>> {
    let _log = log::init()?;
    let args = &settings.args;
    let guard = guard(&settings)?;
    for warning in guard.warnings() {
        warn!("{warning}");
    }
    let https = Https::start(HttpsOptions::from_args(&args.https)?, &guard)?;
    let watch = args.policy.as_ref().map(|_| guard.watch()).transpose()?;
    let mut upstreams = settings.upstreams.clone();
    if settings.is_demo() {
        let demo: Upstream = format!("http://{}", demo::start()?).parse()?;
        upstreams.push(demo.into());
    }
    let services = services(&settings, &guard)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Before the first connection: a signal without a handler ends the process without a drain.
    let mut signals = runtime.block_on(async { Signals::register() })?;
    let mut sockets = Sockets::take(args.handover.as_deref())?;
    let admin = AdminListeners::open(args, &mut sockets)?;
    let parts = Parts {
        settings: &settings,
        https: &https,
        guard: &guard,
        upstreams: &upstreams,
        services: &services,
        readiness: args.ready_path.clone().map(Readiness::at),
    };
    let workers = serve(&parts, &mut sockets)?;
    let admin = admin.serve(&guard)?;
    let offer = sockets.pass_on()?;
    notify_systemd(NotifyState::Ready);
    start_text::print(&parts, workers.local_addrs(), &admin);
    for upstreams in &upstreams {
        // Until this function returns and the runtime is dropped.
        runtime.spawn(upstreams.run_health_checks());
    }

    let reason = runtime.block_on(wait_for_end(
        &parts,
        watch.as_ref(),
        (&mut signals, offer),
        &admin,
    ));
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

fn guard(settings: &Settings) -> Result<Guard, Box<dyn Error>> {
    let args = &settings.args;
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
        let policy = if settings.is_demo() {
            built_in_policy::for_demo()
        } else {
            built_in_policy::for_server(None)
        };
        return Ok(builder.with_policy(&policy, "the built-in policy")?);
    };
    Ok(builder.with_policy_file(policy)?)
}

/// Compiles the additional policies of routes. If one has any, each service gets a guard, since the router has
/// services of one type.
fn services(settings: &Settings, guard: &Guard) -> Result<Vec<RoutedService>, Box<dyn Error>> {
    let has_policies = settings
        .services
        .iter()
        .any(|service| service.policy.is_some());
    let builder = || {
        let builder = Guard::builder().with_sink(guard.sink());
        builder.with_timer(TokioTimer::new())
    };
    let compile = |service: &ServiceSettings| {
        let (guard, watch) = match &service.policy {
            Some(policy) => {
                let guard = builder().with_policy_file(policy)?;
                let watch = guard.watch()?;
                (Some(guard), Some(watch))
            }
            None if has_policies => (Some(builder().with_policy(NO_RULES, "no rules")?), None),
            None => (None, None),
        };
        Ok(RoutedService {
            upstream: service.upstream,
            guard,
            watch,
        })
    };
    settings.services.iter().map(compile).collect()
}

/// Waits for a signal to stop, or for a successor; returns which. Load balancers have had the time to notice then, and
/// the offer of the sockets has ended.
async fn wait_for_end(
    parts: &Parts<'_>,
    watch: Option<&Watch>,
    (signals, mut offer): (&mut Signals, Offer),
    admin: &AdminApi,
) -> String {
    let delay = parts.settings.args.drain_delay;
    let reason = select! {
        signal = handle_signals(parts, watch, signals) => format!("received {signal}"),
        // Its sockets are left to the successor.
        () = offer.replaced() => return "a new guard accepts connections".to_owned(),
    };
    notify_systemd(NotifyState::Stopping);
    admin.set_draining();
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

/// Handles signals until SIGINT or SIGTERM; returns its name. SIGHUP reloads the policies and the certificate
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
                reload(parts, watch, ShrinkGuard::Refuse);
                parts.https.reload();
                parts.settings.report_changes();
            }
            _ = signals.user2.recv() => reload(parts, watch, ShrinkGuard::Accept),
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

/// Reads the policies again.
fn reload(parts: &Parts<'_>, watch: Option<&Watch>, shrink: ShrinkGuard) {
    let of_routes = parts
        .services
        .iter()
        .filter_map(|service| service.watch.as_ref());
    let watches: Vec<_> = watch.into_iter().chain(of_routes).collect();
    if watches.is_empty() {
        info!("nothing to reload: the built-in policy is not a file");
        return;
    }
    if shrink == ShrinkGuard::Accept {
        info!("received SIGUSR2: the policy is read again, and what it removes is accepted");
    } else {
        info!("received SIGHUP: the policy and its lists are read again");
    }
    for watch in watches {
        match shrink {
            ShrinkGuard::Accept => watch.reload_now_accepting_shrink(),
            _ => watch.reload_now(),
        }
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
