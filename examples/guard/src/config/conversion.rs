//! From a configuration document to settings.

use std::{
    num::{NonZeroU16, NonZeroU64},
    path::{Path, PathBuf},
};

use clap::Parser as _;
use gabion::policy::{ConfigPath, DocumentErrors, Period, PolicyError};
use gabion_proxy::{
    HealthCheck, Route, RouteError, Router, StartWait, UpstreamGroup, UpstreamOptions,
};

use super::{
    NamedGroup, RouteKey, ServiceSettings, Settings,
    document::{ConfigDocument, LogSection, UpstreamSection},
};
use crate::{
    cli::{Cli, RunArgs},
    logs::{self, LogArgs},
    own_addresses::own_addresses,
    upstream_args,
};

/// The key of a route that an error is about.
const fn key_of(error: &RouteError) -> &'static str {
    match error {
        RouteError::Host(_) => "host",
        RouteError::Path(_) => "path",
        _ => "",
    }
}

/// Turns a document into settings, and collects what is wrong with it.
pub(super) struct Conversion<'t> {
    /// The folder of the file.
    pub(super) base: &'t Path,
    pub(super) errors: DocumentErrors<'t>,
}

// === impl Conversion ===

impl Conversion<'_> {
    pub(super) fn settings(mut self, document: &ConfigDocument) -> Result<Settings, PolicyError> {
        let args = self.args(document);
        let mut upstreams = Vec::new();
        for (index, section) in document.upstream.iter().enumerate() {
            let is_named = |other: &UpstreamSection| other.name == section.name;
            if document.upstream.iter().take(index).any(is_named) {
                let path = ConfigPath::new("upstream", "name").rule(index);
                self.add(
                    path,
                    format!("another upstream has the name `{}`", section.name),
                );
            }
            let group = self.upstream(index, section);
            let name = section.name.clone();
            upstreams.extend(group.map(|group| NamedGroup { name, group }));
        }
        let (services, router) = self.routes(document);
        let Self { errors, .. } = self;
        errors.into_result(Settings {
            args,
            upstreams,
            services,
            router,
            document: Some(document.clone()),
        })
    }

    /// The options of the command line that mean the same.
    fn args(&mut self, document: &ConfigDocument) -> RunArgs {
        let mut args = Cli::parse_from(["guard"]).run;
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| self.base.join(path));
        args.policy = path(&document.policy);
        args.handover = path(&document.handover);
        args.eb_health_log = path(&document.eb_health_log);
        args.https.state = path(&document.state);
        args.redis.redis_url_file = path(&document.redis_url_file);
        args.redis.redis_ca = path(&document.redis_ca);
        if let Some(prefix) = &document.redis_prefix {
            args.redis.redis_prefix.clone_from(prefix);
        }
        args.ready_path.clone_from(&document.ready_path);
        args.workers = document.workers;
        args.log_query_values = document.log_query_values;
        args.dns_server = document.dns_server;
        let (listen, limits) = (&document.listen, &document.limits);
        args.listen = listen.address.unwrap_or(args.listen);
        args.h2 = listen.http2;
        args.share_port = listen.share_port;
        args.keep_header_case = listen.keep_header_case;
        args.https.proxy_protocol = listen.proxy_protocol;
        args.max_connections = limits.connections;
        args.max_connections_per_client = limits.connections_per_client;
        args.max_requests = limits.requests;
        args.max_requests_per_client = limits.requests_per_client;
        if let Some(tls) = &document.tls {
            let join = |path: &PathBuf| self.base.join(path);
            let files = &tls.certificates;
            args.https.listen_tls = Some(tls.address);
            args.https.tls_certs = files.iter().map(|files| join(&files.chain)).collect();
            args.https.tls_keys = files.iter().map(|files| join(&files.key)).collect();
            args.https.redirect_https = tls.redirect;
            args.https.hsts = tls.hsts.map(|period| period.0);
        }
        if let Some(admin) = &document.admin {
            let certificate = admin.certificate.as_ref();
            let join = |path: &PathBuf| self.base.join(path);
            args.admin.admin = Some(admin.address);
            args.admin.admin_token_file = path(&admin.token_file);
            args.admin.admin_cert = certificate.map(|files| join(&files.chain));
            args.admin.admin_key = certificate.map(|files| join(&files.key));
            args.admin.admin_hosts.clone_from(&admin.hosts);
        }
        if let Some(acme) = &document.acme {
            args.https.acme_domains.clone_from(&acme.domains);
            args.https.acme_agree_tos = acme.agree_tos;
            args.https.acme_email.clone_from(&acme.email);
            args.https.acme_staging = acme.staging;
            args.https.acme_directory.clone_from(&acme.directory);
            args.https.acme_ca = path(&acme.ca);
        }
        if let Some(log) = &document.log {
            self.log(log, &mut args.log);
        }
        let timeouts = &document.timeouts;
        for (option, period) in [
            (&mut args.connect_timeout, timeouts.connect),
            (&mut args.timeout, timeouts.first_byte),
            (&mut args.receive_timeout, timeouts.receive),
            (&mut args.send_timeout, timeouts.send),
            (&mut args.pool_idle, timeouts.pool_idle),
            (&mut args.drain_delay, timeouts.drain_delay),
            (&mut args.grace, timeouts.grace),
        ] {
            if let Some(Period(period)) = period {
                *option = period;
            }
        }
        args
    }

    fn log(&self, log: &LogSection, args: &mut LogArgs) {
        let target = |path: &PathBuf| {
            let is_stdout = path == Path::new(logs::STDOUT);
            if is_stdout {
                path.clone()
            } else {
                self.base.join(path)
            }
        };
        args.events_file = log.events.as_ref().map(target);
        args.access_log = log.access.as_ref().map(target);
        args.access_format = log.access_format;
        args.pseudonyms = log.pseudonyms.as_ref().map(|path| self.base.join(path));
        let rotation = &mut args.rotation;
        if let Some(size) = log.rotate_size {
            // A size is at least one byte.
            rotation.size = NonZeroU64::new(size.0).unwrap_or(rotation.size);
        }
        rotation.every = log.rotate_every.map(|period| period.0);
        rotation.keep = log.keep.unwrap_or(rotation.keep);
        rotation.compress = log.compress.unwrap_or(rotation.compress);
    }

    fn upstream(&mut self, index: usize, section: &UpstreamSection) -> Option<UpstreamGroup> {
        let at = |key| ConfigPath::new("upstream", key).rule(index);
        let servers = section.servers.iter().map(|server| {
            let url = server.url.clone();
            url.with_weight(server.weight.unwrap_or(NonZeroU16::MIN))
        });
        let mut options = UpstreamOptions::default()
            .with_own_addresses(own_addresses())
            .with_balance(section.balance.into())
            .with_max_requests(section.max_requests);
        if let Some(Period(period)) = section.slow_start {
            options = options.with_slow_start(period);
        }
        if let Some(Period(period)) = section.start_wait {
            options = options.with_start_wait(StartWait::default().with_time(period));
        }
        if let Some(Period(period)) = section.resolve_every {
            options = options.with_resolve_interval(period);
        }
        if let Some(path) = &section.health_check {
            match HealthCheck::new(path) {
                Ok(check) => options = options.with_health_check(check),
                Err(error) => self.add(at("health_check"), error.to_string()),
            }
        }
        if let Some(path) = &section.ca {
            let path = self.base.join(path);
            match upstream_args::read_ca(&path) {
                Ok(tls) => options = options.with_tls(tls),
                Err(error) => self.add(at("ca"), error),
            }
        }
        let group = UpstreamGroup::new(servers, &options);
        group
            .map_err(|error| self.add(at("servers"), error.to_string()))
            .ok()
    }

    fn routes(&mut self, document: &ConfigDocument) -> (Vec<ServiceSettings>, Router<usize>) {
        let mut services = vec![ServiceSettings::default()];
        let mut router = Router::new(0);
        for (index, section) in document.route.iter().enumerate() {
            let at = |key| ConfigPath::new("route", key).rule(index);
            let route = match (&section.host, &section.path) {
                (None, None) => {
                    self.add(at(""), "a route needs `host`, `path`, or both");
                    continue;
                }
                (None, Some(path)) => Route::below(path),
                (Some(host), None) => Route::of_host(host),
                (Some(host), Some(path)) => Route::of_host(host).and_below(path),
            };
            match router.clone().with_route(&route, services.len()) {
                Ok(with_route) => router = with_route,
                Err(error) => self.add(at(key_of(&error)), error.to_string()),
            }
            let mut upstreams = document.upstream.iter();
            let Some(upstream) = upstreams.position(|known| known.name == section.upstream) else {
                let names = document.upstream.iter().map(|known| &*known.name);
                let known = names.collect::<Vec<_>>().join(", ");
                let message = format!("unknown upstream `{}`", section.upstream);
                let help = format!("known upstreams: {known}");
                self.errors.add(at("upstream"), message, Some(help));
                continue;
            };
            services.push(ServiceSettings {
                upstream,
                route: RouteKey {
                    host: section.host.clone(),
                    path: section.path.clone(),
                },
                policy: section.policy.as_ref().map(|path| self.base.join(path)),
            });
        }
        (services, router)
    }

    fn add(&mut self, path: ConfigPath, message: impl Into<String>) {
        self.errors.add(path, message, None);
    }
}
