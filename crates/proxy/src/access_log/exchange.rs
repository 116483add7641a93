//! A request that is in progress, with what its record holds.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use gabion_core::{AccessDenial, AccessRecord, ClientIp, Denial, PeerAddr, RuleId, WebSocketPhase};
use http::{Extensions, HeaderMap, HeaderName, Method, Request, StatusCode, Version, header};
use tokio::time::Instant;

use super::AccessRecorder;
use crate::event_sink::wall_clock;

/// A request in progress. It is in the extensions of the request, so that the proxy can name the server.
#[derive(Clone, Debug)]
pub(crate) struct LoggedExchange(Arc<Exchange>);

/// An open tunnel. Dropping it records its end.
#[derive(Debug)]
pub(crate) struct OpenTunnel(LoggedExchange);

/// A response that has not ended. Dropping it records the request.
#[derive(Debug)]
pub(super) struct OpenResponse {
    exchange: LoggedExchange,
    status: StatusCode,
    denial: Option<RecordedDenial>,
    pub(super) bytes: u64,
}

#[derive(Debug)]
struct Exchange {
    recorder: AccessRecorder,
    arrived: Instant,
    client: Option<ClientIp>,
    peer: Option<IpAddr>,
    method: Method,
    version: Version,
    /// Target, host, user agent and referer, one behind the other. A copy: the head's own buffer is freed.
    text: Box<[u8]>,
    /// Where the first three end in it.
    ends: [usize; 3],
    upstream: OnceLock<Box<str>>,
}

#[derive(Debug)]
struct RecordedDenial {
    rule: RuleId,
    mode: gabion_core::Mode,
    event: Option<gabion_core::EventId>,
}

/// The status that nginx logs if the client closes its connection before there is a response.
const CLIENT_CLOSED: u16 = 499;

// === impl LoggedExchange ===

impl LoggedExchange {
    pub(super) fn new<B>(request: &Request<B>, recorder: AccessRecorder) -> Self {
        let (uri, headers) = (request.uri(), request.headers());
        let peer: Option<PeerAddr> = request.extensions().get().copied();
        let client = peer.map(|peer| (recorder.clients)(peer, headers));
        let whole;
        let target = if let (Some(target), None) = (uri.path_and_query(), uri.authority()) {
            target.as_str()
        } else if request.version() >= Version::HTTP_2 && *request.method() != Method::CONNECT {
            uri.path_and_query().map_or("", |target| target.as_str())
        } else {
            // The form that proxies get, or `host:port`.
            whole = uri.to_string();
            &whole
        };
        let host = field(headers, &header::HOST);
        let host = match uri.authority() {
            Some(authority) if host.is_empty() => authority.as_str().as_bytes(),
            _ => host,
        };
        let target = start(target.as_bytes(), AccessRecord::MAX_TARGET);
        let [host, agent, referer] = [
            host,
            field(headers, &header::USER_AGENT),
            field(headers, &header::REFERER),
        ]
        .map(|text| start(text, AccessRecord::MAX_FIELD));
        let text = [target, host, agent, referer].concat().into();
        let agent_begins = target.len() + host.len();
        let ends = [target.len(), agent_begins, agent_begins + agent.len()];
        Self(Arc::new(Exchange {
            recorder,
            arrived: Instant::now(),
            client,
            peer: peer.map(PeerAddr::addr),
            method: request.method().clone(),
            version: request.version(),
            text,
            ends,
            upstream: OnceLock::new(),
        }))
    }

    /// Sets the server that responded.
    pub(crate) fn set_upstream(&self, upstream: &str) {
        // A request has one response.
        let _ = self.0.upstream.set(upstream.into());
    }

    pub(crate) const fn open_tunnel(self) -> OpenTunnel {
        OpenTunnel(self)
    }

    pub(super) fn is_connect(&self) -> bool {
        self.0.method == Method::CONNECT
    }

    fn record<'r>(
        &'r self,
        denial: Option<AccessDenial<'r>>,
        complete: impl FnOnce(&mut AccessRecord<'_>),
    ) {
        let exchange = &*self.0;
        let [target, host, agent] = exchange.ends;
        let text = |range: std::ops::Range<usize>| exchange.text.get(range).unwrap_or_default();
        let mut record = AccessRecord::new(
            wall_clock(),
            &exchange.method,
            text(0..target),
            StatusCode::from_u16(CLIENT_CLOSED).unwrap_or(StatusCode::BAD_REQUEST),
        );
        record.elapsed = exchange.arrived.elapsed();
        record.client = exchange.client;
        record.peer = exchange.peer;
        record.version = exchange.version;
        record.host = text(target..host);
        record.user_agent = text(host..agent);
        record.referer = text(agent..exchange.text.len());
        record.upstream = exchange.upstream.get().map(AsRef::as_ref);
        record.denial = denial;
        complete(&mut record);
        exchange.recorder.sink.record(&record);
    }
}

// === impl OpenTunnel ===

impl Drop for OpenTunnel {
    fn drop(&mut self) {
        self.0.record(None, |record| {
            record.status = if self.0.is_connect() {
                StatusCode::OK
            } else {
                StatusCode::SWITCHING_PROTOCOLS
            };
            record.websocket = Some(WebSocketPhase::Close);
        });
    }
}

// === impl OpenResponse ===

impl OpenResponse {
    /// Without a response so far.
    pub(super) fn new(exchange: LoggedExchange) -> Self {
        Self {
            exchange,
            status: StatusCode::from_u16(CLIENT_CLOSED).unwrap_or(StatusCode::BAD_REQUEST),
            denial: None,
            bytes: 0,
        }
    }

    pub(super) fn set_head(&mut self, status: StatusCode, extensions: &Extensions) {
        self.status = status;
        let denial: Option<&Denial> = extensions.get();
        self.denial = denial.map(|denial| RecordedDenial {
            rule: denial.cause.rule.clone(),
            mode: denial.mode,
            event: denial.event,
        });
    }

    /// Returns `true` if the response opened a tunnel.
    fn is_upgraded(&self) -> bool {
        self.status == StatusCode::SWITCHING_PROTOCOLS
            || self.exchange.is_connect() && self.status.is_success()
    }
}

impl Drop for OpenResponse {
    fn drop(&mut self) {
        let denial = self.denial.as_ref().map(|denial| AccessDenial {
            rule: &denial.rule,
            mode: denial.mode,
            event: denial.event,
        });
        self.exchange.record(denial, |record| {
            record.status = self.status;
            record.bytes = self.bytes;
            record.websocket = self.is_upgraded().then_some(WebSocketPhase::Open);
        });
    }
}

/// Returns the first value of a header.
fn field<'h>(headers: &'h HeaderMap, name: &HeaderName) -> &'h [u8] {
    let value = headers.get(name);
    value.map_or(b"", |value| value.as_bytes())
}

fn start(text: &[u8], max: usize) -> &[u8] {
    text.get(..max).unwrap_or(text)
}
