//! The one server that requests are sent on to.

use std::{fmt, net::IpAddr, str::FromStr};

use http::uri::{Authority, InvalidUri, Scheme, Uri};

use crate::ForbiddenAddress;

/// The server behind: `http://host:port`. The port is 80 where none is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    uri: Uri,
}

/// Why a text does not name an upstream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamParseError {
    /// Its address is never an upstream's.
    #[error("`{given}` cannot be an upstream: {source}")]
    Forbidden {
        /// What was given.
        given: String,
        /// The address, and why.
        source: ForbiddenAddress,
    },
    /// It is no URL.
    #[error("`{given}` is no URL: {source}")]
    Invalid {
        /// What was given.
        given: String,
        /// What is wrong with it.
        source: InvalidUri,
    },
    /// It has no scheme, or another one than `http`.
    #[error("`{given}` cannot be an upstream: only `http://host:port` is spoken")]
    Scheme {
        /// What was given.
        given: String,
    },
    /// It names a user. What was given is not repeated: it may hold a password.
    #[error("the upstream at `{host}` is given with a user; credentials are not sent on")]
    Userinfo {
        /// The host after the user.
        host: String,
    },
    /// Its port is no number from 1 to 65535.
    #[error("`{given}` has no usable port")]
    Port {
        /// What was given.
        given: String,
    },
    /// It has a path, a query or a fragment.
    #[error("`{given}` must end after its port: paths are sent on as they come")]
    Path {
        /// What was given.
        given: String,
    },
}

// === impl Upstream ===

impl Upstream {
    /// The host and port.
    pub fn authority(&self) -> &str {
        self.uri.authority().map_or("", Authority::as_str)
    }

    /// Where connections go.
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
        // The parser cuts a fragment silently.
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

/// The host, where it is an address. What else stands for one (`0xa9fea9fe`) is resolved like a name.
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
    fn host_and_port_name_an_upstream() {
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
    fn anything_else_is_refused_with_its_reason() {
        for (given, reason) in [
            ("", "no URL"),
            ("http://", "no URL"),
            ("http://a b", "no URL"),
            ("127.0.0.1:5000", "only `http"),
            ("/app", "only `http"),
            ("https://app:443", "only `http"),
            ("unix://app:1", "only `http"),
            ("http://app:", "usable port"),
            ("http://app:0", "usable port"),
            ("http://app:99999", "usable port"),
            ("http://app:80/base", "`http://app:80/base` must end"),
            ("http://app:80/?q", "must end"),
            ("http://app:80?q", "must end"),
            ("http://app:80#top", "must end"),
            (
                "http://169.254.169.254",
                "`http://169.254.169.254` cannot be an upstream: 169.254.169.254 is never",
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
