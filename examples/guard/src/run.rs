//! The proxy: start, signals and shutdown.

use std::{error::Error, io, sync::Arc, time::Duration};

use gabion::{
    Guard, GuardBuilder,
    event::{Bounded, EventBudget, EventRing, Sink, Tracing},
    policy::{ShrinkGuard, Watch},
};
use gabion_proxy::{ProxyOptions, Readiness, Upstream};
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
    config::{NamedGroup, Settings},
    crawlers::CrawlerVerifier,
    demo,
    https::{Https, HttpsOptions},
    log,
    logs::{self, KeepingSink, LastEvents, Logs},
    metrics::Exporter,
    reload::{HealthChecks, Reloader, Running},
    serve::{Parts, descriptor_capacity, proxy_options, serve},
    site::{LiveSite, Site},
    sockets::{Offer, Sockets},
    start_text,
    state::{State, StoreSlot, StoringSink},
};

/// The Unix signals that the process handles.
struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
    user1: Signal,
    user2: Signal,
}

/// The threads that read files again: that of the policy, and that of the configuration file.
struct Watches {
    policy: Option<Watch>,
    config: Option<Watch>,
}

/// The time after SIGUSR1 in which every rule only observes.
const OBSERVE_TIME: Duration = Duration::from_mins(10);

/// The reason of the end if a successor took over.
const SUCCEEDED: &str = "a new guard accepts connections";

/// Runs the proxy until SIGINT or SIGTERM, then drains it.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the end of the settings is that of the run"
)]
pub(crate) fn run(settings: Settings) -> Result<(), Box<dyn Error>> {
    let _log = log::init()?;
    let args = &settings.args;
    let store = StoreSlot::default();
    let exporter = Exporter::install(args)?;
    // Flushed at the end.
    let logs = Logs::open(&args.log)?;
    let has_admin = args.https.state.is_some() || args.admin.admin.is_some();
    let ring = logs::ring(has_admin);
    let guard = guard(&settings, &store, exporter.as_ref(), &logs, ring.as_ref())?;
    logs.report_to(&guard);
    if let Some(ring) = &ring {
        guard.subscribe(ring);
    }
    for warning in guard.warnings() {
        warn!("{warning}");
    }
    // Before the first request: its client may be banned.
    let mut state = State::open(args, &guard, &store)?;
    let https = Https::start(HttpsOptions::from_args(&args.https)?, &guard)?;
    let watch = args.policy.as_ref().map(|_| guard.watch()).transpose()?;
    let readiness = args.ready_path.clone().map(Readiness::at);
    let descriptors = descriptor_capacity();
    let options = proxy_options(args, &guard, descriptors, readiness.as_ref());
    let site = LiveSite::new(site(&settings, &guard, options)?);
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
        site: &site,
        descriptors,
        readiness,
        exact_limits: state.exact_limits(),
        access_log: logs.access(),
    };
    let workers = serve(&parts, &mut sockets)?;
    let admin = admin.serve(&guard, |admin| {
        let admin = state.show_in(admin, &store);
        let admin = match exporter {
            Some(exporter) => exporter.show_in(admin, site.clone()),
            None => admin,
        };
        match ring {
            Some(ring) => admin.with_events(Arc::new(LastEvents(ring))),
            None => admin,
        }
    })?;
    let offer = sockets.pass_on()?;
    notify_systemd(NotifyState::Ready);
    start_text::print(&parts, workers.local_addrs(), &admin);
    let crawlers = CrawlerVerifier::new(guard.clone(), args.dns_server);
    runtime.spawn(crawlers.run());
    let running = Running {
        guard: guard.clone(),
        site: site.clone(),
        certificates: https.served().cloned(),
        renewal: workers.renewal(),
        health_checks: HealthChecks::start(runtime.handle().clone(), &site.current()),
    };
    let (mut config_watch, mut _health_checks) = (None, None);
    match args.config.clone().zip(settings.document.clone()) {
        Some((path, document)) => config_watch = Some(Reloader::watch(path, document, running)?),
        // Until this function returns.
        None => _health_checks = Some(running.health_checks),
    }

    let watches = Watches {
        policy: watch,
        config: config_watch,
    };
    let reason = runtime.block_on(wait_for_end(
        &parts,
        &watches,
        (&mut signals, offer),
        &admin,
    ));
    if reason == SUCCEEDED {
        // The successor waits for its files.
        state = State::default();
    }
    let grace = site.current().grace;
    info!(
        "{reason}: no new connections; open requests have {} s to finish",
        grace.as_secs()
    );
    // The other half is for WebSockets whose client ignores the close frame.
    guard.drain(grace / 2);
    let drained = workers.shutdown(grace);
    // What the last requests changed is written.
    drop(state);
    info!("stopped; {drained}");
    let diagnoses = guard.diagnosis_counters().to_string();
    if !diagnoses.is_empty() {
        info!("WebSocket diagnoses since the start: {diagnoses}");
    }
    Ok(())
}

