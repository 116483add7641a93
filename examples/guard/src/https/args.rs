//! Command-line options for HTTPS.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;

use crate::cli::seconds;

/// Options for TLS, certificates and the redirect to HTTPS.
#[derive(Debug, Args)]
#[command(next_help_heading = "HTTPS")]
pub(crate) struct HttpsArgs {
    /// Address to listen on for HTTPS, with HTTP/1.1 and HTTP/2
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen_tls: Option<SocketAddr>,
    /// Certificate chain in PEM form, reloaded when it changes or on SIGHUP; can be repeated. The first one serves
    /// clients that ask for no known name
    #[arg(long = "tls-cert", value_name = "FILE")]
    pub(crate) tls_certs: Vec<PathBuf>,
    /// Private key of the certificate in the same place, in PEM form; can be repeated
    #[arg(long = "tls-key", value_name = "FILE")]
    pub(crate) tls_keys: Vec<PathBuf>,
    /// DNS name for which to obtain a certificate by ACME, from Let's Encrypt by default; can be repeated
    #[arg(long = "acme-domain", value_name = "NAME")]
    pub(crate) acme_domains: Vec<String>,
    /// Agree to the terms of service of the ACME server's certificate authority
    #[arg(long)]
    pub(crate) acme_agree_tos: bool,
    /// Address to which the authority writes about certificates that expire
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) acme_email: Option<String>,
    /// Use the staging server of Let's Encrypt, for tests: browsers do not trust its certificates
    #[arg(long, conflicts_with = "acme_directory")]
    pub(crate) acme_staging: bool,
    /// Directory of another ACME server
    #[arg(long, value_name = "URL")]
    pub(crate) acme_directory: Option<String>,
    /// Authority to trust the ACME server by, in PEM form; without this option, those of the system
    #[arg(long, value_name = "FILE")]
    pub(crate) acme_ca: Option<PathBuf>,
    /// Folder for what outlives the process: bans and events, ACME accounts and certificates, and the socket of the admin
    /// API, with which `guard ban`, `guard status` and the other commands reach this guard. Guards can share the
    /// certificates; of several with the same folder one keeps bans
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Redirect plain requests to HTTPS, on this port. Behind a balancer that ends TLS, plain is what a trusted proxy
    /// marks with X-Forwarded-Proto
    #[arg(
        long,
        value_name = "PORT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "443"
    )]
    pub(crate) redirect_https: Option<u16>,
    /// Let browsers refuse plain HTTP to this host for so long (Strict-Transport-Security); it cannot be taken back
    /// before
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) hsts: Option<Duration>,
    /// Require the header of the PROXY protocol (version 1 or 2) from each trusted proxy of the policy, on all
    /// listening addresses
    #[arg(long)]
    pub(crate) proxy_protocol: bool,
}
