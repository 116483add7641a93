//! Names of addresses, and addresses of names.
//!
//! `hickory-resolver` queries, with retries and over TCP for long answers: the system's resolver has no reverse lookup in
//! the standard library, and its C interface blocks a thread for each query. Answers are not cached here, since the
//! findings are ([`BanArbiter::VERIFIED_FOR`](gabion::ban::BanArbiter::VERIFIED_FOR)), and `/etc/hosts` is not read.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{self, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{RData, Record, RecordType},
    },
};

/// A resolver of names and addresses.
pub(super) struct Dns(TokioResolver);

/// The reason why DNS did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum DnsError {
    /// There was no answer in time.
    #[error("no answer from DNS in time")]
    Timeout,
    /// A server answered with an error, or cannot be reached.
    #[error("DNS failed: {}", .0.escape_debug())]
    Failed(String),
}

/// The time for an answer to one query.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);

/// The number of times that a query is sent.
const ATTEMPTS: usize = 2;

// === impl Dns ===

impl Dns {
    /// Creates a resolver that queries `server`, or those of `/etc/resolv.conf`.
    pub(super) fn new(server: Option<SocketAddr>) -> io::Result<Self> {
        let mut builder = match server {
            Some(server) => {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
                let connections = connections.map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                let server = NameServerConfig::new(server.ip(), true, connections.into());
                let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
            None => TokioResolver::builder_tokio().map_err(|error| {
                let advice = "pass the server with --dns-server";
                io::Error::other(format!("cannot read /etc/resolv.conf: {error}; {advice}"))
            })?,
        };
        let options = builder.options_mut();
        options.timeout = QUERY_TIMEOUT;
        options.attempts = ATTEMPTS;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        builder.build().map(Self).map_err(io::Error::other)
    }

    /// Returns the names of an address, without the dot at the end. Empty if it has none.
    pub(super) async fn names(&self, addr: IpAddr) -> Result<Vec<String>, DnsError> {
        let answer = self.0.reverse_lookup(addr).await;
        let answer = answer.map(|answer| {
            let names = answer.answers().iter().filter_map(name_of);
            names.collect()
        });
        or_none(answer)
    }

    /// Returns the addresses of a name, of the kind of `addr`. Empty if it has none.
    pub(super) async fn addrs(&self, name: &str, addr: IpAddr) -> Result<Vec<IpAddr>, DnsError> {
        let kind = match addr {
            IpAddr::V4(_) => RecordType::A,
            IpAddr::V6(_) => RecordType::AAAA,
        };
        // With the dot at the end, no search domain is appended.
        let answer = self.0.lookup(format!("{name}."), kind).await;
        let answer = answer.map(|answer| {
            let addrs = answer.answers().iter().filter_map(addr_of);
            addrs.collect()
        });
        or_none(answer)
    }
}

fn name_of(record: &Record) -> Option<String> {
    let RData::PTR(name) = &record.data else {
        return None;
    };
    let name = name.0.to_ascii();
    Some(name.strip_suffix('.').unwrap_or(&name).to_owned())
}

fn addr_of(record: &Record) -> Option<IpAddr> {
    match &record.data {
        RData::A(addr) => Some(addr.0.into()),
        RData::AAAA(addr) => Some(addr.0.into()),
        _ => None,
    }
}

/// Turns the answer that there is no record into an empty one.
fn or_none<T>(answer: Result<Vec<T>, NetError>) -> Result<Vec<T>, DnsError> {
    match answer {
        Ok(found) => Ok(found),
        Err(NetError::Dns(net::DnsError::NoRecordsFound(none)))
            if matches!(
                none.response_code,
                ResponseCode::NXDomain | ResponseCode::NoError
            ) =>
        {
            Ok(Vec::new())
        }
        Err(NetError::Timeout) => Err(DnsError::Timeout),
        Err(other) => Err(DnsError::Failed(other.to_string())),
    }
}
