//! The proxy: start, signals and shutdown.

use std::{error::Error, io, num::NonZeroUsize, sync::Arc, thread, time::Duration};

use gabion::{
    Guard, GuardBuilder,
    event::{Bounded, EventBudget, Tracing},
    policy::{ShrinkGuard, Watch},
};
use gabion_proxy::{
    Capacity, Connections, HeaderCase, HealthLog, HealthLogService, Protocols, Proxy, ProxyOptions,
    Readiness, ServeOptions, Tunnels, UpstreamGroup, Workers, raise_descriptor_limit, workers_on,
};
use hyper_util::rt::TokioTimer;
use sd_notify::NotifyState;
use tokio::{
    runtime, select,
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};
use tower_layer::Layer;
use tracing::{info, warn};

use crate::{
    built_in_policy, cli::RunArgs, demo, denied_page::DeniedPage, log, sockets::Sockets, start_text,
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
    let watch = args.policy.as_ref().map(|_| guard.watch()).transpose()?;
    let demo = || Ok(format!("http://{}", demo::start()?).parse()?);
    let upstreams = args.upstream.group(demo)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Before the first connection: a signal without a handler ends the process without a drain.
    let mut signals = runtime.block_on(async { Signals::register() })?;
    let mut sockets = Sockets::take(args.handover.as_deref())?;
    let readiness = args.ready_path.clone().map(Readiness::at);
    let workers = serve(args, &guard, &upstreams, (&mut sockets, readiness.clone()))?;
    let mut offer = sockets.pass_on()?;
    notify_systemd(NotifyState::Ready);
    start_text::print(args, &upstreams, workers.local_addr());
    // Until this function returns and the runtime is dropped.
    runtime.spawn(upstreams.run_health_checks());

    let reason = runtime.block_on(async {
        let reason = select! {
            signal = handle_signals(&guard, watch.as_ref(), &mut signals) => format!("received {signal}"),
            () = offer.replaced() => return "a new guard accepts connections".to_owned(),
        };
        notify_systemd(NotifyState::Stopping);
        if let Some(readiness) = &readiness {
            readiness.set_draining();
        }
        if !args.drain_delay.is_zero() {
            info!("{reason}: connections are accepted for another {} s", args.drain_delay.as_secs());
            select! {
                () = sleep(args.drain_delay) => {}
                _ = signals.interrupt.recv() => {}
                _ = signals.terminate.recv() => {}
            }
        }
        reason
    });
    info!(
        "{reason}: no new connections; open requests have {} s to finish",
        args.grace.as_secs()
    );
    // Closes the sockets, or leaves them to the new guard.
    drop(offer);
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

/// Starts the workers, each with its own listener, runtime and pool of upstream connections.
fn serve(
    args: &RunArgs,
    guard: &Guard,
    upstreams: &UpstreamGroup,
    (sockets, readiness): (&mut Sockets, Option<Readiness>),
) -> Result<Workers, Box<dyn Error>> {
    let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let protocols = if args.h2 {
        Protocols::Http1AndPriorKnowledge
    } else {
        Protocols::Http1
    };
    let header_case = if args.keep_header_case {
        HeaderCase::AsReceived
    } else {
        HeaderCase::Lower
    };
    let live = guard.policy_handle().clone();
    let clock = guard.clone();
    let descriptors = descriptor_capacity();
    let connections = Connections::new(live, move || clock.now());
    let connections = connections.with_capacity(args.connections(descriptors));
    let connections = Arc::new(connections);
    guard.subscribe(&connections);
    let serve = ServeOptions::default()
        .with_protocols(protocols)
        .with_shared_port(args.share_port)
        .with_send_timeout(args.send_timeout)
        .with_header_case(header_case)
        .with_connections(connections)
        .with_sink(guard.sink());
    let proxy = ProxyOptions::default()
        .with_capacity(args.requests(descriptors))
        .with_head_timeout(args.timeout)
        .with_receive_timeout(args.receive_timeout)
        .with_header_case(header_case)
        .with_sink(guard.sink());
    let proxy = match readiness {
        Some(readiness) => proxy.with_readiness(readiness),
        None => proxy,
    };
    let count = args.workers.unwrap_or_else(cores);
    let listener = sockets.open(args.listen, count, serve)?;
    let upstreams = upstreams.clone();
    let layer = guard
        .layer()
        .insert_client_extension()
        .with_reply(DeniedPage);
    let service = move |tunnels: &Tunnels| {
        layer.layer(Proxy::new(upstreams.clone(), &proxy, tunnels.clone()))
    };
    Ok(match health_log(args)? {
        // Only guards that write the log have its state in each exchange.
        Some(log) => workers_on(count, vec![listener], move |tunnels| {
            HealthLogService::new(service(tunnels), log.clone())
        }),
        None => workers_on(count, vec![listener], service),
    }?)
}

/// Opens the health log of Elastic Beanstalk, if it is to be written.
fn health_log(args: &RunArgs) -> Result<Option<HealthLog>, String> {
    let Some(folder) = &args.eb_health_log else {
        return Ok(None);
    };
    let log = HealthLog::start(folder.clone()).map_err(|error| {
        let folder = folder.display();
        format!(
            "cannot write the health log in {folder}: {error}; create the folder for the user that runs the \
             guard, or remove --eb-health-log"
        )
    })?;
    Ok(Some(log))
}

/// Tells systemd the state of the service, if it asked for that (`Type=notify`).
fn notify_systemd(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!("cannot notify systemd: {error}");
    }
}

/// Raises the limit of open files, and returns the capacity that it allows.
fn descriptor_capacity() -> Capacity {
    match raise_descriptor_limit() {
        Ok(descriptors) => Capacity::for_descriptors(descriptors),
        Err(error) => {
            warn!("cannot raise the limit of open files: {error}");
            Capacity::default()
        }
    }
}

/// Handles signals until SIGINT or SIGTERM; returns its name. SIGHUP reloads the policy, and
/// SIGUSR2 accepts what it removes;
/// after SIGUSR1 every rule only observes for [`OBSERVE_TIME`], or until the next SIGUSR1.
async fn handle_signals(
    guard: &Guard,
    watch: Option<&Watch>,
    signals: &mut Signals,
) -> &'static str {
    loop {
        select! {
            _ = signals.interrupt.recv() => return "SIGINT",
            _ = signals.terminate.recv() => return "SIGTERM",
            _ = signals.hangup.recv() => reload(watch, ShrinkGuard::Refuse),
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
