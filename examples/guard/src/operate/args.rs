//! The command line of the commands.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, ValueEnum};

use super::bans::BansFormat;

/// Where the running guard is reached.
#[derive(Debug, Args)]
#[command(next_help_heading = "Running guard")]
pub(crate) struct EndpointArgs {
    /// State folder of the guard, with the socket of its admin API
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/lib/guard",
        conflicts_with = "admin"
    )]
    pub(super) state: PathBuf,
    #[arg(
        long,
        value_name = "URL",
        help = "Admin API over TCP in place of the socket, such as https://guard.example:9443"
    )]
    pub(super) admin: Option<String>,
    #[arg(
        long,
        value_name = "FILE",
        requires = "admin",
        help = "File with the token; without this option, the variable GUARD_ADMIN_TOKEN"
    )]
    pub(super) admin_token_file: Option<PathBuf>,
    /// Certificates (PEM) to verify that of the admin API with; without this option, those of the system
    #[arg(long, value_name = "FILE", requires = "admin")]
    pub(super) admin_ca: Option<PathBuf>,
}

/// The commands that a running guard carries out.
#[derive(Debug, Subcommand)]
pub(crate) enum Operation {
    /// Ban a client in a running guard; its WebSockets end
    Ban(BanArgs),
    /// Lift bans
    Unban(UnbanArgs),
    /// List the timed bans, also for nftables, ipset or nginx
    Bans(BansArgs),
    /// Exempt a client from denials, limits and bans for a time; lifts its bans
    Allow(AllowArgs),
    /// List the temporary exemptions
    Allows {
        /// Format of the output
        #[arg(long, value_enum, default_value = "table")]
        format: AllowsFormat,
        #[command(flatten)]
        endpoint: EndpointArgs,
    },
    /// Show the state of a running guard: policy, last reload error, bans, store
    Status {
        /// Format of the output
        #[arg(long, value_enum, default_value = "text")]
        format: StatusFormat,
        #[command(flatten)]
        endpoint: EndpointArgs,
    },
    /// Erase what a running guard knows of a client: bans, exemption, offenses
    Forget {
        /// Client address
        addr: IpAddr,
        #[command(flatten)]
        endpoint: EndpointArgs,
    },
    /// Place the bans of a file with a JSON object on each line, as `guard export` writes it
    Import {
        /// File, or `-` for standard input
        file: PathBuf,
        #[command(flatten)]
        endpoint: EndpointArgs,
    },
    /// Write all timed bans, a JSON object on each line
    Export {
        #[command(flatten)]
        endpoint: EndpointArgs,
    },
    /// Make a random token for the admin API over TCP
    Token,
}

#[derive(Debug, Args)]
pub(crate) struct BanArgs {
    /// Client address; an IPv6 client is banned with its network
    pub(super) addr: IpAddr,
    /// Length of the ban, such as 30m, 1h or 7d
    #[arg(long = "for", value_name = "PERIOD")]
    pub(super) period: String,
    /// Reason, shown in the list of bans and in the log
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) why: String,
    #[command(flatten)]
    pub(super) endpoint: EndpointArgs,
}

#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = true, args = ["addr", "network", "rule", "since", "all"])]
pub(crate) struct UnbanArgs {
    /// Client whose bans are lifted
    #[arg(conflicts_with_all = ["network", "rule", "since", "all"])]
    pub(super) addr: Option<IpAddr>,
    /// Lift the bans in or around this network
    #[arg(long, value_name = "NETWORK")]
    network: Option<String>,
    /// Lift the bans by this rule
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Lift the bans that began since then: a period such as 2h, or a time such as 2026-11-30T21:07:37Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Lift all bans
    #[arg(long, conflicts_with_all = ["network", "rule", "since"])]
    all: bool,
    #[command(flatten)]
    pub(super) endpoint: EndpointArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BansArgs {
    /// Only bans in or around this network
    #[arg(long, value_name = "NETWORK")]
    network: Option<String>,
    /// Only bans by this rule
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Only bans with this text in their reason
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Only bans that began since then: a period such as 2h, or a time
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Order: network, offenses, rule, since or until; with `-` in front, descending
    #[arg(long, value_name = "ORDER", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Largest number of bans
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Format of the output
    #[arg(long, value_enum, default_value = "table")]
    pub(super) format: BansFormat,
    #[command(flatten)]
    pub(super) endpoint: EndpointArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AllowArgs {
    /// Client address
    pub(super) addr: IpAddr,
    /// Length of the exemption, such as 2h
    #[arg(
        long = "for",
        value_name = "PERIOD",
        required_unless_present = "remove"
    )]
    pub(super) period: Option<String>,
    /// Reason, shown in the list of exemptions and in the log
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) why: String,
    /// End the exemption
    #[arg(long, conflicts_with_all = ["period", "why"])]
    remove: bool,
    #[command(flatten)]
    pub(super) endpoint: EndpointArgs,
}

/// Formats of `guard allows`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum AllowsFormat {
    Table,
    Json,
}

/// Formats of `guard status`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum StatusFormat {
    Text,
    Json,
}

type Parameters<'a> = Vec<(&'static str, &'a str)>;

fn given<'a>(parameters: &[(&'static str, Option<&'a str>)]) -> Parameters<'a> {
    let given = parameters.iter();
    given
        .filter_map(|(name, value)| Some((*name, (*value)?)))
        .collect()
}

// === impl EndpointArgs ===

impl EndpointArgs {
    /// The path of the Unix socket.
    pub(super) fn socket(&self) -> PathBuf {
        Path::new(&self.state).join(crate::admin::SOCKET)
    }
}

// === impl UnbanArgs ===

impl UnbanArgs {
    /// The parameters of the request.
    pub(super) fn filter(&self) -> Parameters<'_> {
        given(&[
            ("network", self.network.as_deref()),
            ("rule", self.rule.as_deref()),
            ("since", self.since.as_deref()),
            ("all", self.all.then_some("true")),
        ])
    }
}

// === impl BansArgs ===

impl BansArgs {
    /// The parameters of the request.
    pub(super) fn filter(&self) -> Vec<(&'static str, String)> {
        let parameters = given(&[
            ("network", self.network.as_deref()),
            ("rule", self.rule.as_deref()),
            ("reason", self.why.as_deref()),
            ("since", self.since.as_deref()),
            ("sort", self.sort.as_deref()),
        ]);
        let parameters = parameters.into_iter();
        let parameters = parameters.map(|(name, value)| (name, value.to_owned()));
        let limit = self.limit.map(|limit| ("limit", limit.to_string()));
        parameters.chain(limit).collect()
    }
}
