//! The URL of the WebSocket and the origin of the page, from the command line.

use std::{fmt, net::IpAddr, str::FromStr};

use http::uri::{InvalidUri, Uri};

/// The URL of a WebSocket.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The scheme on the command line, in lower case.
    given_scheme: String,
    tls: bool,
    /// The host, without the brackets of an IPv6 address.
    host: String,
    port: u16,
    /// The value of `Host` that browsers send: without the default port of the scheme.
    authority: String,
    /// The path with its query.
    path: String,
}

/// The origin of a page, as browsers send it in `Origin`: scheme, host, and the port unless it is the
/// default of the scheme (RFC 6454, 6.2).
#[derive(Clone, Debug)]
pub(crate) struct Origin(String);

/// An invalid URL on the command line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    /// The text is not a URL.
    #[error("invalid URL `{given}`: {source}")]
    Invalid { given: String, source: InvalidUri },
    /// The scheme is another one, or missing.
    #[error("invalid URL `{given}`: it must begin with {expected}")]
    Scheme {
        given: String,
        expected: &'static str,
    },
    /// The URL has a user name. The text is not repeated, since it may contain a password.
    #[error(
        "the URL of host `{host}` has a user name, which browsers do not send: use --header instead"
    )]
    Userinfo { host: String },
    /// The port is not a number from 1 to 65535.
    #[error("invalid URL `{given}`: the port must be from 1 to 65535")]
    Port { given: String },
}

// === impl Target ===

impl Target {
    /// Returns `true` if the URL was given with `http` or `https`.
    pub(crate) fn is_http(&self) -> bool {
        self.given_scheme.starts_with("http")
    }

    /// Returns the scheme on the command line.
    pub(crate) fn given_scheme(&self) -> &str {
        &self.given_scheme
    }

