//! The listeners and the workers.

use std::{error::Error, io, num::NonZeroUsize, sync::Arc, thread};

use axum::body::{Bytes, HttpBody};
use gabion::{Guard, limit::RemoteLimits};
use gabion_proxy::{
    Capacity, Connections, HeaderCase, HealthLog, HealthLogService, HttpService, Listener,
    OwnAddressError, Protocols, ProxyOptions, Readiness, ServeOptions, Tunnels, Workers,
    raise_descriptor_limit, workers_on,
};
use tower_layer::Layer;
use tracing::warn;

use crate::{
    cli::RunArgs,
    config::{NamedGroup, Settings},
    denied_page::DeniedPage,
    https::Https,
    own_addresses::own_addresses,
    site::{LiveSite, Site},
    sockets::Sockets,
};

/// The parts of a running guard.
pub(crate) struct Parts<'g> {
    pub(crate) settings: &'g Settings,
    pub(crate) https: &'g Https,
    pub(crate) guard: &'g Guard,
    pub(crate) site: &'g LiveSite,
    /// The capacity that the limit of open files allows.
    pub(crate) descriptors: Capacity,
    /// `None` if health checks are forwarded.
    pub(crate) readiness: Option<Readiness>,
    /// Decides about exact limits for all instances.
    pub(crate) exact_limits: Option<Arc<dyn RemoteLimits>>,
}

/// The listeners, the number of workers, and the log of each exchange.
struct Workshop {
    workers: NonZeroUsize,
    listeners: Vec<Listener>,
    health_log: Option<HealthLog>,
}

/// Starts the workers, each with its own listeners, runtime and pool of upstream connections.
pub(crate) fn serve(parts: &Parts<'_>, sockets: &mut Sockets) -> Result<Workers, Box<dyn Error>> {
    let args = &parts.settings.args;
    let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let workers = args.workers.unwrap_or_else(cores);
    let options = serve_options(parts);
    let mut listeners = vec![sockets.open(args.listen, workers, options.clone())?];
    if let Some((addr, options)) = parts.https.listener(&options)? {
        listeners.push(sockets.open(addr, workers, options)?);
    }
    refuse_own_upstreams(&listeners, &parts.site.current().upstreams)?;
    let workshop = Workshop {
        workers,
        listeners,
        health_log: health_log(args)?,
    };
    let workers = match parts.settings.document {
        None => serve_guarded(parts, workshop, Site::proxy),
        // Routes may be added later.
        Some(_) => serve_guarded(parts, workshop, Site::routed),
    };
    Ok(workers?)
}

/// Refuses this process itself as an upstream: requests would circle until no connection is left.
fn refuse_own_upstreams(
    listeners: &[Listener],
    upstreams: &[NamedGroup],
) -> Result<(), OwnAddressError> {
    let own = own_addresses();
    for listener in listeners {
        own.add(listener.local_addr());
    }
    upstreams
        .iter()
        .try_for_each(|named| named.group.check_own_addresses())
}

/// Serves the services of `inner` behind the layers of the guard and of HTTPS. A worker that renews its service takes
/// that of the site in effect.
fn serve_guarded<S>(
    parts: &Parts<'_>,
    workshop: Workshop,
    inner: impl Fn(&Site, &Tunnels) -> S + Send + Sync + 'static,
) -> io::Result<Workers>
where
    S: HttpService<Body: HttpBody<Data = Bytes>>,
{
    let guard = parts.guard.layer().insert_client_extension();
    let guard = guard.with_reply(DeniedPage);
    let guard = match &parts.exact_limits {
        Some(exact) => guard.with_remote_limits(Arc::clone(exact)),
        None => guard,
    };
    let sharing = guard.clone().with_shared_resolution(false);
    let site = parts.site.clone();
    let guarded = move |tunnels: &Tunnels| {
        let site = site.current();
        let inner = inner(&site, tunnels);
        site.close_unused(tunnels);
        let guard = if site.has_policies() {
            &sharing
        } else {
            &guard
        };
        (guard.clone(), inner)
    };
    match parts.https.layers(parts.guard) {
        None => serve_logged(workshop, move |tunnels| {
            let (guard, inner) = guarded(tunnels);
            guard.layer(inner)
        }),
        Some((challenges, https)) => serve_logged(workshop, move |tunnels| {
            let (guard, inner) = guarded(tunnels);
            challenges.layer(guard.layer(https.layer(inner)))
        }),
    }
}

/// Serves the services of `inner`, and logs each exchange if that is asked for: only then exchanges have its state.
fn serve_logged<S: HttpService>(
    workshop: Workshop,
    inner: impl Fn(&Tunnels) -> S + Send + Sync + 'static,
) -> io::Result<Workers> {
    let Workshop {
        workers,
        listeners,
        health_log,
    } = workshop;
    match health_log {
        None => workers_on(workers, listeners, inner),
        Some(log) => workers_on(workers, listeners, move |tunnels| {
            HealthLogService::new(inner(tunnels), log.clone())
        }),
    }
}

/// The options of each listener, but for TLS.
fn serve_options(parts: &Parts<'_>) -> ServeOptions {
    let (args, guard) = (&parts.settings.args, parts.guard);
    let protocols = if args.h2 {
        Protocols::Http1AndPriorKnowledge
    } else {
        Protocols::Http1
    };
    let live = guard.policy_handle().clone();
    let (clock, switch) = (guard.clone(), guard.clone());
    let connections = Connections::new(live, move || clock.now())
        .with_capacity(args.connections(parts.descriptors))
        .with_observe_switch(move || !switch.observes_for().is_zero());
    let connections = Arc::new(connections);
    guard.subscribe(&connections);
    ServeOptions::default()
        .with_protocols(protocols)
        .with_shared_port(args.share_port)
        .with_send_timeout(args.send_timeout)
        .with_header_case(header_case(args))
        .with_proxy_protocol(parts.https.options().proxy_protocol)
        .with_connections(connections)
        .with_sink(guard.sink())
}

/// The options of proxies that a reload does not replace.
pub(crate) fn proxy_options(
    args: &RunArgs,
    guard: &Guard,
    descriptors: Capacity,
    readiness: Option<&Readiness>,
) -> ProxyOptions {
    let options = ProxyOptions::default()
        .with_capacity(args.requests(descriptors))
        .with_header_case(header_case(args))
        .with_sink(guard.sink());
    match readiness {
        Some(readiness) => options.with_readiness(readiness.clone()),
        None => options,
    }
}

const fn header_case(args: &RunArgs) -> HeaderCase {
    if args.keep_header_case {
        HeaderCase::AsReceived
    } else {
        HeaderCase::Lower
    }
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

/// Raises the limit of open files, and returns the capacity that it allows.
pub(crate) fn descriptor_capacity() -> Capacity {
    match raise_descriptor_limit() {
        Ok(descriptors) => Capacity::for_descriptors(descriptors),
        Err(error) => {
            warn!("cannot raise the limit of open files: {error}");
            Capacity::default()
        }
    }
}
