//! A proxy with raw sockets on both sides, which send and receive exact bytes.

use std::{
    io,
    sync::{Arc, LazyLock, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use gabion_proxy::{
    Protocols, Proxy, ProxyOptions, ServeOptions, Upstream, UpstreamGroup, UpstreamOptions,
};
use gabion_sinks::Tracing;
use gabion_testkit::{ProxyServer, RawServer, http2_sender};
use http::Request;
use http_body_util::combinators::BoxBody;
use hyper::{body::Incoming, client::conn::http2};
use tower_service::Service;

/// A test that waits longer than this has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// The shared log of all tests. It is set up before the first log line: tracing may skip a
/// subscriber that is installed later.
static LOG: LazyLock<Mutex<Vec<u8>>> = LazyLock::new(|| {
    tracing_subscriber::fmt()
        .with_writer(|| Log)
        .with_ansi(false)
        .init();
    Mutex::default()
});

struct Log;

/// Options of a test's proxy.
pub(crate) struct Setup {
    pub(crate) proxy: ProxyOptions,
    pub(crate) serve: ServeOptions,
    /// Replaces the layers between the accept loop and the proxy.
    pub(crate) tweak: fn(&mut Request<Incoming>),
}

#[derive(Clone)]
struct TweakedProxy(Proxy, fn(&mut Request<Incoming>));

/// Returns the log lines that contain `subject`.
pub(crate) fn logged(subject: &str) -> String {
    let log = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    log.split_inclusive('\n')
        .filter(|line| line.contains(subject))
        .collect()
}

// === impl Log ===

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// === impl Setup ===

impl Default for Setup {
    fn default() -> Self {
        Self {
            proxy: ProxyOptions::default().with_sink(Arc::new(Tracing::default())),
            serve: ServeOptions::default(),
            tweak: |_| {},
        }
    }
}

impl Setup {
    pub(crate) fn with_http2() -> Self {
        let serve = ServeOptions::default().with_protocols(Protocols::Http1AndPriorKnowledge);
        Self {
            serve,
            ..Self::default()
        }
    }

    pub(crate) fn before(self, url: &str) -> ProxyServer {
        let upstream: Upstream = url.parse().unwrap();
        self.before_group(upstream)
    }

    pub(crate) fn before_group(self, upstreams: impl Into<UpstreamGroup>) -> ProxyServer {
        LazyLock::force(&LOG);
        let tweak = self.tweak;
        ProxyServer::before(upstreams, &self.proxy, self.serve, |proxy| {
            TweakedProxy(proxy, tweak)
        })
    }
}

/// A proxy with default options in front of `upstream`.
pub(crate) fn proxy_before(upstream: &RawServer) -> ProxyServer {
    Setup::default().before(&upstream.url())
}

/// A group of these URLs.
pub(crate) fn group(urls: &[&str], options: &UpstreamOptions) -> UpstreamGroup {
    let upstreams: Vec<Upstream> = urls.iter().map(|url| url.parse().unwrap()).collect();
    UpstreamGroup::new(upstreams, options).unwrap()
}

/// Connects to `proxy` with HTTP/2 prior knowledge.
pub(crate) async fn connect_http2(
    proxy: &ProxyServer,
) -> http2::SendRequest<BoxBody<Bytes, io::Error>> {
    http2_sender(proxy.connect().await.into_stream()).await
}

// === impl TweakedProxy ===

impl Service<Request<Incoming>> for TweakedProxy {
    type Response = <Proxy as Service<Request<Incoming>>>::Response;
    type Error = <Proxy as Service<Request<Incoming>>>::Error;
    type Future = <Proxy as Service<Request<Incoming>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        (self.1)(&mut request);
        self.0.call(request)
    }
}
