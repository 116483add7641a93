//! One server that requests are forwarded to.

use std::{
    fmt,
    net::IpAddr,
    num::NonZeroU16,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use http::uri::{Authority, InvalidUri, PathAndQuery, Scheme, Uri};

use crate::ForbiddenAddress;

/// An upstream server, parsed from a URL:
///
/// | URL | connection |
/// |---|---|
/// | `http://HOST:PORT` | HTTP/1.1; port 80 by default |
/// | `https://HOST:PORT` | HTTP/1.1 over TLS; port 443 by default |
/// | `h2c://HOST:PORT` | HTTP/2 by prior knowledge, as for gRPC; port 80 by default |
/// | `h2://HOST:PORT` | HTTP/2 over TLS, negotiated by ALPN; port 443 by default |
/// | `unix:/PATH` | HTTP/1.1 over a Unix socket; the path is absolute |
///
/// WebSockets use HTTP/1.1 on a connection of their own, also to an HTTP/2 upstream. TLS needs the feature `tls`
/// and always verifies the certificate ([`UpstreamTls`](crate::UpstreamTls)).
///
/// A URL with another scheme, a user, a path, or an address that is never an upstream ([`ForbiddenAddress`]) is
/// rejected.
///
/// ```
/// use gabion_proxy::{Upstream, UpstreamParseError};
///
/// let upstream: Upstream = "http://127.0.0.1:5000".parse()?;
/// assert_eq!(upstream.authority(), "127.0.0.1:5000");
/// let socket: Upstream = "unix:/run/app.sock".parse()?;
/// assert_eq!(socket.to_string(), "unix:/run/app.sock");
///
/// for url in ["ftp://app", "http://app/base", "http://me:secret@app", "http://169.254.169.254"] {
///     assert!(url.parse::<Upstream>().is_err());
/// }
/// # Ok::<(), UpstreamParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    address: Address,
    security: Security,
    http_version: HttpVersion,
    weight: NonZeroU16,
}

/// The address to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A host with a port, as a URL whose scheme gives the default port.
    Tcp(Uri),
    Unix(Arc<Path>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    Plain,
    Tls,
}

/// The HTTP version of the requests to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HttpVersion {
    Http1,
    Http2,
}

/// An error in the URL of an [`Upstream`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamParseError {
    /// The address is never an upstream.
    #[error("`{given}` cannot be the upstream: {source}")]
    Forbidden {
        /// The rejected URL.
        given: String,
        /// The address and the reason.
        source: ForbiddenAddress,
    },
    /// The text is not a URL.
    #[error("`{given}` is not a URL: {source}")]
    Invalid {
        /// The rejected text.
        given: String,
        /// The syntax error.
        source: InvalidUri,
    },
    /// The path of a Unix socket is not absolute.
    #[error("`{given}` needs the absolute path of a socket: write `unix:/run/app.sock`")]
    RelativePath {
        /// The rejected URL.
        given: String,
    },
    /// The URL has no scheme, or one that is not supported.
    #[error(
        "`{given}` cannot be the upstream: write `http://HOST:PORT`, `https://HOST:PORT`, `h2c://HOST:PORT`, \
         `h2://HOST:PORT` or `unix:/PATH`"
    )]
    Scheme {
        /// The rejected URL.
        given: String,
    },
    /// The URL needs TLS, and this program was built without the feature `tls`.
    #[error("`{given}` needs TLS, and this program was built without the feature `tls`")]
    TlsNotBuilt {
        /// The rejected URL.
        given: String,
    },
    /// The URL has a userinfo part. The URL is not repeated, because it may contain a password.
    #[error(
        "the upstream URL of `{host}` contains a user, and credentials are not forwarded: remove it"
    )]
    Userinfo {
        /// The host after the userinfo part.
        host: String,
    },
    /// The port is not a number from 1 to 65535.
    #[error("`{given}` has an invalid port: use a number from 1 to 65535")]
    Port {
        /// The rejected URL.
        given: String,
    },
    /// The URL has a path, a query or a fragment.
    #[error("`{given}` must end after the port: request paths are forwarded unchanged")]
    Path {
        /// The rejected URL.
        given: String,
    },
}

// === impl Upstream ===

