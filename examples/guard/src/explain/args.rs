//! The command line of `guard explain`.

use std::{net::IpAddr, path::PathBuf};

use clap::Args;

use crate::operate::EndpointArgs;

/// Options of `guard explain`: those of curl, where it has them.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub(crate) struct ExplainArgs {
    #[arg(
        value_name = "[POLICY] REQUEST",
        num_args = 1..=2,
        required_unless_present = "raw",
        help = "URL, path, or method and path of the request, such as 'GET /index.ph%70'; a policy file before it \
                is read as --policy"
    )]
    pub(crate) words: Vec<String>,
    /// Policy file; without this option, the built-in policy
    #[arg(long, value_name = "FILE", conflicts_with = "running")]
    pub(crate) policy: Option<PathBuf>,
    /// Method; without this option GET, or POST with --data
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// Request header; can be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// User-Agent header
    #[arg(short = 'A', long, value_name = "TEXT")]
    pub(crate) user_agent: Option<String>,
    /// Referer header
    #[arg(short = 'e', long, value_name = "URL")]
    pub(crate) referer: Option<String>,
    /// Cookie header
    #[arg(short = 'b', long, value_name = "NAME=VALUE")]
    pub(crate) cookie: Option<String>,
    /// Body of a form; only its length and type are judged
    #[arg(short = 'd', long, value_name = "TEXT")]
    pub(crate) data: Option<String>,
    /// Address of the peer: the client, or a proxy
    #[arg(long, value_name = "ADDR")]
    pub(crate) from: Option<IpAddr>,
    /// Judge the request as one over HTTP/2
    #[arg(long)]
    pub(crate) http2: bool,
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["method", "headers", "user_agent", "referer", "cookie", "data", "http2"],
        help = "File with the bytes of an HTTP/1.1 request, also one that the parser refuses; `-` is standard input"
    )]
    pub(crate) raw: Option<PathBuf>,
    /// List all deny rules, also those that do not match
    #[arg(long, conflicts_with = "rule")]
    pub(crate) all: bool,
    /// List the deny rule with this id, also if it does not match
    #[arg(long, value_name = "ID")]
    pub(crate) rule: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Let the running guard explain the request, with its bans, limits and scores
    #[arg(long)]
    pub(crate) running: bool,
    #[command(flatten)]
    pub(crate) endpoint: EndpointArgs,
}
