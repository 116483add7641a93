//! The reload of the configuration file while the guard runs.
//!
//! A new version takes effect if all of it is valid, with the certificates and the policies that it names; otherwise
//! the previous one stays as a whole. Keys that need a restart keep their values until then, and are named.

use std::{error::Error, io, path::PathBuf, sync::Arc};

use gabion::{
    Guard,
    policy::{Watch, WatchOptions, WatchTrigger},
};
use gabion_proxy::{Certificates, Renewal};
use tokio::{runtime::Handle, task::JoinSet};
use tracing::{error, info, warn};

use crate::{
    config::{Changes, ConfigDocument, Settings, read_text},
    https::HttpsOptions,
    site::{LiveSite, Services, Site},
};

/// Reads the configuration file again, and applies what changed.
pub(crate) struct Reloader {
    path: PathBuf,
    /// The document of the start, which keys that need a restart come from.
    started: ConfigDocument,
    /// The document of which the other keys are in effect.
    current: ConfigDocument,
    /// The text that was read last, valid or not; `None` if the file could not be read.
    seen: Option<String>,
    /// The reason why that text is not in effect.
    refusal: Option<String>,
    guard: Guard,
    site: LiveSite,
    certificates: Option<Arc<Certificates>>,
    renewal: Renewal,
    health_checks: HealthChecks,
}

/// The health checks of a site's servers, until it is dropped.
pub(crate) struct HealthChecks {
    runtime: Handle,
    tasks: JoinSet<()>,
}

/// What a running guard gives to a [`Reloader`].
pub(crate) struct Running {
    pub(crate) guard: Guard,
    pub(crate) site: LiveSite,
    pub(crate) certificates: Option<Arc<Certificates>>,
    pub(crate) renewal: Renewal,
    pub(crate) health_checks: HealthChecks,
}

// === impl Reloader ===

impl Reloader {
    /// Watches the configuration file of `settings`.
    pub(crate) fn watch(
        path: PathBuf,
        document: ConfigDocument,
        running: Running,
    ) -> io::Result<Watch> {
        let mut reloader = Self {
            // The version of the start is compared as a document.
            seen: None,
            refusal: None,
            path: path.clone(),
            started: document.clone(),
            current: document,
            guard: running.guard,
            site: running.site,
            certificates: running.certificates,
            renewal: running.renewal,
            health_checks: running.health_checks,
        };
        Watch::of_file(path, WatchOptions::default(), move |trigger| {
            reloader.check(trigger);
        })
    }

    /// Reads the file, and reloads it if its text is another one than before, or if that is requested. A version that was
    /// refused is tried again: one of its files may have been missing.
    fn check(&mut self, trigger: WatchTrigger) {
        let read = read_text(&self.path);
        let is_new = read.as_ref().ok() != self.seen.as_ref();
        if !is_new && trigger == WatchTrigger::MayHaveChanged && self.refusal.is_none() {
            return;
        }
        self.seen = read.as_ref().ok().cloned();
        let settings = read.map_err(Into::into);
        let settings = settings.and_then(|text| Settings::parse(&self.path, &text));
        let applied = settings.and_then(|settings| self.apply(&settings, trigger));
        let refusal = applied.err().map(|error| error.to_string());
        if let Some(error) = &refusal
            && (refusal != self.refusal || is_new || trigger == WatchTrigger::Requested)
        {
            let name = self.path.display();
            error!("{name} is not valid, and the previous version stays in effect:\n{error}");
        }
        self.refusal = refusal;
    }

    /// Applies the keys that can be, or none if one of their files is not valid.
    fn apply(&mut self, settings: &Settings, trigger: WatchTrigger) -> Result<(), Box<dyn Error>> {
        let name = self.path.display().to_string();
        let changes = settings.changes(&self.current, &self.started);
        let tls = HttpsOptions::from_args(&settings.args.https)?.tls;
        if changes.live.is_empty() && changes.restart.is_empty() {
            if trigger == WatchTrigger::Requested {
                info!("{name} has not changed");
            }
            return Ok(());
        }
        if !changes.live.is_empty() {
            let certificates = changes.live.contains(&"tls.certificates");
            let certificates = self.certificates.as_ref().filter(|_| certificates);
            let files = tls.into_iter().flat_map(|tls| tls.certificates);
            let prepared = certificates.map(|served| served.prepare(files));
            let prepared = certificates.zip(prepared.transpose()?);
            let services = self.services(settings, &changes)?;
            // Nothing below fails.
            if let Some((served, prepared)) = prepared {
                served.install(prepared);
            }
            self.replace_site(settings, services);
            self.current.take_live(settings.document.as_ref(), &changes);
            info!("{name}: {} in effect", changes.live_keys());
        }
        if let Some(advice) = changes.restart_advice() {
            warn!("{name}: {advice}");
        }
        Ok(())
    }

    /// Compiles the services; `None` if their change needs a restart.
    fn services(
        &self,
        settings: &Settings,
        changes: &Changes,
    ) -> Result<Option<Services>, Box<dyn Error>> {
        if changes.needs_restart_for_upstreams() || settings.is_demo() {
            return Ok(None);
        }
        let mut upstreams = settings.upstreams.iter();
        upstreams.try_for_each(|named| named.group.check_own_addresses())?;
        Site::services(settings, &self.guard, Some(&self.site.current())).map(Some)
    }

    fn replace_site(&mut self, settings: &Settings, services: Option<Services>) {
        let site = self.site.current();
        let site = site.successor(settings, &self.guard, services);
        self.health_checks.replace(&site);
        self.site.replace(site);
        if let Err(error) = self.renewal.renew() {
            error!("{}: {error}", self.path.display());
        }
    }
}

// === impl HealthChecks ===

impl HealthChecks {
    /// Starts the checks of the servers of `site` on a runtime.
    pub(crate) fn start(runtime: Handle, site: &Site) -> Self {
        let mut this = Self {
            runtime,
            tasks: JoinSet::new(),
        };
        this.replace(site);
        this
    }

    fn replace(&mut self, site: &Site) {
        // Ends those of the previous site.
        self.tasks = JoinSet::new();
        for named in &site.upstreams {
            let checks = named.group.run_health_checks();
            self.tasks.spawn_on(checks, &self.runtime);
        }
    }
}
