//! A request on paper: what would become of it?

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use gabion_core::{
    Denial, Escaped, Explanation, Facts, Framing, Head, MessageDenial, MessageDenials,
    MessageFacts, Now, PeerAddr, RequestState, Scheme, Snapshot, Verdict,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header};

/// A request that nobody sent, to be judged all the same.
///
/// # Examples
///
/// ```
/// use gabion_policy::SampleRequest;
///
/// let probe = SampleRequest::new("GET /index.php").unwrap().with_from([203, 0, 113, 9].into());
/// assert!(SampleRequest::new("GET index.php please").is_err());
/// ```
#[derive(Clone, Debug)]
pub struct SampleRequest {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    from: IpAddr,
}

/// Why a text is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleRequestError {
    /// Not `GET /path`, nor `/path`.
    #[error("`{}` is no request: write `/path` or `GET /path`", Escaped(.0.as_bytes()))]
    Request(String),
    /// Not a header's name.
    #[error("`{}` cannot name a header", Escaped(.0.as_bytes()))]
    Name(String),
    /// Not a header's value.
    #[error("`{}` cannot be the value of a header", Escaped(.0.as_bytes()))]
    Value(String),
}

/// What became of a [`SampleRequest`], step by step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explained {
    /// The verdict that counts.
    pub verdict: Verdict,
    /// The denials that did not act.
    pub observed: Vec<Denial>,
    /// What each inspector said, in order.
    pub steps: Explanation,
}

/// Judges `probe` by `snapshot`, as a guard would at `now`, and keeps every step.
pub fn explain(snapshot: &Snapshot, probe: &SampleRequest, now: Now) -> Explained {
    let facts = probe.facts(snapshot, now);
    let mut state = RequestState::new(&facts);
    let mut steps = Explanation::default();
    let verdict = snapshot.chain.explain(&facts, &mut state, &mut steps);
    Explained {
        verdict,
        observed: state.observed().to_vec(),
        steps,
    }
}

// === impl Probe ===

impl SampleRequest {
    /// Whom a probe comes from unless it says so: an address that no client has (RFC 5737).
    pub const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    /// The host that a probe asks for unless a header says so.
    pub const HOST: &str = "localhost";

    /// Reads `GET /path`, or `/path` for a GET.
    pub fn new(request: &str) -> Result<Self, SampleRequestError> {
        let refuse = || SampleRequestError::Request(request.to_owned());
        let (method, target) = match request.split_once(' ') {
            Some(parts) => parts,
            None if request.starts_with('/') => ("GET", request),
            None => return Err(refuse()),
        };
        Ok(Self {
            method: method.parse().map_err(|_| refuse())?,
            uri: target.parse().map_err(|_| refuse())?,
            headers: HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(Self::HOST))]),
            from: Self::FROM,
        })
    }

    fn facts(&self, snapshot: &Snapshot, now: Now) -> Facts<'_> {
        let head = Head {
            method: &self.method,
            uri: &self.uri,
            version: Version::HTTP_11,
            headers: &self.headers,
            protocol: None,
            framing: Framing::AsShown,
            scheme: Scheme::default(),
        };
        let peer = PeerAddr::new(SocketAddr::new(self.from, 0));
        Facts::resolve(head, peer, &snapshot.client, now)
    }

    /// The objection that acts, of those that `snapshot` has against `text` on the WebSocket that
    /// this asks for.
    pub(crate) fn object(
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
        snapshot.chain.message(&message, &mut denials);
        denials.into_parts().1
    }

    /// Sets the other end of the socket.
    pub fn with_from(self, from: IpAddr) -> Self {
        Self { from, ..self }
    }

    /// Sets a header, `Host` among them.
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

// === impl Judgment ===

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.steps)?;
        for denial in &self.observed {
            writeln!(f, "{:<8} {denial}", "observed")?;
        }
        write!(f, "{:<8} {}", "verdict", self.verdict)
    }
}