impl Upstream {
    /// Sets the share of requests that this upstream gets in a group, relative to the other weights: 1 by
    /// default.
    pub fn with_weight(self, weight: NonZeroU16) -> Self {
        Self { weight, ..self }
    }

    /// Returns the weight.
    pub const fn weight(&self) -> NonZeroU16 {
        self.weight
    }

    /// Returns `true` if both are the same server, reached in the same way, whatever their weights are.
    pub(super) fn is_same_server(&self, other: &Self) -> bool {
        let weight = self.weight;
        *self == other.clone().with_weight(weight)
    }

    /// Returns the host and port as written, or `localhost` for a Unix socket.
    pub fn authority(&self) -> &str {
        match &self.address {
            Address::Tcp(uri) => uri.authority().map_or("", Authority::as_str),
            Address::Unix(_) => "localhost",
        }
    }

    pub(crate) const fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) const fn http_version(&self) -> HttpVersion {
        self.http_version
    }

    pub(crate) const fn uses_tls(&self) -> bool {
        matches!(self.security, Security::Tls)
    }

    /// Returns the host without brackets, if it has to be resolved.
    pub(crate) fn name(&self) -> Option<&str> {
        let Address::Tcp(uri) = &self.address else {
            return None;
        };
        let authority = uri.authority()?;
        ip_literal(authority).is_none().then_some(authority.host())
    }

    /// Returns the host without brackets, and the port; `None` for a Unix socket.
    pub(super) fn host_and_port(&self) -> Option<(&str, u16)> {
        let Address::Tcp(uri) = &self.address else {
            return None;
        };
        let authority = uri.authority()?;
        let host = authority.host();
        let literal = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let default = if self.uses_tls() { 443 } else { 80 };
        let port = authority.port_u16().unwrap_or(default);
        Some((literal.unwrap_or(host), port))
    }

    /// The scheme in the URL.
    fn scheme(&self) -> &'static str {
        match (&self.address, self.http_version, self.security) {
            (Address::Unix(_), ..) => "unix",
            (_, HttpVersion::Http1, Security::Plain) => "http",
            (_, HttpVersion::Http1, Security::Tls) => "https",
            (_, HttpVersion::Http2, Security::Plain) => "h2c",
            (_, HttpVersion::Http2, Security::Tls) => "h2",
        }
    }

    fn from_socket_path(given: &str, path: &str) -> Result<Self, UpstreamParseError> {
        let path = path.strip_prefix("//").unwrap_or(path);
        if !path.starts_with('/') || path.len() == 1 {
            return Err(UpstreamParseError::RelativePath {
                given: given.to_owned(),
            });
        }
        Ok(Self {
            address: Address::Unix(PathBuf::from(path).into()),
            security: Security::Plain,
            http_version: HttpVersion::Http1,
            weight: NonZeroU16::MIN,
        })
    }
}

impl FromStr for Upstream {
    type Err = UpstreamParseError;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        use UpstreamParseError as Error;

        if let Some(path) = given.strip_prefix("unix:") {
            return Self::from_socket_path(given, path);
        }
        let owned = || given.to_owned();
        let uri: Uri = given.parse().map_err(|source| Error::Invalid {
            given: owned(),
            source,
        })?;
        let (Some(authority), Some(scheme)) = (uri.authority(), uri.scheme_str()) else {
            return Err(Error::Scheme { given: owned() });
        };
        let (http_version, security) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (HttpVersion::Http1, Security::Plain),
            "https" => (HttpVersion::Http1, Security::Tls),
            "h2c" => (HttpVersion::Http2, Security::Plain),
            "h2" => (HttpVersion::Http2, Security::Tls),
            _ => return Err(Error::Scheme { given: owned() }),
        };
        if security == Security::Tls && !cfg!(feature = "tls") {
            return Err(Error::TlsNotBuilt { given: owned() });
        }
        if authority.as_str().contains('@') {
            return Err(Error::Userinfo {
                host: authority.host().to_owned(),
            });
        }
        let unbracketed = authority.as_str() == authority.host();
        if !unbracketed && authority.port_u16().is_none_or(|port| port == 0) {
            return Err(Error::Port { given: owned() });
        }
        // `Uri` drops a fragment without an error.
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || given.contains('#') {
            return Err(Error::Path { given: owned() });
        }
        if let Some(source) = ip_literal(authority).and_then(ForbiddenAddress::check) {
            return Err(Error::Forbidden {
                given: owned(),
                source,
            });
        }
        Ok(Self {
            address: Address::Tcp(connect_uri(uri, security)),
            security,
            http_version,
            weight: NonZeroU16::MIN,
        })
    }
}

