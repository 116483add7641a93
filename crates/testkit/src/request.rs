//! Request heads for inspectors.

use std::{
    net::IpAddr,
    time::{Duration, UNIX_EPOCH},
};

use gabion_core::{ClientIp, ClientRules, Facts, Framing, Head, Needs, Now, PeerAddr, Scheme};
use http::{HeaderMap, HeaderName, Method, Request, Uri, Version, header::HOST};

/// A request head that owns its parts, and the peer and time of its [`Facts`]. For tests that call an
/// inspector without a service.
#[derive(Clone, Debug)]
pub struct OwnedHead {
    method: Method,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
    framing: Framing,
    scheme: Scheme,
    peer: PeerAddr,
    now: Now,
}

/// A peer with this address and port 4711.
pub fn peer(addr: &str) -> PeerAddr {
    let addr: IpAddr = addr.parse().unwrap();
    PeerAddr::new((addr, 4711).into())
}

/// The client of a request from this peer without trusted proxies.
pub fn client_at(addr: &str) -> ClientIp {
    ClientRules::default().resolve(peer(addr), &HeaderMap::new())
}

impl OwnedHead {
    /// `GET target` on HTTP/1.1 for `localhost`, from 203.0.113.9, at the Unix epoch.
    pub fn get(target: &str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, "localhost".parse().unwrap());
        Self {
            method: Method::GET,
            uri: target.parse().unwrap(),
            version: Version::HTTP_11,
            headers,
            framing: Framing::AsShown,
            scheme: Scheme::Plain,
            peer: peer("203.0.113.9"),
            now: Now::new(Duration::ZERO, UNIX_EPOCH),
        }
    }

    /// The head of `request`, from 203.0.113.9, at the Unix epoch.
    pub fn from_request<B>(request: Request<B>) -> Self {
        let (parts, _) = request.into_parts();
        Self {
            method: parts.method,
            uri: parts.uri,
            version: parts.version,
            headers: parts.headers,
            framing: parts.extensions.get().copied().unwrap_or_default(),
            scheme: parts.extensions.get().copied().unwrap_or_default(),
            ..Self::get("/")
        }
    }

    /// Sets the peer address.
    pub fn from(self, addr: &str) -> Self {
        let peer = peer(addr);
        Self { peer, ..self }
    }

    /// Sets the method.
    pub fn method(self, method: &str) -> Self {
        let method = method.parse().unwrap();
        Self { method, ..self }
    }

    /// Sets `Host`.
    pub fn host(mut self, host: &str) -> Self {
        self.headers.insert(HOST, host.parse().unwrap());
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.headers.append(name, value.parse().unwrap());
        self
    }

    /// Sets the time since the Unix epoch.
    pub fn at(self, mono: Duration) -> Self {
        let now = Now::new(mono, UNIX_EPOCH + mono);
        Self { now, ..self }
    }

    /// The facts of this request under these client rules.
    pub fn facts(&self, rules: &ClientRules) -> Facts<'_> {
        self.facts_for(rules, Needs::ALL)
    }

    /// The facts of this request under these client rules, for inspectors with these needs.
    pub fn facts_for(&self, rules: &ClientRules, needs: Needs) -> Facts<'_> {
        let head = Head {
            method: &self.method,
            uri: &self.uri,
            version: self.version,
            headers: &self.headers,
            protocol: None,
            framing: self.framing,
            scheme: self.scheme,
        };
        let mut facts = Facts::unresolved(head, self.peer, self.now);
        facts.resolve_by(rules, needs);
        facts
    }
}
