//! Resolved properties of a request, as inspectors see them.

use http::{HeaderMap, Method, Uri, Version};

use crate::{
    ClientIp, ClientRules, Escaped, Framing, Head, HeaderIndex, KnownHeader, Needs, Now, PathViews,
    PeerAddr, Scheme, Upgrade, path::Derived,
};

/// Properties of a request, resolved once and then used by every [`Inspect`](crate::Inspect).
///
/// # Examples
///
/// ```
/// use gabion_core::{Attribution, ClientRules, Facts, Framing, Head, Now, PeerAddr, Scheme};
/// # use std::time::{Duration, UNIX_EPOCH};
/// # let (uri, headers) = (http::Uri::from_static("/%2eenv"), http::HeaderMap::new());
/// # let now = Now::new(Duration::ZERO, UNIX_EPOCH);
///
/// let head = Head {
///     method: &http::Method::GET,
///     uri: &uri, // "/%2eenv"
///     version: http::Version::HTTP_11,
///     headers: &headers,
///     protocol: None,
///     framing: Framing::AsShown,
///     scheme: Scheme::Plain,
/// };
/// let peer = PeerAddr::new(([203, 0, 113, 9], 4000).into());
/// let facts = Facts::resolve(head, peer, &ClientRules::default(), now);
/// assert_eq!(facts.client.to_string(), "203.0.113.9");
/// assert!(facts.path.iter().any(|view| view.path == b"/.env"));
/// assert!(matches!(facts.attribution(), Attribution::Forgeable { .. }));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Facts<'r> {
    /// The client.
    pub client: ClientIp,
    /// The remote address of the socket.
    pub peer: PeerAddr,
    /// The method.
    pub method: &'r Method,
    /// The target as sent.
    pub uri: &'r Uri,
    /// The protocol version.
    pub version: Version,
    /// The headers.
    pub headers: &'r HeaderMap,
    /// The headers that most inspectors look up.
    pub index: HeaderIndex<'r>,
    /// The forms in which servers may interpret the path.
    pub path: PathViews<'r>,
    /// The protocol upgrade that the request offers.
    pub upgrade: Upgrade,
    /// Message framing that the headers no longer show.
    pub framing: Framing,
    /// The scheme of the client's connection: as a trusted peer reports it, else that of the peer's
    /// own connection.
    pub scheme: Scheme,
    /// The time of judgment.
    pub now: Now,
}

/// The client, scheme and, if they were read, path views of one request, resolved by the outermost of several stacked
/// layers and carried to the inner ones in the request's extensions.
///
/// It holds for as long as peer, method and target stay the same ([`Facts::restore`]).
///
/// # Examples
///
/// ```
/// # use std::time::{Duration, SystemTime};
/// use gabion_core::{ClientRules, Facts, Framing, Head, Needs, Now, PeerAddr, Scheme};
/// use http::{HeaderMap, Method, Uri, Version};
///
/// # let now = Now::new(Duration::ZERO, SystemTime::UNIX_EPOCH);
/// let mut headers = HeaderMap::new();
/// headers.insert("x-forwarded-for", "203.0.113.9".parse()?);
/// let (uri, other) = (Uri::from_static("/a"), Uri::from_static("/b"));
/// let head = |uri, headers| Head {
///     method: &Method::GET,
///     uri,
///     version: Version::HTTP_11,
///     headers,
///     protocol: None,
///     framing: Framing::default(),
///     scheme: Scheme::default(),
/// };
/// let peer = PeerAddr::new("10.0.0.7:443".parse()?);
/// let rules = ClientRules::default().with_trusted(["10.0.0.0/8".parse()?])?;
/// let resolution = Facts::resolve(head(&uri, &headers), peer, &rules, now).resolution();
///
/// // A layer in between drops the header: the client stays.
/// let none = HeaderMap::new();
/// let mut facts = Facts::unresolved(head(&uri, &none), peer, now);
/// assert!(facts.restore(&resolution, Needs::ALL));
/// assert_eq!(facts.client.to_string(), "203.0.113.9");
/// // A layer in between changes the target: the request is resolved again.
/// let mut facts = Facts::unresolved(head(&other, &none), peer, now);
/// assert!(!facts.restore(&resolution, Needs::ALL) && facts.client.is_unknown());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Resolution {
    client: ClientIp,
    scheme: Scheme,
    peer: PeerAddr,
    method: Method,
    uri: Uri,
    path: Option<Derived>,
    is_counted: bool,
}

impl Resolution {
    /// Marks the exchange as counted toward the standing of its client
    /// ([`RequestState::is_counted`](crate::RequestState::is_counted)).
    pub const fn with_counted(mut self, is_counted: bool) -> Self {
        self.is_counted = is_counted;
        self
    }

