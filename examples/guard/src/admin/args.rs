//! Command-line options of the admin API.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

/// Options of the admin API over TCP. With `--state`, it is also served on the Unix socket `admin.sock` in that folder.
#[derive(Debug, Args)]
#[command(next_help_heading = "Admin API")]
pub(crate) struct AdminArgs {
    #[arg(
        long,
        value_name = "ADDR",
        help = "Address of the admin API, on loopback or with --admin-cert; it needs a token. With --state, the API is \
                also served on the Unix socket DIR/admin.sock, without a token"
    )]
    pub(crate) admin: Option<SocketAddr>,
    #[arg(
        long,
        value_name = "FILE",
        requires = "admin",
        help = "File with the token of the admin API, from `guard token`; without this option, the variable \
                GUARD_ADMIN_TOKEN"
    )]
    pub(crate) admin_token_file: Option<PathBuf>,
    /// Certificate chain of the admin API in PEM form, reloaded when it changes
    #[arg(long, value_name = "FILE", requires = "admin_key")]
    pub(crate) admin_cert: Option<PathBuf>,
    /// Private key of the certificate of the admin API
    #[arg(long, value_name = "FILE", requires = "admin_cert")]
    pub(crate) admin_key: Option<PathBuf>,
    /// DNS name at which the admin API is reached; addresses and localhost need none; can be repeated
    #[arg(long = "admin-host", value_name = "NAME", requires = "admin")]
    pub(crate) admin_hosts: Vec<String>,
}
