//! The keys that differ between two versions of a configuration file: those that take effect when the file is saved, and
//! those that need a restart.

use std::fmt;

use super::document::{
    AcmeSection, ConfigDocument, LimitsSection, ListenSection, TimeoutsSection, TlsSection,
};

/// The keys that differ, by when they take effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// When the file is saved, with no connection lost.
    pub(crate) live: Vec<&'static str>,
    /// With a restart of the guard.
    pub(crate) restart: Vec<&'static str>,
}

/// The names of keys, for a sentence.
struct Keys<'k>(&'k [&'static str]);

// === impl Changes ===

impl Changes {
    /// Compares `new` with the versions that are in effect: `current` for what a reload replaces, and `started` for the
    /// rest.
    pub(super) fn new(
        new: &ConfigDocument,
        current: &ConfigDocument,
        started: &ConfigDocument,
    ) -> Self {
        let mut changes = Self::default();
        changes.compare_top(new, started);
        changes.compare_listen(&new.listen, &started.listen);
        changes.compare_tls(new, current, started);
        changes.needs_restart([
            ("admin", new.admin != started.admin),
            ("log", new.log != started.log),
        ]);
        changes.compare_acme(new.acme.as_ref(), started.acme.as_ref());
        // The demo has a policy of its own.
        let becomes_or_ends_demo = new.upstream.is_empty() != started.upstream.is_empty();
        for (key, differs) in [
            ("upstream", new.upstream != current.upstream),
            ("route", new.route != current.route),
        ] {
            if becomes_or_ends_demo {
                changes.restart.extend(differs.then_some(key));
            } else {
                changes.live.extend(differs.then_some(key));
            }
        }
        changes.compare_limits(&new.limits, &started.limits);
        changes.compare_timeouts(&new.timeouts, &current.timeouts, &started.timeouts);
        changes
    }

    /// Returns `true` if the upstreams and the routes are other ones, which need a restart.
    pub(crate) fn needs_restart_for_upstreams(&self) -> bool {
        self.restart.contains(&"upstream")
    }

    /// Names what needs a restart; `None` if nothing does.
    pub(crate) fn restart_advice(&self) -> Option<String> {
        let keys = Keys(&self.restart);
        (!self.restart.is_empty()).then(|| format!("restart guard (or --handover) for {keys}"))
    }

    /// Names the keys that take effect when the file is saved.
    pub(crate) fn live_keys(&self) -> impl fmt::Display {
        Keys(&self.live)
    }

    fn compare_top(&mut self, new: &ConfigDocument, started: &ConfigDocument) {
        self.needs_restart([
            ("policy", new.policy != started.policy),
            ("state", new.state != started.state),
            (
                "redis_url_file",
                new.redis_url_file != started.redis_url_file,
            ),
            ("redis_ca", new.redis_ca != started.redis_ca),
            ("redis_prefix", new.redis_prefix != started.redis_prefix),
            ("workers", new.workers != started.workers),
            ("handover", new.handover != started.handover),
            ("ready_path", new.ready_path != started.ready_path),
            ("eb_health_log", new.eb_health_log != started.eb_health_log),
            (
                "log_query_values",
                new.log_query_values != started.log_query_values,
            ),
            ("dns_server", new.dns_server != started.dns_server),
        ]);
    }

    fn compare_listen(&mut self, new: &ListenSection, started: &ListenSection) {
        self.needs_restart([
            ("listen.address", new.address != started.address),
            ("listen.http2", new.http2 != started.http2),
            (
                "listen.proxy_protocol",
                new.proxy_protocol != started.proxy_protocol,
            ),
            ("listen.share_port", new.share_port != started.share_port),
            (
                "listen.keep_header_case",
                new.keep_header_case != started.keep_header_case,
            ),
        ]);
    }

    /// The list of certificates is live while the listener stays, and while one certificate is left to serve.
    fn compare_tls(
        &mut self,
        new: &ConfigDocument,
        current: &ConfigDocument,
        started: &ConfigDocument,
    ) {
        let (Some(tls), Some(of_start)) = (&new.tls, &started.tls) else {
            return self.needs_restart([("tls", new.tls.is_some() != started.tls.is_some())]);
        };
        self.needs_restart([
            ("tls.address", tls.address != of_start.address),
            ("tls.redirect", tls.redirect != of_start.redirect),
            ("tls.hsts", tls.hsts != of_start.hsts),
        ]);
        let certificates = |document: &ConfigDocument| {
            let tls: Option<&TlsSection> = document.tls.as_ref();
            tls.map(|tls| tls.certificates.clone())
        };
        let differs = certificates(new) != certificates(current);
        if tls.certificates.is_empty() && started.acme.is_none() {
            self.needs_restart([("tls.certificates", differs)]);
        } else {
            self.live.extend(differs.then_some("tls.certificates"));
        }
    }

    fn compare_acme(&mut self, new: Option<&AcmeSection>, started: Option<&AcmeSection>) {
        let (Some(new), Some(started)) = (new, started) else {
            return self.needs_restart([("acme", new.is_some() != started.is_some())]);
        };
        self.needs_restart([
            ("acme.domains", new.domains != started.domains),
            ("acme.agree_tos", new.agree_tos != started.agree_tos),
            ("acme.email", new.email != started.email),
            ("acme.staging", new.staging != started.staging),
            ("acme.directory", new.directory != started.directory),
            ("acme.ca", new.ca != started.ca),
        ]);
    }

    fn compare_limits(&mut self, new: &LimitsSection, started: &LimitsSection) {
        self.needs_restart([
            ("limits.connections", new.connections != started.connections),
            (
                "limits.connections_per_client",
                new.connections_per_client != started.connections_per_client,
            ),
            ("limits.requests", new.requests != started.requests),
            (
                "limits.requests_per_client",
                new.requests_per_client != started.requests_per_client,
            ),
        ]);
    }

    fn compare_timeouts(
        &mut self,
        new: &TimeoutsSection,
        current: &TimeoutsSection,
        started: &TimeoutsSection,
    ) {
        for (key, differs) in [
            ("timeouts.connect", new.connect != current.connect),
            ("timeouts.first_byte", new.first_byte != current.first_byte),
            ("timeouts.receive", new.receive != current.receive),
            ("timeouts.pool_idle", new.pool_idle != current.pool_idle),
            (
                "timeouts.drain_delay",
                new.drain_delay != current.drain_delay,
            ),
            ("timeouts.grace", new.grace != current.grace),
        ] {
            self.live.extend(differs.then_some(key));
        }
        self.needs_restart([("timeouts.send", new.send != started.send)]);
    }

    fn needs_restart<const N: usize>(&mut self, keys: [(&'static str, bool); N]) {
        let changed = keys.into_iter().filter(|(_, differs)| *differs);
        self.restart.extend(changed.map(|(key, _)| key));
    }
}

// === impl ConfigDocument ===

impl ConfigDocument {
    /// Takes the keys of `new` that are in effect by now.
    pub(crate) fn take_live(&mut self, new: Option<&Self>, changes: &Changes) {
        let Some(new) = new else { return };
        if !changes.needs_restart_for_upstreams() {
            self.upstream.clone_from(&new.upstream);
            self.route.clone_from(&new.route);
        }
        if changes.live.contains(&"tls.certificates")
            && let Some((tls, new)) = self.tls.as_mut().zip(new.tls.as_ref())
        {
            tls.certificates.clone_from(&new.certificates);
        }
        self.timeouts = TimeoutsSection {
            send: self.timeouts.send,
            ..new.timeouts.clone()
        };
    }
}

// === impl Keys ===

impl fmt::Display for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use gabion::policy::{DocumentErrors, Period};

    use super::*;

    fn document(text: &str) -> ConfigDocument {
        let (document, errors) = DocumentErrors::read::<ConfigDocument>(text, "guard.toml");
        errors.into_result(()).unwrap();
        document
    }

    fn changes(old: &str, new: &str) -> Changes {
        let (old, new) = (document(old), document(new));
        Changes::new(&new, &old, &old)
    }

    /// Exhaustive patterns, so that no new key is forgotten in the comparison.
    #[test]
    fn each_key_is_compared() {
        const EMPTY: &str = "version = 1\n";
        let ConfigDocument {
            version: _,
            policy: _,
            state: _,
            redis_url_file: _,
            redis_ca: _,
            redis_prefix: _,
            workers: _,
            handover: _,
            ready_path: _,
            eb_health_log: _,
            log_query_values: _,
            dns_server: _,
            listen:
                ListenSection {
                    address: _,
                    http2: _,
                    proxy_protocol: _,
                    share_port: _,
                    keep_header_case: _,
                },
            tls: _,
            acme: _,
            admin: _,
            upstream: _,
            route: _,
            limits:
                LimitsSection {
                    connections: _,
                    connections_per_client: _,
                    requests: _,
                    requests_per_client: _,
                },
            timeouts:
                TimeoutsSection {
                    connect: _,
                    first_byte: _,
                    receive: _,
                    send: _,
                    pool_idle: _,
                    drain_delay: _,
                    grace: _,
                },
            log: _,
        } = document(EMPTY);
        for (key, value) in [
            ("policy", "'p'"),
            ("state", "'s'"),
            ("redis_url_file", "'r'"),
            ("redis_ca", "'c'"),
            ("redis_prefix", "'g'"),
            ("workers", "3"),
            ("handover", "'h'"),
            ("ready_path", "'/r'"),
            ("eb_health_log", "'e'"),
            ("log_query_values", "true"),
            ("dns_server", "'127.0.0.1:53'"),
            ("listen.address", "'127.0.0.1:1'"),
            ("listen.http2", "true"),
            ("listen.proxy_protocol", "true"),
            ("listen.share_port", "true"),
            ("listen.keep_header_case", "true"),
            ("limits.connections", "9"),
            ("limits.connections_per_client", "9"),
            ("limits.requests", "9"),
            ("limits.requests_per_client", "9"),
            ("timeouts.send", "'9s'"),
        ] {
            let changes = changes(EMPTY, &format!("{EMPTY}{key} = {value}\n"));
            assert_eq!((changes.live, changes.restart), (vec![], vec![key]));
        }
        for key in [
            "connect",
            "first_byte",
            "receive",
            "pool_idle",
            "drain_delay",
            "grace",
        ] {
            let key = format!("timeouts.{key}");
            let changes = changes(EMPTY, &format!("{EMPTY}{key} = '9s'\n"));
            assert_eq!((changes.live, changes.restart), (vec![&*key], vec![]));
        }
    }

    #[test]
    fn sections_of_tls_and_upstreams_are_live_where_they_can_be() {
        let tls = "version = 1\ntls.address = '127.0.0.1:1'\n";
        let one = "[[tls.certificates]]\nchain = 'a'\nkey = 'a'\n";
        let other = "[[tls.certificates]]\nchain = 'b'\nkey = 'b'\n";
        let app = "[[upstream]]\nname = 'app'\nservers = [{ url = 'http://127.0.0.1:1' }]\n";
        let route = "[[route]]\npath = '/a'\nupstream = 'app'\n";
        for (old, new, live, restart) in [
            (
                one,
                [one, other].concat(),
                &["tls.certificates"][..],
                &[][..],
            ),
            (one, String::new(), &[], &["tls.certificates"]),
            ("", app.to_owned(), &[], &["upstream"]),
            ("", [app, route].concat(), &[], &["upstream", "route"]),
            (app, [app, route].concat(), &["route"], &[]),
            (
                "",
                "[admin]\naddress = '127.0.0.1:9443'\n".to_owned(),
                &[],
                &["admin"],
            ),
            ("", "[log]\naccess = 'stdout'\n".to_owned(), &[], &["log"]),
            (
                one,
                format!("{one}[acme]\ndomains = ['a.example']\n"),
                &[],
                &["acme"],
            ),
        ] {
            let found = changes(&[tls, old].concat(), &[tls, &new].concat());
            assert_eq!((&*found.live, &*found.restart), (live, restart), "{new}");
        }
        let without_tls = changes(&[tls, one].concat(), "version = 1\n");
        assert_eq!(without_tls.restart, ["tls"]);
        assert_eq!(
            without_tls.restart_advice().unwrap(),
            "restart guard (or --handover) for tls"
        );
    }

    #[test]
    fn change_back_to_the_version_of_the_start_needs_no_restart() {
        let started = document("version = 1\nworkers = 1\ntimeouts.grace = '1s'\n");
        let current = document("version = 1\nworkers = 2\ntimeouts.grace = '2s'\n");
        let changes = Changes::new(&started, &current, &started);
        assert_eq!(changes.live, ["timeouts.grace"]);
        assert_eq!(changes.restart_advice(), None);
        assert_eq!(
            started.timeouts.grace,
            Some(Period(std::time::Duration::from_secs(1)))
        );
    }
}
