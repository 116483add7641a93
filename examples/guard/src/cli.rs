//! What the command line says.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use gabion_proxy::Upstream;

use crate::{behind::Behind, doctor::Doctor};

/// Guards any HTTP server: a reverse proxy that refuses probes, and says why.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) run: Run,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// How the proxy runs.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The server to guard, as http://HOST:PORT; a built-in demo when none is named
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<Upstream>,
    /// The policy, reloaded whenever it changes; the built-in one when none is named
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// How many workers serve, each on one core; one per core when nothing is said
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<NonZeroUsize>,
    /// Speak HTTP/2 with clients that begin with it (prior knowledge), such as a balancer
    #[arg(long)]
    pub(crate) h2: bool,
    /// How long the server may take to begin its answer
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) timeout: Duration,
    /// How long requests may go on after Ctrl-C; sockets are told to come back (1012) within half of it
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) grace: Duration,
    /// Take a new policy even if it loses most rules, an allow or a trusted proxy, or if a ban list
    /// grows or shrinks by over 30%
    #[arg(long)]
    pub(crate) accept_shrink: bool,
}

/// What else there is to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check a policy and its expectations; nothing is started
    Check {
        /// The policy
        policy: PathBuf,
    },
    /// Write the built-in policy to a file, to start from
    Init {
        /// The file; it must not exist
        #[arg(default_value = "policy.toml")]
        policy: PathBuf,
        /// What stands behind the guard, so that the packs that fit it are enforced; where nothing
        /// is said, all that may hit an honest request only observes
        #[arg(long, value_enum, value_name = "SERVER")]
        behind: Option<Behind>,
    },
    /// Say step by step how a policy judges a request
    Explain(Explain),
    /// Say step by step why a WebSocket does not open, or does not stay open, and what to change
    Doctor(Doctor),
}

/// A request to explain.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The policy
    pub(crate) policy: PathBuf,
    /// The request, such as 'GET /index.ph%70'
    pub(crate) request: String,
    /// Who sends it
    #[arg(long, value_name = "ADDR")]
    pub(crate) from: Option<IpAddr>,
    /// A header of it
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let secs: u32 = text
        .parse()
        .map_err(|_| format!("`{text}` is not a whole number of seconds"))?;
    Ok(Duration::from_secs(secs.into()))
}
