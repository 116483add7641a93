//! Explains how a policy judges a sample request.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use gabion_core::{
    Denial, Escaped, Explanation, Facts, ForwardedHeader, Framing, Head, MessageDenial,
    MessageDenials, MessageFacts, Now, PeerAddr, RequestState, Scheme, Snapshot, Verdict,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header};

/// A request for [`explain`], without a connection or body: method, target, headers, peer address.
///
/// It is an HTTP/1.1 request over plain HTTP, unless [`SampleRequest::with_version`] says otherwise.
///
/// # Examples
///
/// ```
/// use gabion_policy::SampleRequest;
///
/// let request = SampleRequest::new("GET /index.php")?.with_from([203, 0, 113, 9].into());
/// assert!(request.with_header("user-agent", "sqlmap/1.7").is_ok());
/// assert!(SampleRequest::new("GET index.php please").is_err());
/// # Ok::<(), gabion_policy::SampleRequestError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SampleRequest {
    method: Method,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
    from: IpAddr,
}

/// An error of parsing a [`SampleRequest`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleRequestError {
    /// The text is neither `METHOD /path` nor `/path`.
    #[error("invalid request `{}`: write `/path` or `GET /path`", Escaped(.0.as_bytes()))]
    Request(String),
    /// The text is not a header name (RFC 9110, 5.1).
    #[error("invalid header name `{}`", Escaped(.0.as_bytes()))]
    Name(String),
    /// The text is not a header value (RFC 9110, 5.5).
    #[error("invalid header value `{}`", Escaped(.0.as_bytes()))]
    Value(String),
}

/// The verdict on a [`SampleRequest`] and every step to it, returned by [`explain`].
///
/// `Display` prints one line per inspector, then the observed denials, then the verdict.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explained {
    /// The final verdict.
    pub verdict: Verdict,
    /// The denials in observe mode, which do not affect the verdict.
    pub observed: Vec<Denial>,
    /// The verdict of each inspector, in order.
    pub steps: Explanation,
}

/// Judges `request` by `snapshot` at the time `now`, and returns every inspector's verdict.
///
/// The inspectors run the same code as for a real request. Nothing is counted or banned: limits and
/// scores are read but not changed.
///
/// # Examples
///
/// ```
/// # use std::{sync::Arc, time::{Duration, SystemTime}};
/// # use gabion_core::{Event, Now, PolicySource, Sink};
/// use gabion_policy::{PolicyHandle, PolicyOptions, SampleRequest, explain};
/// # struct NoEvents;
/// # impl Sink for NoEvents {
/// #     fn record(&self, _: &Event) {}
/// # }
///
/// let options = PolicyOptions::new(Arc::new(NoEvents));
/// let policy = PolicyHandle::from_document("version = 1\npacks = ['never']\n", "policy.toml", options)?;
/// let now = Now::new(Duration::ZERO, SystemTime::UNIX_EPOCH);
///
/// let denied = explain(&policy.current(), &SampleRequest::new("/.env").unwrap(), now);
/// assert!(denied.verdict.refuses());
/// assert_eq!(denied.steps.steps().last().unwrap().inspector, "deny");
///
/// let passed = explain(&policy.current(), &SampleRequest::new("/").unwrap(), now);
/// assert!(!passed.verdict.refuses());
/// # Ok::<(), gabion_policy::PolicyError>(())
/// ```
pub fn explain(snapshot: &Snapshot, request: &SampleRequest, now: Now) -> Explained {
    let facts = request.facts(snapshot, now);
    let mut state = RequestState::new(&facts);
    let mut steps = Explanation::default();
    let verdict = snapshot.chain.explain(&facts, &mut state, &mut steps);
    Explained {
        verdict,
        observed: state.observed().to_vec(),
        steps,
    }
}

// === impl SampleRequest ===

impl SampleRequest {
    /// The default peer address, 192.0.2.1: reserved for documentation (RFC 5737), so that no client
    /// has it.
    pub const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    /// The default `Host` header.
    pub const HOST: &str = "localhost";

