//! Options of the servers behind the guard.

use std::{error::Error, fs, path::PathBuf};

use clap::{Args, ValueEnum};
use gabion_proxy::{Balance, HealthCheck, Upstream, UpstreamGroup, UpstreamOptions, UpstreamTls};

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
#[derive(Clone, Copy, Debug, ValueEnum)]
enum BalanceArg {
    /// The one of two with fewer requests in progress
    LeastRequest,
    /// One after the other
    RoundRobin,
    /// The same one for all requests of a client
    Sticky,
}

// === impl UpstreamArgs ===

impl UpstreamArgs {
    /// Returns `true` if no server is given.
    pub(crate) const fn is_demo(&self) -> bool {
        self.upstreams.is_empty()
    }

    /// Returns the group of servers: those of the options, or else `demo`.
    pub(crate) fn group(
        &self,
        demo: impl FnOnce() -> Result<Upstream, Box<dyn Error>>,
    ) -> Result<UpstreamGroup, Box<dyn Error>> {
        let upstreams = if self.is_demo() {
            vec![demo()?]
        } else {
            self.upstreams.clone()
        };
        Ok(UpstreamGroup::new(upstreams, &self.options()?)?)
    }

    fn options(&self) -> Result<UpstreamOptions, Box<dyn Error>> {
        let mut options = UpstreamOptions::default().with_balance(self.balance.into());
        if let Some(path) = &self.health_check {
            let check = HealthCheck::new(path);
            let check = check.map_err(|error| format!("--health-check: {error}"))?;
            options = options.with_health_check(check);
        }
        if let Some(path) = &self.upstream_ca {
            let shown = path.display();
            #[expect(clippy::disallowed_methods, reason = "once, at the start")]
            let pem = fs::read(path).map_err(|error| format!("cannot read `{shown}`: {error}"))?;
            let tls = UpstreamTls::with_ca(&pem);
            options = options.with_tls(tls.map_err(|error| format!("`{shown}`: {error}"))?);
        }
        Ok(options)
    }
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
