//! What a connection may do.

use std::{sync::Arc, time::Duration};

use gabion_core::Sink;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::Connections;
use crate::diagnosis_sink::DiagnosisSink;

/// More headers than this are answered 431.
const MAX_HEADERS: usize = 100;

/// An HTTP/1.1 head that is not whole after so many bytes is answered 431 (hyper looks after each
/// read, so a little more may pass); a body is read in pieces of at most this size.
const MAX_BUFFER: usize = 64 * 1024;

/// All headers of an HTTP/2 request together.
const MAX_HEADER_LIST: u32 = 32 * 1024;

/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;

/// How often the other side of an HTTP/2 connection is asked whether it is still there.
const HTTP2_PING: Duration = Duration::from_secs(20);

/// What connections speak, and for how long they may be silent.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    pub(super) protocols: Protocols,
    pub(super) header_timeout: Duration,
    pub(super) connections: Option<Arc<Connections>>,
    pub(super) diagnosis_sink: DiagnosisSink,
}

/// What a connection may speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocols {
    /// HTTP/1.1 and HTTP/1.0.
    #[default]
    Http1,
    /// Also HTTP/2 by prior knowledge: the client begins with its preface. For balancers and
    /// programs only, since no browser does.
    Http1AndPriorKnowledge,
}

/// Builders of connections.
#[derive(Debug)]
pub(super) struct HttpBuilders {
    pub(super) http1: http1::Builder,
    pub(super) http2: Option<http2::Builder<TokioExecutor>>,
}

// === impl ServeOptions ===

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            protocols: Protocols::default(),
            header_timeout: Duration::from_secs(75),
            connections: None,
            diagnosis_sink: DiagnosisSink::default(),
        }
    }
}

impl ServeOptions {
    /// Sets what connections may speak.
    pub fn with_protocols(self, protocols: Protocols) -> Self {
        Self { protocols, ..self }
    }

    /// Has `connections` know each connection, and end those whose peer is refused.
    pub fn with_connections(self, connections: Arc<Connections>) -> Self {
        let connections = Some(connections);
        Self {
            connections,
            ..self
        }
    }

    /// Tells `sink` of connections that speak TLS
    /// ([`Event::Diagnosis`](gabion_core::Event::Diagnosis)).
    pub fn with_sink(self, sink: Arc<dyn Sink>) -> Self {
        let diagnosis_sink = DiagnosisSink::new(sink);
        Self {
            diagnosis_sink,
            ..self
        }
    }

    /// How long a head may take from the end of the last exchange, and a connection to say what it
    /// speaks: 75 s by default.
    ///
    /// # Deployment
    ///
    /// hyper has one timer for a slow head and for an idle connection, so it must exceed the idle
    /// time of a balancer in front (60 s on AWS): else the balancer sends a request into a
    /// connection that is being closed, and answers 502.
    pub fn with_header_timeout(self, header_timeout: Duration) -> Self {
        Self {
            header_timeout,
            ..self
        }
    }
}

// === impl HttpBuilders ===

impl HttpBuilders {
    pub(super) fn new(options: &ServeOptions) -> Self {
        Self {
            http1: http1(options),
            http2: match options.protocols {
                Protocols::Http1 => None,
                Protocols::Http1AndPriorKnowledge => Some(http2()),
            },
        }
    }
}

fn http1(options: &ServeOptions) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_BUFFER);
    builder
}

fn http2() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST)
        .keep_alive_interval(HTTP2_PING)
        .enable_connect_protocol();
    builder
}
