//! The listeners and the workers.

use std::{error::Error, io, net::SocketAddr, num::NonZeroUsize, sync::Arc, thread};

use gabion::Guard;
use gabion_proxy::{
    Capacity, Connections, HeaderCase, Listener, Protocols, Proxy, ProxyOptions, ServeOptions,
    Tunnels, Upstream, Workers, raise_descriptor_limit, workers_on,
};
use tower_layer::Layer;
use tracing::warn;

use crate::{cli::RunArgs, denied_page::DeniedPage, https::Https};

/// Starts the workers, each with its own listeners, runtime and pool of upstream connections.
pub(crate) fn serve(
    args: &RunArgs,
    https: &Https,
    guard: &Guard,
    upstream: &Upstream,
) -> Result<Workers, Box<dyn Error>> {
    let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let workers = args.workers.unwrap_or_else(cores);
    let descriptors = descriptor_capacity();
    let listeners = listeners(args, https, &serve_options(args, https, guard, descriptors))?;
    let proxy = ProxyOptions::default()
        .with_capacity(args.requests(descriptors))
        .with_head_timeout(args.timeout)
        .with_receive_timeout(args.receive_timeout)
        .with_header_case(header_case(args))
        .with_sink(guard.sink());
    let upstream = upstream.clone();
    let guard_layer = guard
        .layer()
        .insert_client_extension()
        .with_reply(DeniedPage);
    let proxy = move |tunnels: &Tunnels| Proxy::new(upstream.clone(), &proxy, tunnels.clone());
    let workers = match https.layers(guard) {
        None => workers_on(workers, listeners, move |tunnels| {
            guard_layer.layer(proxy(tunnels))
        }),
        Some((outer, inner)) => workers_on(workers, listeners, move |tunnels| {
            outer.layer(guard_layer.layer(inner.layer(proxy(tunnels))))
        }),
    };
    Ok(workers?)
}

/// The options of each listener, but for TLS.
fn serve_options(
    args: &RunArgs,
    https: &Https,
    guard: &Guard,
    descriptors: Capacity,
) -> ServeOptions {
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
        .with_proxy_protocol(https.options().proxy_protocol)
        .with_connections(connections)
        .with_sink(guard.sink())
}

/// Listens on the addresses, the one for plain HTTP first.
fn listeners(
    args: &RunArgs,
    https: &Https,
    options: &ServeOptions,
) -> Result<Vec<Listener>, Box<dyn Error>> {
    let bind =
        |addr, options| Listener::bind(addr, options).map_err(|error| listen_error(addr, &error));
    let mut listeners = vec![bind(args.listen, options.clone())?];
    if let Some((addr, options)) = https.listener(options)? {
        listeners.push(bind(addr, options)?);
    }
    Ok(listeners)
}

const fn header_case(args: &RunArgs) -> HeaderCase {
    if args.keep_header_case {
        HeaderCase::AsReceived
    } else {
        HeaderCase::Lower
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

fn listen_error(addr: SocketAddr, error: &io::Error) -> String {
    let advice = if error.kind() == io::ErrorKind::AddrInUse {
        "; if that is another guard, `--share-port` shares the address with it"
    } else {
        ""
    };
    format!("cannot listen on {addr}: {error}{advice}")
}
