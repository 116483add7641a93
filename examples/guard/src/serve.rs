//! The listeners and the workers.

use std::{error::Error, io, num::NonZeroUsize, sync::Arc, thread};

use axum::body::{Bytes, HttpBody};
use gabion::{Guard, GuardLayer, policy::Watch};
use gabion_proxy::{
    Capacity, Connections, HeaderCase, HealthLog, HealthLogService, HttpService, Listener,
    OwnAddressError, Protocols, Proxy, ProxyOptions, Readiness, ServeOptions, Tunnels,
    UpstreamGroup, Workers, raise_descriptor_limit, workers_on,
};
use tower_layer::Layer;
use tracing::warn;

use crate::{
    cli::RunArgs, config::Settings, denied_page::DeniedPage, https::Https,
    own_addresses::own_addresses, sockets::Sockets,
};

/// The parts of a running guard.
pub(crate) struct Parts<'g> {
    pub(crate) settings: &'g Settings,
    pub(crate) https: &'g Https,
    pub(crate) guard: &'g Guard,
    /// At least one, to which requests without a route go.
    pub(crate) upstreams: &'g [UpstreamGroup],
    /// Those of the settings, compiled.
    pub(crate) services: &'g [RoutedService],
    /// `None` if health checks are forwarded.
    pub(crate) readiness: Option<Readiness>,
}

/// The index of the upstreams of a service, and the guard with its additional policy.
pub(crate) struct RoutedService {
    pub(crate) upstream: usize,
    /// `None` if no route has a policy.
    pub(crate) guard: Option<Guard>,
    /// Reloads the policy, if it has one.
    pub(crate) watch: Option<Watch>,
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
    let descriptors = descriptor_capacity();
    let options = serve_options(parts, descriptors);
    let mut listeners = vec![sockets.open(args.listen, workers, options.clone())?];
    if let Some((addr, options)) = parts.https.listener(&options)? {
        listeners.push(sockets.open(addr, workers, options)?);
    }
    refuse_own_upstreams(&listeners, parts.upstreams)?;
    let workshop = Workshop {
        workers,
        listeners,
        health_log: health_log(args)?,
    };
    let options = proxy_options(parts, descriptors);
    let services = parts.services.iter();
    let upstreams: Vec<_> = services
        .clone()
        .map(|service| parts.upstreams[service.upstream].clone())
        .collect();
    let proxy = move |tunnels: &Tunnels, service: usize| {
        Proxy::new(upstreams[service].clone(), &options, tunnels.clone())
    };
    let Some(router) = &parts.settings.router else {
        return Ok(serve_guarded(parts, workshop, move |tunnels| {
            proxy(tunnels, 0)
        })?);
    };
    let router = router.clone().with_sink(parts.guard.sink());
    let layer = |service: &RoutedService| Some(routed_layer(service.guard.as_ref()?));
    let workers = match services.map(layer).collect::<Option<Vec<_>>>() {
        None => serve_guarded(parts, workshop, move |tunnels| {
            router.map(|service| proxy(tunnels, *service))
        }),
        Some(layers) => serve_guarded(parts, workshop, move |tunnels| {
            router.map(|service| layers[*service].layer(proxy(tunnels, *service)))
        }),
    };
    Ok(workers?)
}

/// Refuses this process itself as an upstream: requests would circle until no connection is left.
fn refuse_own_upstreams(
    listeners: &[Listener],
    upstreams: &[UpstreamGroup],
) -> Result<(), OwnAddressError> {
    let own = own_addresses();
    for listener in listeners {
        own.add(listener.local_addr());
    }
    upstreams
        .iter()
        .try_for_each(UpstreamGroup::check_own_addresses)
}

/// The layer of a service's additional policy: the client is that of the policy in front.
fn routed_layer(guard: &Guard) -> GuardLayer {
    let layer = guard.layer().with_shared_resolution(false);
    layer.insert_client_extension().with_reply(DeniedPage)
}

/// Serves the services of `inner` behind the layers of the guard and of HTTPS.
fn serve_guarded<S>(
    parts: &Parts<'_>,
    workshop: Workshop,
    inner: impl Fn(&Tunnels) -> S + Send + Sync + 'static,
) -> io::Result<Workers>
where
    S: HttpService<Body: HttpBody<Data = Bytes>>,
{
    let guard = parts
        .guard
        .layer()
        .insert_client_extension()
        .with_reply(DeniedPage);
    let guard = match parts.settings.router {
        Some(_) => guard.with_shared_resolution(false),
        None => guard,
    };
    match parts.https.layers(parts.guard) {
        None => serve_logged(workshop, move |tunnels| guard.layer(inner(tunnels))),
        Some((challenges, https)) => serve_logged(workshop, move |tunnels| {
            challenges.layer(guard.layer(https.layer(inner(tunnels))))
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
fn serve_options(parts: &Parts<'_>, descriptors: Capacity) -> ServeOptions {
    let (args, guard) = (&parts.settings.args, parts.guard);
    let protocols = if args.h2 {
        Protocols::Http1AndPriorKnowledge
    } else {
        Protocols::Http1
    };
    let live = guard.policy_handle().clone();
    let (clock, switch) = (guard.clone(), guard.clone());
    let connections = Connections::new(live, move || clock.now())
        .with_capacity(args.connections(descriptors))
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

fn proxy_options(parts: &Parts<'_>, descriptors: Capacity) -> ProxyOptions {
    let args = &parts.settings.args;
    let options = ProxyOptions::default()
        .with_capacity(args.requests(descriptors))
        .with_connect_timeout(args.connect_timeout)
        .with_head_timeout(args.timeout)
        .with_pool_idle(args.pool_idle)
        .with_receive_timeout(args.receive_timeout)
        .with_header_case(header_case(args))
        .with_sink(parts.guard.sink());
    match &parts.readiness {
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
fn descriptor_capacity() -> Capacity {
    match raise_descriptor_limit() {
        Ok(descriptors) => Capacity::for_descriptors(descriptors),
        Err(error) => {
            warn!("cannot raise the limit of open files: {error}");
            Capacity::default()
        }
    }
}
