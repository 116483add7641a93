//! The command line.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use gabion_proxy::Capacity;
use http::Uri;

use crate::{
    admin::AdminArgs,
    built_in_policy::UpstreamServer,
    doctor::DoctorArgs,
    explain::ExplainArgs,
    https::HttpsArgs,
    logs::LogArgs,
    operate::{EndpointArgs, Operation},
    state::RedisArgs,
    upstream_args::UpstreamArgs,
};

const SIGNALS: &str = "\
Signals of the proxy:
  SIGHUP           Read the policy, its lists, guard.toml and the certificate files again, as after a change of a file
  SIGUSR1          Let every rule only observe for 10 minutes; sent again, enforce the rules at once
  SIGUSR2          Like SIGHUP, and accept what the new policy removes, as --accept-shrink does
  SIGINT, SIGTERM  Answer 503 at --ready-path for --drain-delay, then accept no new connections, finish
                   open requests (--grace), and stop; sent again, skip the delay";

/// Reverse proxy with a web-application firewall: denies attack probes and logs the reason
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = SIGNALS)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Options of the proxy.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub(crate) struct RunArgs {
    #[arg(
        long,
        value_name = "FILE",
        exclusive = true,
        help = "Configuration file (guard.toml) in place of the other options, with several groups of servers, and \
                routes"
    )]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) upstream: UpstreamArgs,
    /// Policy file, reloaded when it changes; without this option, the built-in policy
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Number of worker threads; without this option, one per core
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<NonZeroUsize>,
    /// Share the address with other guards of the same user: the system spreads connections over them
    #[arg(long)]
    pub(crate) share_port: bool,
    /// Largest number of open connections; without this option, as many as the limit of open files allows
    #[arg(long, value_name = "N")]
    pub(crate) max_connections: Option<NonZeroUsize>,
    #[arg(
        long,
        value_name = "N",
        help = "Largest number of open connections of one client, other than trusted proxies; without this \
                option, a quarter of all, at most 4096"
    )]
    pub(crate) max_connections_per_client: Option<NonZeroUsize>,
    #[arg(
        long,
        value_name = "N",
        help = "Largest number of requests in progress, with open WebSockets; beyond it, the guard answers 503. \
                Without this option, as many as the limit of open files allows"
    )]
    pub(crate) max_requests: Option<NonZeroUsize>,
    #[arg(
        long,
        value_name = "N",
        help = "Largest number of requests of one client in progress, with its open WebSockets, also behind a \
                trusted proxy; beyond it, the guard answers 429. Without this option, a quarter of all, at most \
                4096"
    )]
    pub(crate) max_requests_per_client: Option<NonZeroUsize>,
    /// Accept HTTP/2 with prior knowledge as well as HTTP/1.1, for example from a load balancer
    #[arg(long)]
    pub(crate) h2: bool,
    /// Forward header names in the case in which they were sent, for programs that compare it; without
    /// this option, in lower case
    #[arg(long)]
    pub(crate) keep_header_case: bool,
    /// Time until the server must have accepted a connection; after that, the guard answers 504
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub(crate) connect_timeout: Duration,
    /// How long an idle connection to the server is kept
    #[arg(skip = Duration::from_secs(4))]
    pub(crate) pool_idle: Duration,
    /// Time until the server must have sent the head of its response; after that, the guard answers 504
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) timeout: Duration,
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "60",
        value_parser = seconds,
        help = "Longest time in which a client may send nothing of a body whose length it announced; it must also \
                send 500 bytes per second beyond that time"
    )]
    pub(crate) receive_timeout: Duration,
    /// Longest time in which a client may take no bytes of its response; after that, the connection is closed
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) send_timeout: Duration,
    #[arg(
        long,
        value_name = "SOCKET",
        help = "Replace the guard that runs with the same path, without a refused connection: take over its \
                listening sockets, while it finishes open requests and stops"
    )]
    pub(crate) handover: Option<PathBuf>,
    /// Path at which the guard itself answers health checks: 200, or 503 after Ctrl-C or SIGTERM; the policy judges
    /// them first
    #[arg(long, value_name = "PATH", value_parser = path)]
    pub(crate) ready_path: Option<String>,
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "0",
        value_parser = seconds,
        help = "Time after Ctrl-C or SIGTERM in which connections are still accepted while --ready-path answers \
                503, so that the load balancer sees it"
    )]
    pub(crate) drain_delay: Duration,
    /// Time for open requests to finish after Ctrl-C or SIGTERM; WebSockets are closed with 1012
    /// (service restart) within half of it
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) grace: Duration,
    /// Show the values of queries in the log, which may be passwords and tokens; without this option,
    /// `…` is written for each
    #[arg(long)]
    pub(crate) log_query_values: bool,
    /// DNS server for the verification of crawlers that the policy names in `[ban]`; without this option, those of
    /// /etc/resolv.conf
    #[arg(long, value_name = "ADDR")]
    pub(crate) dns_server: Option<SocketAddr>,
    /// Write the health log that the agent of AWS Elastic Beanstalk reads to this folder, for instances without
    /// nginx in front of the guard: /var/log/nginx/healthd
    #[arg(long, value_name = "DIR")]
    pub(crate) eb_health_log: Option<PathBuf>,
    #[arg(
        long,
        help = "Accept a changed policy even if it removes most rules, an [allow] entry or a trusted proxy, \
                or if a ban list grows or shrinks by more than 30%"
    )]
    pub(crate) accept_shrink: bool,
    #[command(flatten)]
    pub(crate) https: HttpsArgs,
    #[command(flatten)]
    pub(crate) admin: AdminArgs,
    #[command(flatten)]
    pub(crate) redis: RedisArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// The other commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(about = "Check a policy and run its [[expect]] tests, without starting the proxy")]
    Check {
        /// Policy file
        #[arg(required_unless_present_any = ["config", "running"])]
        policy: Option<PathBuf>,
        /// Configuration file (guard.toml) to check, with the policies that it names
        #[arg(long, value_name = "FILE", conflicts_with = "policy")]
        config: Option<PathBuf>,
        /// Warn of what a guard that runs with this policy would refuse to lose in a reload, or, with --config, of
        /// what needs a restart of a guard that runs with this configuration file
        #[arg(long, value_name = "FILE")]
        replaces: Option<PathBuf>,
        #[arg(
            long,
            conflicts_with_all = ["config", "replaces"],
            help = "Check what a reload of a running guard would do, and what it would refuse to lose; without a policy \
                    file, that of the running guard"
        )]
        running: bool,
        #[command(flatten)]
        endpoint: EndpointArgs,
    },
    /// Write the built-in policy to a new file, as a starting point
    Init {
        /// File to write; it must not exist
        #[arg(default_value = "policy.toml")]
        policy: PathBuf,
        /// Kind of server behind the guard: the rule packs that fit it are enforced; without this
        /// option, the command asks at a terminal, or rules that could refuse real users only log
        #[arg(long, value_enum, value_name = "SERVER")]
        behind: Option<UpstreamServer>,
    },
    /// Show step by step how a policy judges a request
    Explain(Box<ExplainArgs>),
    /// Diagnose step by step why a WebSocket does not open or does not stay open, and what to change
    Doctor(DoctorArgs),
    #[command(flatten)]
    Operate(Operation),
}

