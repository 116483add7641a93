//! The proxy: start, signals and shutdown.

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
    Connections, HeaderCase, Protocols, Proxy, ProxyOptions, ServeOptions, Upstream, Workers,
    raise_descriptor_limit, workers,
};
use hyper_util::rt::TokioTimer;
use tokio::{
    runtime, select,
    signal::unix::{Signal, SignalKind, signal},
};
use tower_layer::Layer;
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use crate::{built_in_policy, cli::RunArgs, demo, denied_page::DeniedPage};

/// The Unix signals that the process handles.
struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
    user1: Signal,
}

/// The time after SIGUSR1 in which every rule only observes.
const OBSERVE_TIME: Duration = Duration::from_mins(10);

/// Runs the proxy until SIGINT or SIGTERM, then drains it.
pub(crate) fn run(args: &RunArgs) -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();

    let guard = guard(args)?;
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
    let workers = serve(args, &guard, &upstream)?;
    print_start_text(args, &upstream, workers.local_addr());

    let signal = runtime.block_on(handle_signals(&guard, watch.as_ref(), signals));
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
    let builder: GuardBuilder = Guard::builder()
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

/// Starts the workers, each with its own listener, runtime and pool of upstream connections.
fn serve(args: &RunArgs, guard: &Guard, upstream: &Upstream) -> Result<Workers, Box<dyn Error>> {
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
    let connections = limited(args, Connections::new(live, move || clock.now()));
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
        .with_head_timeout(args.timeout)
        .with_header_case(header_case)
        .with_sink(guard.sink());
    let upstream = upstream.clone();
    let layer = guard
        .layer()
        .insert_client_extension()
        .with_reply(DeniedPage);
    workers(
        args.workers.unwrap_or_else(cores),
        args.listen,
        &serve,
        move |tunnels| layer.layer(Proxy::new(upstream.clone(), &proxy, tunnels.clone())),
    )
    .map_err(|error| listen_error(args.listen, &error).into())
}

/// Limits the number of connections by the options, or else by the limit of open files, after raising it.
fn limited(args: &RunArgs, connections: Connections) -> Connections {
    let mut connections = match raise_descriptor_limit() {
        Ok(descriptors) => connections.with_descriptors(descriptors),
        Err(error) => {
            warn!("cannot raise the limit of open files: {error}");
            connections
        }
    };
    if let Some(total) = args.max_connections {
        connections = connections.with_capacity(total.get());
    }
    if let Some(per_client) = args.max_connections_per_client {
        connections = connections.with_capacity_per_client(per_client.get());
    }
    connections
}

fn listen_error(addr: SocketAddr, error: &io::Error) -> String {
    let advice = if error.kind() == io::ErrorKind::AddrInUse {
        "; if that is another guard, `--share-port` shares the address with it"
    } else {
        ""
    };
    format!("cannot listen on {addr}: {error}{advice}")
}

/// Prints where the proxy listens, what it protects, and commands to try.
fn print_start_text(args: &RunArgs, upstream: &Upstream, addr: SocketAddr) {
    let is_demo = args.upstream.is_none();
    println!("guard listens on http://{addr}");
    if is_demo {
        println!("  upstream   {upstream}, the built-in demo: a page, JSON, a WebSocket echo");
        println!("  WebSocket  ws://{addr}{}", demo::WEBSOCKET_PATH);
    } else {
        println!("  upstream   {upstream}");
    }
    match &args.policy {
        Some(policy) => println!(
            "  policy     {}, reloaded when it changes",
            policy.display()
        ),
        None => println!("  policy     built in; `guard init` writes it to a file to edit"),
    }
    println!("Try:");
    if is_demo {
        println!("  open http://{addr}/ in a browser");
    } else {
        println!("  curl -i http://{addr}/               the response of your server");
    }
    println!("  curl -i http://{addr}/.env           denied (403); the log names the rule");
    let encoded = if is_demo {
        "index.ph%70"
    } else {
        "%2egit/HEAD"
    };
    println!(
        "  curl -i http://{addr}/{encoded}    denied as well: every spelling of a path is checked"
    );
    if is_demo && args.policy.is_none() {
        print_demo_text(addr);
    }
    println!("Press Ctrl-C to stop.");
}

/// Prints commands that show the rules of the demo's own policy.
fn print_demo_text(addr: SocketAddr) {
    let path = demo::WEBSOCKET_PATH;
    println!("  curl -i http://{addr}{path}             426 with the WebSocket address");
    println!(
        "Loopback and private clients are exempt from bans and limits. The demo policy trusts\n\
         X-Forwarded-For from this machine, so that curl can act as another client:"
    );
    let get = "curl -i -H 'X-Forwarded-For: 203.0.113";
    println!("  {get}.7' 'http://{addr}/ban-me/[1-3]'        ban for 1 minute");
    println!("  {get}.7' http://{addr}/                      denied (403)");
    println!("  {get}.8' 'http://{addr}/api/status?[1-4]'    429 after 3 requests");
}

/// Handles signals until SIGINT or SIGTERM; returns its name. SIGHUP reloads the policy;
/// after SIGUSR1 every rule only observes for [`OBSERVE_TIME`].
async fn handle_signals(
    guard: &Guard,
    watch: Option<&Watch>,
    mut signals: Signals,
) -> &'static str {
    loop {
        select! {
            _ = signals.interrupt.recv() => return "SIGINT",
            _ = signals.terminate.recv() => return "SIGTERM",
            _ = signals.hangup.recv() => reload(watch),
            _ = signals.user1.recv() => guard.observe_for(OBSERVE_TIME),
        }
    }
}

fn reload(watch: Option<&Watch>) {
    if let Some(watch) = watch {
        watch.reload_now();
    } else {
        info!("received SIGHUP: nothing to reload, the built-in policy is not a file");
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
        })
    }
}
