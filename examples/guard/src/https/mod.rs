//! HTTPS: the listener with TLS, its certificates, and the redirect of plain requests.

mod args;
mod options;

use std::{error::Error, io, net::SocketAddr, sync::Arc, time::Duration};

use gabion::Guard;
use gabion_proxy::{
    Acme, Certificates, ChallengeLayer, HttpChallenges, HttpsLayer, ProxyProtocol, ServeOptions,
    Tls,
};
use tracing::info;

pub(crate) use args::HttpsArgs;
pub(crate) use options::HttpsOptions;
use options::{HttpsError, TlsOptions};

/// The time between two looks at the certificate files.
const WATCH_INTERVAL: Duration = Duration::from_secs(10);

/// The certificates in use, and the thread that renews those of an ACME server. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Https {
    options: HttpsOptions,
    certificates: Option<Arc<Certificates>>,
    acme: Option<Acme>,
}

// === impl Https ===

impl Https {
    /// Loads the certificates, and starts to watch and to renew them.
    pub(crate) fn start(options: HttpsOptions, guard: &Guard) -> Result<Self, Box<dyn Error>> {
        let mut this = Self {
            options,
            certificates: None,
            acme: None,
        };
        let Some(TlsOptions {
            certificates: files,
            acme,
            ..
        }) = &this.options.tls
        else {
            return Ok(this);
        };
        if acme.is_some() && this.options.proxy_protocol == ProxyProtocol::Off {
            refuse_acme_behind_proxies(guard)?;
        }
        let certificates = Arc::new(Certificates::load(files.iter().cloned())?);
        // Files may be added later.
        certificates.watch(WATCH_INTERVAL)?;
        if let Some(acme) = acme {
            this.acme = Some(Acme::start(acme, &certificates)?);
        }
        this.certificates = Some(certificates);
        Ok(this)
    }

    pub(crate) const fn options(&self) -> &HttpsOptions {
        &self.options
    }

    /// The certificates in use; `None` without a listener with TLS.
    pub(crate) const fn served(&self) -> Option<&Arc<Certificates>> {
        self.certificates.as_ref()
    }

    /// The address and the options of the listener with TLS; `None` if there is none.
    pub(crate) fn listener(
        &self,
        options: &ServeOptions,
    ) -> io::Result<Option<(SocketAddr, ServeOptions)>> {
        let Some((tls, certificates)) = self.options.tls.as_ref().zip(self.certificates.as_ref())
        else {
            return Ok(None);
        };
        let served = Tls::new(Arc::clone(certificates))?;
        Ok(Some((tls.listen, options.clone().with_tls(served))))
    }

    /// The layers outside and inside the guard's own; `None` if they would pass every request unchanged.
    pub(crate) fn layers(&self, guard: &Guard) -> Option<(ChallengeLayer, HttpsLayer)> {
        let options = &self.options;
        if self.acme.is_none() && options.redirect.is_none() && options.hsts.is_none() {
            return None;
        }
        let guard = guard.clone();
        let mut https = HttpsLayer::default().with_exempt_paths(move |path| {
            let paths = &guard.document().server.health_paths;
            paths.iter().any(|health| health == path)
        });
        if let Some(port) = options.redirect {
            https = https.with_redirect(port);
        }
        if let Some(max_age) = options.hsts {
            https = https.with_hsts(max_age);
        }
        let challenges = self
            .acme
            .as_ref()
            .map_or_else(HttpChallenges::default, Acme::challenges);
        Some((ChallengeLayer::new(challenges), https))
    }

    /// Names the certificates, for the start text.
    pub(crate) fn certificates(&self) -> String {
        let tls = self.options.tls.as_ref();
        let files = tls.iter().flat_map(|tls| &tls.certificates);
        let files = files.map(|files| files.chain().display().to_string());
        let names = tls.iter().filter_map(|tls| tls.acme.as_ref());
        let names = names.flat_map(|acme| {
            let from = |name: &String| format!("{name} by ACME from {}", acme.directory());
            acme.names().iter().map(from)
        });
        let certificates: Vec<_> = files.chain(names).collect();
        format!("with the certificates of {}", certificates.join(", "))
    }

    /// Reads the certificate files again.
    pub(crate) fn reload(&self) {
        let has_files = |served: &&Arc<Certificates>| !served.files().is_empty();
        if let Some(certificates) = self.certificates.as_ref().filter(has_files) {
            let reloaded = certificates.reload();
            reloaded.log();
            if reloaded.changed.is_empty() && reloaded.errors.is_empty() {
                info!("the certificate files have not changed");
            }
        }
    }
}

/// Behind a proxy that ends TLS, no challenge reaches this server, and a certificate of its own would serve no client.
fn refuse_acme_behind_proxies(guard: &Guard) -> Result<(), HttpsError> {
    let document = guard.document();
    let trusted = document
        .client
        .trusted_proxies
        .iter()
        .map(ToString::to_string);
    let is_elsewhere =
        |network: &String| !network.starts_with("127.") && network != "::1" && network != "::1/128";
    let elsewhere: Vec<_> = trusted.filter(is_elsewhere).collect();
    if elsewhere.is_empty() {
        return Ok(());
    }
    let proxies = elsewhere.join(", ");
    Err(HttpsError::AcmeBehindProxy { proxies })
}
