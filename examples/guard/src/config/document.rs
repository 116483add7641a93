//! The sections of `guard.toml` as plain data.
//!
//! Each key that has an option of the command line means the same. A key is added here together with the code that
//! uses it.

use std::{
    net::SocketAddr,
    num::{NonZeroU16, NonZeroUsize},
    path::PathBuf,
};

use gabion::policy::{ByteSize, Period, TomlDocument};
use gabion_proxy::Upstream;
use serde::{Deserialize, Deserializer, de};

use crate::{logs::AccessFormatArg, upstream_args::BalanceArg};

/// A configuration file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigDocument {
    #[serde(deserialize_with = "known_version")]
    pub(super) version: u32,
    pub(super) policy: Option<PathBuf>,
    pub(super) state: Option<PathBuf>,
    pub(super) redis_url_file: Option<PathBuf>,
    pub(super) redis_ca: Option<PathBuf>,
    pub(super) redis_prefix: Option<String>,
    pub(super) workers: Option<NonZeroUsize>,
    pub(super) handover: Option<PathBuf>,
    pub(super) ready_path: Option<String>,
    pub(super) eb_health_log: Option<PathBuf>,
    #[serde(default)]
    pub(super) log_query_values: bool,
    #[serde(default, deserialize_with = "some_address")]
    pub(super) dns_server: Option<SocketAddr>,
    #[serde(default)]
    pub(super) listen: ListenSection,
    pub(super) tls: Option<TlsSection>,
    pub(super) acme: Option<AcmeSection>,
    pub(super) admin: Option<AdminSection>,
    #[serde(default)]
    pub(super) upstream: Vec<UpstreamSection>,
    #[serde(default)]
    pub(super) route: Vec<RouteSection>,
    #[serde(default)]
    pub(super) limits: LimitsSection,
    #[serde(default)]
    pub(super) timeouts: TimeoutsSection,
    pub(super) log: Option<LogSection>,
}

/// Plain HTTP, and what holds for all listeners.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key")]
pub(super) struct ListenSection {
    #[serde(deserialize_with = "some_address")]
    pub(super) address: Option<SocketAddr>,
    pub(super) http2: bool,
    pub(super) proxy_protocol: bool,
    pub(super) share_port: bool,
    pub(super) keep_header_case: bool,
}

/// HTTPS.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsSection {
    #[serde(deserialize_with = "address")]
    pub(super) address: SocketAddr,
    #[serde(default)]
    pub(super) certificates: Vec<CertificateSection>,
    /// The port to which plain requests are redirected.
    pub(super) redirect: Option<u16>,
    pub(super) hsts: Option<Period>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CertificateSection {
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
}

/// The admin API over TCP.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdminSection {
    #[serde(deserialize_with = "address")]
    pub(super) address: SocketAddr,
    pub(super) token_file: Option<PathBuf>,
    pub(super) certificate: Option<CertificateSection>,
    #[serde(default)]
    pub(super) hosts: Vec<String>,
}

/// Certificates by ACME.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AcmeSection {
    pub(super) domains: Vec<String>,
    #[serde(default)]
    pub(super) agree_tos: bool,
    pub(super) email: Option<String>,
    #[serde(default)]
    pub(super) staging: bool,
    pub(super) directory: Option<String>,
    pub(super) ca: Option<PathBuf>,
}

/// A group of equivalent servers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamSection {
    pub(super) name: String,
    pub(super) servers: Vec<ServerSection>,
    #[serde(default)]
    pub(super) balance: BalanceArg,
    pub(super) health_check: Option<String>,
    pub(super) max_requests: Option<NonZeroUsize>,
    pub(super) slow_start: Option<Period>,
    pub(super) start_wait: Option<Period>,
    pub(super) resolve_every: Option<Period>,
    pub(super) ca: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerSection {
    #[serde(deserialize_with = "upstream")]
    pub(super) url: Upstream,
    pub(super) weight: Option<NonZeroU16>,
}

/// Requests of a host or below a path that have their own upstream, their own rules, or both.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteSection {
    pub(super) host: Option<String>,
    pub(super) path: Option<String>,
    pub(super) upstream: String,
    pub(super) policy: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LimitsSection {
    pub(super) connections: Option<NonZeroUsize>,
    pub(super) connections_per_client: Option<NonZeroUsize>,
    pub(super) requests: Option<NonZeroUsize>,
    pub(super) requests_per_client: Option<NonZeroUsize>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TimeoutsSection {
    pub(super) connect: Option<Period>,
    pub(super) first_byte: Option<Period>,
    pub(super) receive: Option<Period>,
    pub(super) send: Option<Period>,
    pub(super) pool_idle: Option<Period>,
    pub(super) drain_delay: Option<Period>,
    pub(super) grace: Option<Period>,
}

/// The logs of events and requests.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LogSection {
    pub(super) events: Option<PathBuf>,
    pub(super) access: Option<PathBuf>,
    pub(super) access_format: AccessFormatArg,
    pub(super) rotate_size: Option<ByteSize>,
    pub(super) rotate_every: Option<Period>,
    pub(super) keep: Option<usize>,
    pub(super) compress: Option<bool>,
    pub(super) pseudonyms: Option<PathBuf>,
}

// === impl ConfigDocument ===

impl TomlDocument for ConfigDocument {
    const PLACEHOLDERS: &'static [(&'static str, &'static str)] = &[
        ("address", "127.0.0.1:0"),
        ("chain", "unread"),
        ("key", "unread"),
        ("name", "unread-#"),
        ("upstream", "unread"),
        ("url", "http://127.0.0.1:1"),
    ];
}

fn known_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        1 => Ok(1),
        other => Err(de::Error::custom(format_args!(
            "unknown version {other}: this guard reads version 1"
        ))),
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        de::Error::custom(format_args!(
            "`{text}` is not an address: write IP:PORT, such as `0.0.0.0:443` or `[::]:443`"
        ))
    })
}

fn some_address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    address(deserializer).map(Some)
}

fn upstream<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Upstream, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(de::Error::custom)
}
