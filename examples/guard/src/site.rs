//! The parts of a running guard that a reload of its configuration file replaces: servers, routes and their policies.

use std::{
    error::Error,
    mem,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gabion::{
    Guard, GuardLayer,
    policy::{ShrinkGuard, Watch},
};
use gabion_proxy::{Either, Proxy, ProxyOptions, Router, Tunnels};
use hyper_util::rt::TokioTimer;
use tower_layer::Layer;

use crate::{
    cli::RunArgs,
    config::{NamedGroup, RouteKey, ServiceSettings, Settings},
    denied_page::DeniedPage,
};

/// The servers and the routes of one version of the configuration file.
#[derive(Debug)]
pub(crate) struct Site {
    /// At least one, to which requests without a route go.
    pub(crate) upstreams: Vec<NamedGroup>,
    services: Vec<RoutedService>,
    router: Router<usize>,
    options: ProxyOptions,
    pub(crate) drain_delay: Duration,
    pub(crate) grace: Duration,
}

/// The site in effect. Locked at the start of a worker and in a reload, never for a request.
#[derive(Clone, Debug)]
pub(crate) struct LiveSite(Arc<Mutex<Arc<Site>>>);

/// The services of a new site, compiled.
pub(crate) struct Services(Vec<RoutedService>);

/// A router's service: with the additional policy of a route, or without one.
type Routed = Either<<GuardLayer as Layer<Proxy>>::Service, Proxy>;

#[derive(Clone, Debug)]
struct RoutedService {
    upstream: usize,
    policy: Option<Arc<RoutePolicy>>,
}

/// The additional policy of a route, with its bans and limits, which stay while the route and the file do.
#[derive(Debug)]
struct RoutePolicy {
    route: RouteKey,
    file: PathBuf,
    guard: Guard,
    layer: GuardLayer,
    watch: Watch,
}

// === impl Site ===

impl Site {
    /// Puts a site together. `options` are those of the start: a site continues the connections of an earlier one.
    pub(crate) fn new(
        settings: &Settings,
        guard: &Guard,
        (upstreams, services): (Vec<NamedGroup>, Services),
        options: ProxyOptions,
    ) -> Self {
        let args = &settings.args;
        Self {
            upstreams,
            services: services.0,
            router: settings.router.clone().with_sink(guard.sink()),
            options: with_timeouts(options, args),
            drain_delay: args.drain_delay,
            grace: args.grace,
        }
    }

    /// Puts a site together from new settings. Each group continues the one of the same name; the servers and the
    /// routes of this site stay if `settings` has only others that need a restart.
    pub(crate) fn successor(
        &self,
        settings: &Settings,
        guard: &Guard,
        services: Option<Services>,
    ) -> Self {
        let options = self.options.clone();
        let Some(services) = services else {
            let same = Services(self.services.clone());
            let mut site = Self::new(settings, guard, (self.upstreams.clone(), same), options);
            site.router = self.router.clone();
            return site;
        };
        let continuing = |new: &NamedGroup| {
            let group = new.group.with_sink(guard.sink());
            let mut known = self.upstreams.iter();
            let previous = known.find(|known| known.name == new.name);
            NamedGroup {
                name: new.name.clone(),
                group: match previous {
                    Some(known) => group.continuing(&known.group),
                    None => group,
                },
            }
        };
        let upstreams = settings
            .upstreams
            .iter()
            .map(continuing)
            .collect::<Vec<_>>();
        Self::new(settings, guard, (upstreams, services), options)
    }

    /// Compiles the additional policies of routes. A route of this site with the same policy keeps it.
    pub(crate) fn services(
        settings: &Settings,
        guard: &Guard,
        previous: Option<&Self>,
    ) -> Result<Services, Box<dyn Error>> {
        let known: &[_] = previous.map_or(&[], |previous| &previous.services);
        let compile = |service: &ServiceSettings| {
            let policy = service.policy.as_deref().map(|file| {
                let mut known = known.iter().filter_map(|known| known.policy.as_ref());
                match known.find(|known| known.route == service.route && known.file == file) {
                    Some(known) => Ok(Arc::clone(known)),
                    None => RoutePolicy::new(&service.route, file, guard).map(Arc::new),
                }
            });
            Ok(RoutedService {
                upstream: service.upstream,
                policy: policy.transpose()?,
            })
        };
        let services = settings.services.iter().map(compile);
        Ok(Services(services.collect::<Result<_, Box<dyn Error>>>()?))
    }

    /// Returns `true` if a layer of a route judges requests after that of the guard.
    pub(crate) fn has_policies(&self) -> bool {
        self.services.iter().any(|service| service.policy.is_some())
    }

    /// The service of a worker for requests without a route.
    pub(crate) fn proxy(&self, tunnels: &Tunnels) -> Proxy {
        self.proxy_to(0, tunnels)
    }

    /// The service of a worker for requests of all routes.
    pub(crate) fn routed(&self, tunnels: &Tunnels) -> Router<Routed> {
        self.router.map(|index| {
            let service = &self.services[*index];
            let proxy = self.proxy_to(service.upstream, tunnels);
            match &service.policy {
                Some(policy) => Either::Left(policy.layer.layer(proxy)),
                None => Either::Right(proxy),
            }
        })
    }

    /// Closes a worker's idle connections to servers of earlier sites.
    pub(crate) fn close_unused(&self, tunnels: &Tunnels) {
        let groups = self.upstreams.iter().map(|named| named.group.clone());
        self.options
            .close_unused(tunnels, &groups.collect::<Vec<_>>());
    }

    /// The guards of the additional policies.
    pub(crate) fn route_guards(&self) -> Vec<Guard> {
        let policies = self
            .services
            .iter()
            .filter_map(|service| service.policy.as_ref());
        policies.map(|policy| policy.guard.clone()).collect()
    }

    /// Reads the additional policies again; returns how many there are.
    pub(crate) fn reload_policies(&self, shrink: ShrinkGuard) -> usize {
        let policies = self
            .services
            .iter()
            .filter_map(|service| service.policy.as_ref());
        let reload = |policy: &Arc<RoutePolicy>| match shrink {
            ShrinkGuard::Accept => policy.watch.reload_now_accepting_shrink(),
            _ => policy.watch.reload_now(),
        };
        policies.map(reload).count()
    }

    fn proxy_to(&self, upstream: usize, tunnels: &Tunnels) -> Proxy {
        let group = self.upstreams[upstream].group.clone();
        Proxy::new(group, &self.options, tunnels.clone())
    }
}

fn with_timeouts(options: ProxyOptions, args: &RunArgs) -> ProxyOptions {
    options
        .with_connect_timeout(args.connect_timeout)
        .with_head_timeout(args.timeout)
        .with_pool_idle(args.pool_idle)
        .with_receive_timeout(args.receive_timeout)
}

// === impl LiveSite ===

impl LiveSite {
    pub(crate) fn new(site: Site) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(site))))
    }

    /// Returns the site in effect.
    pub(crate) fn current(&self) -> Arc<Site> {
        let site = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&site)
    }

    /// Replaces the site for workers that create their service from now on.
    pub(crate) fn replace(&self, site: Site) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = mem::replace(&mut *current, Arc::new(site));
        drop(current);
        // Ends threads that watch policies, and waits for them.
        drop(old);
    }
}

// === impl RoutePolicy ===

impl RoutePolicy {
    fn new(route: &RouteKey, file: &Path, guard: &Guard) -> Result<Self, Box<dyn Error>> {
        let builder = Guard::builder().with_sink(guard.sink());
        let builder = builder.with_timer(TokioTimer::new());
        let guard = builder.with_policy_file(file)?;
        // The client is that of the policy in front.
        let layer = guard.layer().with_shared_resolution(false);
        Ok(Self {
            route: route.clone(),
            file: file.to_owned(),
            layer: layer.insert_client_extension().with_reply(DeniedPage),
            watch: guard.watch()?,
            guard,
        })
    }
}
