//! The one server that requests are forwarded to.

use std::{fmt, net::IpAddr, str::FromStr};

use http::uri::{Authority, InvalidUri, Scheme, Uri};

use crate::ForbiddenAddress;

/// The upstream server, parsed from `http://host:port`. The port defaults to 80.
///
/// A [`Proxy`](crate::Proxy) forwards every request to it. A URL with another scheme, a user, a
/// path, or an address that is never an upstream ([`ForbiddenAddress`]) is rejected.
///
/// ```
/// use gabion_proxy::{Upstream, UpstreamParseError};
///
/// let upstream: Upstream = "http://127.0.0.1:5000".parse()?;
/// assert_eq!(upstream.authority(), "127.0.0.1:5000");
///
/// for url in ["https://app", "http://app/base", "http://me:secret@app", "http://169.254.169.254"] {
///     assert!(url.parse::<Upstream>().is_err());
/// }
/// # Ok::<(), UpstreamParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    uri: Uri,
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
    /// The URL has no scheme, or a scheme other than `http`.
    #[error(
        "`{given}` cannot be the upstream: only plain HTTP is supported, write `http://host:port`"
    )]
    Scheme {
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
    /// Returns the host and port.
    pub fn authority(&self) -> &str {
        self.uri.authority().map_or("", Authority::as_str)
    }

    /// Returns the URL to connect to.
    pub(crate) const fn uri(&self) -> &Uri {
        &self.uri
    }
}

impl FromStr for Upstream {
    type Err = UpstreamParseError;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        use UpstreamParseError as Error;

        let owned = || given.to_owned();
        let uri: Uri = given.parse().map_err(|source| Error::Invalid {
            given: owned(),
            source,
        })?;
        let authority = match uri.authority() {
            Some(authority) if uri.scheme() == Some(&Scheme::HTTP) => authority,
            _ => return Err(Error::Scheme { given: owned() }),
        };
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
        if uri.path() != "/" || uri.query().is_some() || given.contains('#') {
            return Err(Error::Path { given: owned() });
        }
        match ip_literal(authority).and_then(ForbiddenAddress::check) {
            Some(source) => Err(Error::Forbidden {
                given: owned(),
                source,
            }),
            None => Ok(Self { uri }),
        }
    }
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
        write!(f, "http://{}", self.authority())
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
            ("127.0.0.1:5000", "only plain HTTP is supported"),
            ("/app", "only plain HTTP is supported"),
            ("https://app:443", "only plain HTTP is supported"),
            ("unix://app:1", "only plain HTTP is supported"),
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

    #[test]
    fn password_is_not_repeated() {
        let error = "http://me:secret@app:80".parse::<Upstream>().unwrap_err();
        assert!(matches!(&error, UpstreamParseError::Userinfo { host } if host == "app"));
        assert!(!error.to_string().contains("secret"));
    }
}