    /// Returns `true` if an outer layer counts the exchange toward the standing of its client.
    pub const fn is_counted(&self) -> bool {
        self.is_counted
    }
}

impl<'r> Facts<'r> {
    /// The maximum length of [`Self::kept_target`].
    pub(crate) const MAX_KEPT_TARGET: usize = 512;

    /// Resolves the facts of one request.
    ///
    /// # Cost
    ///
    /// No allocation for a plain path (see [`PathViews`]).
    pub fn resolve(head: Head<'r>, peer: PeerAddr, rules: &ClientRules, now: Now) -> Self {
        let mut facts = Self::unresolved(head, peer, now);
        facts.resolve_by(rules, Needs::ALL);
        facts
    }

    /// The facts of one request of which no header was read: the client is unknown
    /// ([`ClientIp::is_unknown`]), until [`Self::resolve_by`] or [`Self::restore`].
    ///
    /// In two steps, since to move facts costs as much as to find a header.
    #[inline]
    pub fn unresolved(head: Head<'r>, peer: PeerAddr, now: Now) -> Self {
        Self {
            client: ClientIp::unresolved(peer),
            peer,
            method: head.method,
            uri: head.uri,
            version: head.version,
            headers: head.headers,
            index: HeaderIndex::direct(head.headers),
            path: PathViews::new(head.uri.path().as_bytes()),
            upgrade: Upgrade::of_connect(&head).unwrap_or(Upgrade::None),
            framing: head.framing,
            scheme: head.scheme,
            now,
        }
    }

    /// Resolves the client by `rules`, for inspectors with these `needs`. They determine when headers are
    /// looked up ([`Needs::HEADERS`]), and change no fact.
    #[inline]
    pub fn resolve_by(&mut self, rules: &ClientRules, needs: Needs) {
        self.read_headers(needs);
        self.client = rules.resolve_indexed(self.peer, &self.index);
        if self.client.via_trusted()
            && let Some(scheme) = rules.scheme(&self.index)
        {
            self.scheme = scheme;
        }
    }

    /// Restores what an outer layer resolved. Returns `false`, and changes nothing, if peer, method or
    /// target changed since. Headers are read again: a layer in between may have changed them.
    pub fn restore(&mut self, resolution: &Resolution, needs: Needs) -> bool {
        let is_same = resolution.peer == self.peer
            && resolution.method == *self.method
            && resolution.uri == *self.uri;
        if is_same {
            self.read_headers(needs);
            self.client = resolution.client;
            self.scheme = resolution.scheme;
            self.path = PathViews::restore(self.path.raw(), resolution.path.clone());
        }
        is_same
    }

    #[inline]
    fn read_headers(&mut self, needs: Needs) {
        if needs.contains(Needs::HEADERS) {
            self.index.pass_over_all();
        }
        if *self.method != Method::CONNECT {
            self.upgrade = Upgrade::of_headers(self.version, &self.index);
        }
    }

    /// Returns the resolution that [`Self::restore`] takes the client, the scheme and the path views
    /// from.
    pub fn resolution(&self) -> Resolution {
        Resolution {
            client: self.client,
            scheme: self.scheme,
            peer: self.peer,
            method: self.method.clone(),
            uri: self.uri.clone(),
            path: self.path.derived_if_read().cloned(),
            is_counted: false,
        }
    }

    /// The path and query as sent.
    pub fn target(&self) -> &[u8] {
        match self.uri.path_and_query() {
            Some(target) => target.as_str().as_bytes(),
            None => self.path.raw(),
        }
    }

    /// The first [`Self::MAX_KEPT_TARGET`] bytes of the target, for an event.
    pub(crate) fn kept_target(&self) -> Box<[u8]> {
        let target = self.target();
        let end = target.len().min(Self::MAX_KEPT_TARGET);
        target.get(..end).unwrap_or_default().into()
    }

    /// The cookies, as pairs of name and value, from all `Cookie` lines: HTTP/2 may send each in
    /// its own line (RFC 9113, 8.2.3). Whitespace around a pair is removed (RFC 6265, 5.4); a part
    /// without `=` is skipped.
    pub fn cookies(&self) -> impl Iterator<Item = (&'r [u8], &'r [u8])> {
        let lines = self.index.lines(KnownHeader::Cookie);
        let pairs = lines.flat_map(|line| line.split(|&byte| byte == b';'));
        pairs.filter_map(|pair| {
            let pair = pair.trim_ascii();
            let (name, value) = pair.split_at(pair.iter().position(|&byte| byte == b'=')?);
            Some((name, value.strip_prefix(b"=")?))
        })
    }