    /// Parses `METHOD /path`, or `/path` for a GET.
    ///
    /// # Errors
    ///
    /// Fails if the method or the target is not valid in HTTP.
    pub fn new(request: &str) -> Result<Self, SampleRequestError> {
        let invalid = || SampleRequestError::Request(request.to_owned());
        let (method, target) = match request.split_once(' ') {
            Some(parts) => parts,
            None if request.starts_with('/') => ("GET", request),
            None => return Err(invalid()),
        };
        Ok(Self {
            method: method.parse().map_err(|_| invalid())?,
            uri: target.parse().map_err(|_| invalid())?,
            version: Version::HTTP_11,
            headers: HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(Self::HOST))]),
            from: Self::FROM,
        })
    }

    pub(crate) fn facts(&self, snapshot: &Snapshot, now: Now) -> Facts<'_> {
        let head = Head {
            method: &self.method,
            uri: &self.uri,
            version: self.version,
            headers: &self.headers,
            protocol: None,
            framing: Framing::AsShown,
            scheme: Scheme::default(),
        };
        let peer = PeerAddr::new(SocketAddr::new(self.from, 0));
        Facts::resolve(head, peer, &snapshot.client, now)
    }

    /// The enforced denial by `snapshot`, if any, of the text message `text` on the WebSocket that this
    /// request opens.
    pub(crate) fn message_denial(
        &self,
        snapshot: &Snapshot,
        text: &str,
        now: Now,
    ) -> Option<MessageDenial> {
        let mut denials = MessageDenials::default();
        let message = MessageFacts {
            client: &self.facts(snapshot, now).client,
            path: self.uri.path(),
            is_text: true,
            payload: text.as_bytes(),
            offset: 0,
            now,
        };
        if let Some(messages) = &snapshot.messages {
            messages.inspect_message(&message, &mut denials);
        }
        denials.into_parts().1
    }

    /// Sets the peer address.
    pub fn with_from(self, from: IpAddr) -> Self {
        Self { from, ..self }
    }

    /// Sets the protocol version.
    pub fn with_version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// Sets the target: a path, or a URL.
    ///
    /// # Errors
    ///
    /// Fails if the target is not valid in HTTP.
    pub fn with_target(self, target: &str) -> Result<Self, SampleRequestError> {
        let uri = target.parse();
        let uri = uri.map_err(|_| SampleRequestError::Request(target.to_owned()))?;
        Ok(Self { uri, ..self })
    }

    /// Removes the headers in which proxies name the client.
    pub(crate) fn without_forwarding(mut self) -> Self {
        for header in ForwardedHeader::ALL {
            self.headers.remove(header.name());
        }
        self
    }

    /// Appends header lines in order, repeated ones too. Lines of `Host` replace the one so far.
    ///
    /// # Errors
    ///
    /// Fails if a name or value is not valid in HTTP.
    pub fn with_lines<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        mut self,
        lines: &[(N, V)],
    ) -> Result<Self, SampleRequestError> {
        let is_host = |name: &N| name.as_ref().eq_ignore_ascii_case(b"host");
        if lines.iter().any(|(name, _)| is_host(name)) {
            self.headers.remove(header::HOST);
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        for (name, value) in lines {
            let (name, value) = (name.as_ref(), value.as_ref());
            let parsed = HeaderName::from_bytes(name);
            let parsed = parsed.map_err(|_| SampleRequestError::Name(text(name)))?;
            let line = HeaderValue::from_bytes(value);
            let line = line.map_err(|_| SampleRequestError::Value(text(value)))?;
            self.headers.append(parsed, line);
        }
        Ok(self)
    }

    /// Adds or replaces a header, `Host` included.
    ///
    /// # Errors
    ///
    /// Fails if the name or value is not valid in HTTP.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, SampleRequestError> {
        let name: HeaderName = name
            .parse()
            .map_err(|_| SampleRequestError::Name(name.to_owned()))?;
        let value = value
            .parse()
            .map_err(|_| SampleRequestError::Value(value.to_owned()))?;
        self.headers.insert(name, value);
        Ok(self)
    }
}

// === impl Explained ===

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.steps)?;
        for denial in &self.observed {
            writeln!(f, "{:<8} {denial}", "observed")?;
        }
        write!(f, "{:<8} {}", "verdict", self.verdict)
    }
}