// === impl RunArgs ===

impl RunArgs {
    /// Returns the capacity for connections: by the options, or else this one.
    pub(crate) fn connections(&self, capacity: Capacity) -> Capacity {
        replaced(
            capacity,
            self.max_connections,
            self.max_connections_per_client,
        )
    }

    /// Returns the capacity for requests in progress: by the options, or else this one.
    pub(crate) fn requests(&self, capacity: Capacity) -> Capacity {
        replaced(capacity, self.max_requests, self.max_requests_per_client)
    }
}

fn replaced(
    capacity: Capacity,
    total: Option<NonZeroUsize>,
    per_client: Option<NonZeroUsize>,
) -> Capacity {
    let total = total.map_or_else(|| capacity.total(), NonZeroUsize::get);
    let per_client = per_client.map_or_else(|| capacity.per_client(), NonZeroUsize::get);
    capacity.with_total(total).with_per_client(per_client)
}

/// Parses the path of a URL.
fn path(text: &str) -> Result<String, String> {
    match text.parse::<Uri>() {
        Ok(uri) if text.starts_with('/') && uri.path() == text => Ok(text.to_owned()),
        _ => Err(format!(
            "`{text}` is not the path of a URL, such as `/healthz`"
        )),
    }
}

/// Parses a whole number of seconds.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let secs: u32 = text
        .parse()
        .map_err(|_| format!("`{text}` is not a whole number of seconds"))?;
    Ok(Duration::from_secs(secs.into()))
}
