//! Options of the servers behind the guard.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use gabion_proxy::{Balance, HealthCheck, Upstream, UpstreamGroup, UpstreamOptions, UpstreamTls};
use serde::Deserialize;

use crate::own_addresses::own_addresses;

/// Options of the servers behind the guard.
#[derive(Debug, Args)]
pub(crate) struct UpstreamArgs {
    #[arg(
        long = "upstream",
        value_name = "URL",
        help = "Server to protect: http://HOST:PORT, https://HOST:PORT, unix:/PATH, or for gRPC h2c://HOST:PORT or \
                h2://HOST:PORT; can be repeated for equivalent servers. Without this option, a built-in demo"
    )]
    upstreams: Vec<Upstream>,
    /// How one of several servers is chosen for a request
    #[arg(long, value_enum, value_name = "WAY", default_value = "least-request")]
    balance: BalanceArg,
    #[arg(
        long,
        value_name = "PATH",
        help = "Request this path of each server every 5 seconds; one that fails 3 times gets no requests until it \
                succeeds twice"
    )]
    health_check: Option<String>,
    /// File with the certificates (PEM) that the servers' certificates are verified with; without this
    /// option, those of the system
    #[arg(long, value_name = "FILE")]
    upstream_ca: Option<PathBuf>,
}

/// The values of `--balance`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BalanceArg {
    /// The one of two with fewer requests in progress
    #[default]
    LeastRequest,
    /// One after the other
    RoundRobin,
    /// The same one for all requests of a client
    Sticky,
}

// === impl UpstreamArgs ===

impl UpstreamArgs {
    /// Returns the group of servers; `None` if no server is given.
    pub(crate) fn group(&self) -> Result<Option<UpstreamGroup>, Box<dyn Error>> {
        if self.upstreams.is_empty() {
            return Ok(None);
        }
        let group = UpstreamGroup::new(self.upstreams.clone(), &self.options()?)?;
        Ok(Some(group))
    }

    fn options(&self) -> Result<UpstreamOptions, Box<dyn Error>> {
        let mut options = UpstreamOptions::default()
            .with_own_addresses(own_addresses())
            .with_balance(self.balance.into());
        if let Some(path) = &self.health_check {
            let check = HealthCheck::new(path);
            let check = check.map_err(|error| format!("--health-check: {error}"))?;
            options = options.with_health_check(check);
        }
        if let Some(path) = &self.upstream_ca {
            options = options.with_tls(read_ca(path)?);
        }
        Ok(options)
    }
}

/// Reads the certificates that those of servers are verified with.
pub(crate) fn read_ca(path: &Path) -> Result<UpstreamTls, String> {
    let shown = path.display();
    #[expect(clippy::disallowed_methods, reason = "once, at the start")]
    let pem = fs::read(path).map_err(|error| format!("cannot read `{shown}`: {error}"))?;
    UpstreamTls::with_ca(&pem).map_err(|error| format!("`{shown}`: {error}"))
}

// === impl BalanceArg ===

impl From<BalanceArg> for Balance {
    fn from(arg: BalanceArg) -> Self {
        match arg {
            BalanceArg::LeastRequest => Self::LeastRequest,
            BalanceArg::RoundRobin => Self::RoundRobin,
            BalanceArg::Sticky => Self::Sticky,
        }
    }
}