    /// The WebSocket URL of this request's target: the client's scheme, the requested host, the path. `None`
    /// without a host, or if it is longer than 100 bytes.
    ///
    /// Bytes of the client are [`Escaped`], so that the URL can be shown in text and logs. A path of more than
    /// 100 bytes is cut.
    pub fn websocket_url(&self) -> Option<String> {
        const MAX_PART: usize = 100;
        let host = self.host().filter(|host| host.len() <= MAX_PART)?;
        let path = self.path.raw();
        let (path, ellipsis) = match path.split_at_checked(MAX_PART) {
            Some((head, [_, ..])) => (head, ".."),
            _ => (path, ""),
        };
        let (scheme, host, path) = (self.scheme.websocket_prefix(), Escaped(host), Escaped(path));
        Some(format!("{scheme}{host}{path}{ellipsis}"))
    }

    /// The requested host with its port: that of the target, or else of the first `Host` header.
    pub fn host(&self) -> Option<&'r [u8]> {
        let authority = self.uri.authority().map(|name| name.as_str().as_bytes());
        authority.or_else(|| Some(self.index.first(KnownHeader::Host)?.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use http::{HeaderName, HeaderValue};
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    const VALUES: [&str; 14] = [
        "",
        "1",
        "a.example",
        "websocket",
        "keep-alive, Upgrade",
        "203.0.113.5, 10.0.0.7",
        "unknown",
        "for=203.0.113.5;proto=https",
        "https",
        "cross-site",
        "prefetch",
        "https://b.example/",
        "Mozilla/5.0 (X11)",
        "gzip, deflate; a=b",
    ];

    fn header_name() -> impl Strategy<Value = HeaderName> {
        let known = KnownHeader::ALL.iter().map(|header| header.name());
        let others = ["sec-fetch-mode", "via", "x_real_ip", "x--b", "cf-ray"];
        select(known.chain(others).collect::<Vec<_>>()).prop_map(HeaderName::from_static)
    }

    proptest! {
        #[test]
        fn facts_are_the_same_with_and_without_a_pass_over_the_headers(
            lines in vec((header_name(), select(&VALUES[..])), 0..12),
            peer in select(&[[203, 0, 113, 9], [10, 0, 0, 7], [192, 168, 0, 1]][..]),
            method in select(&[Method::GET, Method::POST, Method::OPTIONS, Method::CONNECT][..]),
            path in "/[a-z.%2;/]{0,12}",
        ) {
            let uri: Uri = path.parse().unwrap();
            let lines = lines.into_iter();
            let headers: HeaderMap =
                lines.map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
            let head = Head {
                method: &method,
                uri: &uri,
                version: Version::HTTP_11,
                headers: &headers,
                protocol: None,
                framing: Framing::AsShown,
                scheme: Scheme::Plain,
            };
            let rules = ClientRules::default().with_trusted(["10.0.0.0/8".parse().unwrap()]);
            let (rules, peer) = (rules.unwrap(), PeerAddr::new((peer, 4711).into()));
            let now = Now::new(Duration::ZERO, UNIX_EPOCH);
            let resolve = |needs| {
                let mut facts = Facts::unresolved(head, peer, now);
                facts.resolve_by(&rules, needs);
                facts
            };
            let [indexed, direct] = [Needs::ALL, Needs::NONE].map(resolve);
            prop_assert_eq!(indexed.client, direct.client);
            prop_assert_eq!(indexed.scheme, direct.scheme);
            prop_assert_eq!(indexed.upgrade, direct.upgrade);
            prop_assert_eq!(indexed.attribution(), direct.attribution());
            prop_assert_eq!(indexed.host(), direct.host());
            prop_assert!(indexed.cookies().eq(direct.cookies()));
            let (indexed, direct) = (indexed.index, direct.index);
            prop_assert_eq!(indexed.bytes(), direct.bytes());
            prop_assert_eq!(indexed.has_irregular_name(), direct.has_irregular_name());
            for &header in KnownHeader::ALL {
                prop_assert_eq!(indexed.first(header), direct.first(header));
                prop_assert_eq!(indexed.single(header), direct.single(header));
                prop_assert_eq!(indexed.is_repeated(header), direct.is_repeated(header));
                prop_assert!(indexed.lines(header).eq(direct.lines(header)));
                prop_assert!(indexed.lines(header).rev().eq(direct.lines(header).rev()));
                prop_assert!(indexed.tokens(header).eq(direct.tokens(header)));
            }
        }
    }
}