    /// Returns `true` for `wss` and `https`.
    pub(crate) const fn tls(&self) -> bool {
        self.tls
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Returns the URL with the other scheme, `ws` or `wss`, and the same port.
    pub(crate) fn other_scheme(&self) -> String {
        let (scheme, default_port) = if self.tls { ("ws", 80) } else { ("wss", 443) };
        let (host, path) = (self.bracketed(), &self.path);
        if self.port == default_port {
            return format!("{scheme}://{host}{path}");
        }
        format!("{scheme}://{host}:{}{path}", self.port)
    }

    /// Returns the URL with `wss`. A default port becomes the default port of `wss`.
    pub(crate) fn secure(&self) -> String {
        format!("wss://{}{}", self.authority, self.path)
    }

    fn bracketed(&self) -> String {
        match self.address() {
            Some(IpAddr::V6(addr)) => format!("[{addr}]"),
            _ => self.host.clone(),
        }
    }

    /// Returns `true` for a loopback address or `localhost`, to which browsers let every page connect
    /// without TLS.
    pub(crate) fn is_loopback(&self) -> bool {
        let is_loopback = self.address().map(|addr| addr.is_loopback());
        is_loopback.unwrap_or_else(|| self.host.eq_ignore_ascii_case("localhost"))
    }

    /// Returns the host if it is an IP address.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "ws:// or wss://";
        let (uri, given_scheme) = parse(text, &["ws", "wss", "http", "https"], expected)?;
        let tls = matches!(&*given_scheme, "wss" | "https");
        let host = uri.host().unwrap_or_default();
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let default_port = if tls { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default_port);
        let authority = if port == default_port {
            host.to_owned()
        } else {
            format!("{host}:{port}")
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            tls,
            host: bare.unwrap_or(host).to_owned(),
            port,
            authority,
            path: path.to_owned(),
            given_scheme,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

// === impl Origin ===

impl Origin {
    /// Returns `true` for `https`, whose pages may not open `ws` URLs.
    pub(crate) fn is_secure(&self) -> bool {
        self.0.starts_with("https:")
    }
}

impl FromStr for Origin {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (uri, scheme) = parse(text, &["http", "https"], "http:// or https://")?;
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let default_port = if scheme == "https" { 443 } else { 80 };
        match uri.port_u16() {
            Some(port) if port != default_port => Ok(Self(format!("{scheme}://{host}:{port}"))),
            _ => Ok(Self(format!("{scheme}://{host}"))),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Parses a URL; returns it with its scheme, one of `schemes`, in lower case.
fn parse(
    text: &str,
    schemes: &[&str],
    expected: &'static str,
) -> Result<(Uri, String), TargetError> {
    let given = || text.to_owned();
    let invalid_scheme = || TargetError::Scheme {
        given: given(),
        expected,
    };
    if !text.contains("://") {
        return Err(invalid_scheme());
    }
    let uri: Uri = text.parse().map_err(|source| TargetError::Invalid {
        given: given(),
        source,
    })?;
    let scheme = uri.scheme_str().unwrap_or_default().to_ascii_lowercase();
    let authority = uri.authority().ok_or_else(invalid_scheme)?;
    if authority.as_str().contains('@') {
        let host = authority.host().to_owned();
        return Err(TargetError::Userinfo { host });
    }
    if !schemes.contains(&&*scheme) {
        return Err(invalid_scheme());
    }
    let has_port = authority.as_str() != authority.host();
    if has_port && authority.port_u16().is_none_or(|port| port == 0) {
        return Err(TargetError::Port { given: given() });
    }
    Ok((uri, scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_is_parsed_as_browsers_do() {
        for (given, shown, host, port, authority, path) in [
            ("ws://a", "ws://a/", "a", 80, "a", "/"),
            (
                "wss://a:443/ws?x=1",
                "wss://a/ws?x=1",
                "a",
                443,
                "a",
                "/ws?x=1",
            ),
            ("https://a/ws", "wss://a/ws", "a", 443, "a", "/ws"),
            (
                "HTTP://a:8080/ws",
                "ws://a:8080/ws",
                "a",
                8080,
                "a:8080",
                "/ws",
            ),
            (
                "ws://[::1]:81/",
                "ws://[::1]:81/",
                "::1",
                81,
                "[::1]:81",
                "/",
            ),
        ] {
            let target: Target = given.parse().unwrap();
            assert_eq!(target.to_string(), shown);
            let parts = (
                target.host(),
                target.port(),
                target.authority(),
                target.path(),
            );
            assert_eq!(parts, (host, port, authority, path), "{given}");
            assert_eq!(target.is_http(), given.to_lowercase().starts_with("http"));
        }
    }

    #[test]
    fn other_scheme_keeps_the_port_and_secure_url_has_the_default_port() {
        for (given, other, secure) in [
            ("ws://a/x", "wss://a:80/x", "wss://a/x"),
            ("ws://a:443/", "wss://a/", "wss://a:443/"),
            ("ws://[::1]:81/", "wss://[::1]:81/", "wss://[::1]:81/"),
            ("wss://a/", "ws://a:443/", "wss://a/"),
            ("wss://a:80/", "ws://a/", "wss://a:80/"),
        ] {
            let target: Target = given.parse().unwrap();
            assert_eq!(
                (&*target.other_scheme(), &*target.secure()),
                (other, secure)
            );
        }
    }

    #[test]
    fn invalid_url_is_rejected_with_the_expected_form() {
        for (given, words) in [
            ("a:8080/ws", "must begin with ws:// or wss://"),
            ("ftp://a/ws", "must begin with ws:// or wss://"),
            ("ws://", "invalid URL"),
            ("ws://a:0/", "the port must be"),
            ("ws://a:99999/", "the port must be"),
        ] {
            let error = given.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains(words) && error.contains(given), "{error}");
        }
        let error = "ws://me:secret@a/"
            .parse::<Target>()
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`a`") && !error.contains("secret"),
            "{error}"
        );
    }

    #[test]
    fn page_url_is_reduced_to_its_origin() {
        for (page, origin) in [
            ("https://App.example/chat?x", "https://app.example"),
            ("https://app.example:443", "https://app.example"),
            ("http://localhost:3000/", "http://localhost:3000"),
        ] {
            assert_eq!(page.parse::<Origin>().unwrap().to_string(), origin);
        }
        assert!("app.example".parse::<Origin>().is_err());
    }

    #[test]
    fn loopback_is_recognized_by_name_and_address() {
        for (url, is_loopback) in [
            ("ws://localhost/", true),
            ("ws://127.0.0.9/", true),
            ("ws://[::1]/", true),
            ("ws://localhost.example/", false),
            ("ws://10.0.0.1/", false),
        ] {
            assert_eq!(
                url.parse::<Target>().unwrap().is_loopback(),
                is_loopback,
                "{url}"
            );
        }
    }
}