fn guard(
    settings: &Settings,
    store: &StoreSlot,
    exporter: Option<&Exporter>,
    logs: &Logs,
    ring: Option<&Arc<EventRing>>,
) -> Result<Guard, Box<dyn Error>> {
    let args = &settings.args;
    let shrink = if args.accept_shrink {
        ShrinkGuard::Accept
    } else {
        ShrinkGuard::Refuse
    };
    let log = Tracing::default().with_query_values(args.log_query_values);
    // Stored is what is logged: within the same budget.
    let log = StoringSink::new(logs.sink(log), store.clone());
    let budget = EventBudget::default();
    let log: Arc<dyn Sink> = match exporter {
        Some(exporter) => exporter.sink(log, budget),
        None => Arc::new(Bounded::new(log, budget)),
    };
    let builder: GuardBuilder = Guard::builder()
        .with_sink(Arc::new(KeepingSink::new(log, ring.cloned())))
        .with_shrink_guard(shrink)
        .with_timer(TokioTimer::new());
    let builder = match exporter {
        Some(exporter) => builder.with_meter(exporter.meter()),
        None => builder,
    };
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

/// The servers and the routes of the start.
fn site(settings: &Settings, guard: &Guard, options: ProxyOptions) -> Result<Site, Box<dyn Error>> {
    let with_sink = |named: &NamedGroup| NamedGroup {
        name: named.name.clone(),
        group: named.group.with_sink(guard.sink()),
    };
    let mut upstreams: Vec<_> = settings.upstreams.iter().map(with_sink).collect();
    if settings.is_demo() {
        let demo: Upstream = format!("http://{}", demo::start()?).parse()?;
        upstreams.push(NamedGroup {
            name: String::new(),
            group: demo.into(),
        });
    }
    let services = Site::services(settings, guard, None)?;
    Ok(Site::new(settings, guard, (upstreams, services), options))
}

/// Waits for a signal to stop, or for a successor; returns which. Load balancers have had the time to notice then, and
/// the offer of the sockets has ended.
async fn wait_for_end(
    parts: &Parts<'_>,
    watches: &Watches,
    (signals, mut offer): (&mut Signals, Offer),
    admin: &AdminApi,
) -> String {
    let reason = select! {
        signal = handle_signals(parts, watches, signals) => format!("received {signal}"),
        // Its sockets are left to the successor.
        () = offer.replaced() => return SUCCEEDED.to_owned(),
    };
    notify_systemd(NotifyState::Stopping);
    admin.set_draining();
    if let Some(readiness) = &parts.readiness {
        readiness.set_draining();
    }
    let delay = parts.site.current().drain_delay;
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
    watches: &Watches,
    signals: &mut Signals,
) -> &'static str {
    loop {
        select! {
            _ = signals.interrupt.recv() => return "SIGINT",
            _ = signals.terminate.recv() => return "SIGTERM",
            _ = signals.hangup.recv() => {
                reload(parts, watches, ShrinkGuard::Refuse);
                parts.https.reload();
                if let Some(config) = &watches.config {
                    config.reload_now();
                }
            }
            _ = signals.user2.recv() => reload(parts, watches, ShrinkGuard::Accept),
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
fn reload(parts: &Parts<'_>, watches: &Watches, shrink: ShrinkGuard) {
    if shrink == ShrinkGuard::Accept {
        info!("received SIGUSR2: the policy is read again, and what it removes is accepted");
    } else {
        info!("received SIGHUP: the policy and its lists are read again");
    }
    let of_routes = parts.site.current().reload_policies(shrink);
    match (&watches.policy, shrink) {
        (None, _) if of_routes > 0 => {}
        (None, _) => info!("nothing to reload: the built-in policy is not a file"),
        (Some(watch), ShrinkGuard::Accept) => watch.reload_now_accepting_shrink(),
        (Some(watch), _) => watch.reload_now(),
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