/// Returns a URL with the same host and port, and with the scheme that has its default port.
fn connect_uri(uri: Uri, security: Security) -> Uri {
    let mut parts = uri.into_parts();
    parts.scheme = Some(match security {
        Security::Plain => Scheme::HTTP,
        Security::Tls => Scheme::HTTPS,
    });
    parts.path_and_query = Some(PathAndQuery::from_static("/"));
    // A URL with a scheme, an authority and a path is complete.
    Uri::from_parts(parts).unwrap_or_default()
}

/// Returns the host if it is an IP address. Other spellings of an address (`0xa9fea9fe`) are
/// resolved like a name.
fn ip_literal(authority: &Authority) -> Option<IpAddr> {
    let host = authority.host();
    let unbracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    unbracketed.unwrap_or(host).parse().ok()
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp(_) => write!(f, "{}://{}", self.scheme(), self.authority()),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_accepted() {
        for (given, shown) in [
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("http://127.0.0.1:5000/", "http://127.0.0.1:5000"),
            ("http://app", "http://app"),
            ("HTTP://[::1]:80", "http://[::1]:80"),
            ("http://10.0.0.1:80", "http://10.0.0.1:80"),
            ("http://169.254.app.example", "http://169.254.app.example"),
            ("h2c://app:50051", "h2c://app:50051"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
            ("unix:///run/app.sock", "unix:/run/app.sock"),
        ] {
            assert_eq!(given.parse::<Upstream>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn invalid_upstream_is_rejected_with_the_reason() {
        for (given, reason) in [
            ("", "not a URL"),
            ("http://", "not a URL"),
            ("http://a b", "not a URL"),
            ("127.0.0.1:5000", "write `http://HOST:PORT`"),
            ("/app", "write `http://HOST:PORT`"),
            ("ftp://app:21", "write `http://HOST:PORT`"),
            ("unix://app:1", "absolute path"),
            ("unix:app.sock", "absolute path"),
            ("unix:/", "absolute path"),
            ("unix:", "absolute path"),
            ("h2c://app:0", "invalid port"),
            ("h2c://169.254.169.254", "link-local"),
            ("http://app:", "invalid port"),
            ("http://app:0", "invalid port"),
            ("http://app:99999", "invalid port"),
            ("http://app:80/base", "`http://app:80/base` must end"),
            ("http://app:80/?q", "must end"),
            ("http://app:80?q", "must end"),
            ("http://app:80#top", "must end"),
            (
                "http://169.254.169.254",
                "`http://169.254.169.254` cannot be the upstream: 169.254.169.254 is not allowed",
            ),
            ("http://169.254.169.254:80/", "link-local"),
            ("http://[fe80::1]:80", "link-local"),
            ("http://[::ffff:169.254.169.254]", "link-local"),
            ("http://[fd00:ec2::254]", "AWS"),
            ("http://100.100.100.200:80", "Alibaba"),
            ("http://168.63.129.16", "Azure"),
            ("http://[ff02::1]:80", "multicast"),
        ] {
            let error = given.parse::<Upstream>().unwrap_err().to_string();
            assert!(error.contains(reason), "{given}: {error}");
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn https_has_its_own_default_port() {
        for url in ["https://app", "h2://app", "https://app:8443"] {
            let upstream: Upstream = url.parse().unwrap();
            assert_eq!(upstream.to_string(), url);
            let Address::Tcp(uri) = upstream.address() else {
                panic!("{url}");
            };
            assert_eq!(uri.scheme(), Some(&Scheme::HTTPS), "{url}");
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn https_needs_the_feature() {
        let error = "https://app".parse::<Upstream>().unwrap_err().to_string();
        assert!(error.contains("feature `tls`"), "{error}");
    }

    #[test]
    fn password_is_not_repeated() {
        let error = "http://me:secret@app:80".parse::<Upstream>().unwrap_err();
        assert!(matches!(&error, UpstreamParseError::Userinfo { host } if host == "app"));
        assert!(!error.to_string().contains("secret"));
    }
}
