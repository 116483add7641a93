//! What is examined: the URL as the code of a client has it.

use std::{fmt, net::IpAddr, str::FromStr};

use http::uri::{InvalidUri, Uri};

/// A WebSocket's URL.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The scheme as it was given, lower case.
    given: String,
    tls: bool,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    /// Host and port as a browser names them: no port that goes without saying.
    authority: String,
    /// The path with its query.
    path: String,
}

/// Whose page opens it, as a browser says in `Origin`: scheme, host, and a port that does not go
/// without saying (RFC 6454, 6.2).
#[derive(Clone, Debug)]
pub(crate) struct Origin(String);

/// Why a text does not name a WebSocket or a page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    /// It is no URL.
    #[error("`{given}` is no URL: {source}")]
    Invalid { given: String, source: InvalidUri },
    /// It begins with another scheme, or none.
    #[error("`{given}` must begin with {wanted}")]
    Scheme { given: String, wanted: &'static str },
    /// It names a user. What was given is not repeated: it may hold a password.
    #[error("the URL at `{host}` is given with a user; browsers do not send one, use --header")]
    Userinfo { host: String },
    /// Its port is no number from 1 to 65535.
    #[error("`{given}` has no usable port")]
    Port { given: String },
}

// === impl Target ===

impl Target {
    /// Whether it was given as a page is, with `http` or `https`.
    pub(crate) fn is_mistaken(&self) -> bool {
        self.given.starts_with("http")
    }

    /// The scheme that it was given with.
    pub(crate) fn given(&self) -> &str {
        &self.given
    }

    /// Whether TLS is spoken.
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

    /// The same port with TLS where this has none, and without where it has.
    pub(crate) fn other_scheme(&self) -> String {
        let (scheme, usual) = if self.tls { ("ws", 80) } else { ("wss", 443) };
        let (host, path) = (self.bracketed(), &self.path);
        if self.port == usual {
            return format!("{scheme}://{host}{path}");
        }
        format!("{scheme}://{host}:{}{path}", self.port)
    }

    /// The same with TLS, on the port that goes without saying if this is on one.
    pub(crate) fn secure(&self) -> String {
        format!("wss://{}{}", self.authority, self.path)
    }

    fn bracketed(&self) -> String {
        match self.address() {
            Some(IpAddr::V6(addr)) => format!("[{addr}]"),
            _ => self.host.clone(),
        }
    }

    /// Whether it is this machine's own: browsers let any page speak to it without TLS.
    pub(crate) fn is_loopback(&self) -> bool {
        let is_loopback = self.address().map(|addr| addr.is_loopback());
        is_loopback.unwrap_or_else(|| self.host.eq_ignore_ascii_case("localhost"))
    }

    /// The host, where it is an address.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = "ws:// or wss://";
        let (uri, given) = parse(text, &["ws", "wss", "http", "https"], wanted)?;
        let tls = matches!(&*given, "wss" | "https");
        let host = uri.host().unwrap_or_default();
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let usual = if tls { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(usual);
        let authority = if port == usual {
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
            given,
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
    /// Whether its page came over TLS, and so may not open what goes without.
    pub(crate) fn is_secure(&self) -> bool {
        self.0.starts_with("https:")
    }
}

impl FromStr for Origin {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (uri, scheme) = parse(text, &["http", "https"], "http:// or https://")?;
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let usual = if scheme == "https" { 443 } else { 80 };
        match uri.port_u16() {
            Some(port) if port != usual => Ok(Self(format!("{scheme}://{host}:{port}"))),
            _ => Ok(Self(format!("{scheme}://{host}"))),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A URL with one of `schemes`, and which.
fn parse(text: &str, schemes: &[&str], wanted: &'static str) -> Result<(Uri, String), TargetError> {
    let given = || text.to_owned();
    let unlike = || TargetError::Scheme {
        given: given(),
        wanted,
    };
    if !text.contains("://") {
        return Err(unlike());
    }
    let uri: Uri = text.parse().map_err(|source| TargetError::Invalid {
        given: given(),
        source,
    })?;
    let scheme = uri.scheme_str().unwrap_or_default().to_ascii_lowercase();
    let authority = uri.authority().ok_or_else(unlike)?;
    if authority.as_str().contains('@') {
        let host = authority.host().to_owned();
        return Err(TargetError::Userinfo { host });
    }
    if !schemes.contains(&&*scheme) {
        return Err(unlike());
    }
    let bare = authority.as_str() == authority.host();
    if !bare && authority.port_u16().is_none_or(|port| port == 0) {
        return Err(TargetError::Port { given: given() });
    }
    Ok((uri, scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_is_read_as_a_browser_reads_it() {
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
            assert_eq!(
                target.is_mistaken(),
                given.to_lowercase().starts_with("http")
            );
        }
    }

    #[test]
    fn other_scheme_stays_on_its_port_and_a_secure_one_on_the_usual() {
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
    fn what_is_no_websocket_is_refused_with_what_it_should_be() {
        for (given, words) in [
            ("a:8080/ws", "must begin with ws:// or wss://"),
            ("ftp://a/ws", "must begin with ws:// or wss://"),
            ("ws://", "is no URL"),
            ("ws://a:0/", "no usable port"),
            ("ws://a:99999/", "no usable port"),
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
    fn page_is_cut_down_to_its_origin() {
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
    fn this_machine_is_known_by_name_and_address() {
        for (url, own) in [
            ("ws://localhost/", true),
            ("ws://127.0.0.9/", true),
            ("ws://[::1]/", true),
            ("ws://localhost.example/", false),
            ("ws://10.0.0.1/", false),
        ] {
            assert_eq!(url.parse::<Target>().unwrap().is_loopback(), own, "{url}");
        }
    }
}
