//! HTTP/2 clients with several requests at once on one connection, each of which must get the correct response.

use std::{net::SocketAddr, rc::Rc};

use bytes::Bytes;
use futures_util::future::try_join_all;
use gabion_benches::Rng;
use gabion_testkit::http2_sender;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::SendRequest;
use tokio::net::TcpStream;

use crate::{
    body,
    latencies::Latencies,
    traffic::{Client, returning_address},
};

/// Downloads and uploads up to 64 KiB on four streams at once.
pub(super) struct Http2 {
    addr: SocketAddr,
    rng: Rng,
    sender: Option<SendRequest<Full<Bytes>>>,
    latencies: Rc<Latencies>,
}

const STREAMS: usize = 4;
const MAX_BODY: usize = 64 * 1024;

/// Opens an HTTP/2 connection.
pub(super) async fn connect(addr: SocketAddr) -> Result<SendRequest<Full<Bytes>>, String> {
    let stream = TcpStream::connect(addr).await;
    Ok(http2_sender(stream.map_err(|error| error.to_string())?).await)
}

/// Creates a request on behalf of `client`: a POST if it has a body.
pub(super) fn request(
    addr: SocketAddr,
    target: &str,
    client: [u8; 4],
    body: Vec<u8>,
) -> Request<Full<Bytes>> {
    let [a, b, c, d] = client;
    let method = if body.is_empty() { "GET" } else { "POST" };
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{addr}{target}"))
        .header("x-forwarded-for", format!("{a}.{b}.{c}.{d}"));
    request.body(body.into()).expect("a request")
}

// === impl Http2 ===

impl Http2 {
    pub(super) fn new(addr: SocketAddr, index: usize, latencies: Rc<Latencies>) -> Self {
        Self {
            addr,
            rng: Rng::new(index as u64 + 300),
            sender: None,
            latencies,
        }
    }
}

impl Client for Http2 {
    async fn run(&mut self) -> Result<(), String> {
        let sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => connect(self.addr).await?,
        };
        let mut streams = Vec::new();
        for _ in 0..STREAMS {
            let client = returning_address(self.rng.below(usize::MAX));
            let (length, seed) = (self.rng.below(MAX_BODY) + 1, self.rng.below(1 << 20));
            let expected = body(length, seed as u64);
            let request = if seed % 3 == 0 {
                request(self.addr, "/echo", client, expected.clone())
            } else {
                let target = format!("/bytes/{length}/{seed}");
                request(self.addr, &target, client, Vec::new())
            };
            streams.push(exchange(sender.clone(), request, expected, &self.latencies));
        }
        try_join_all(streams).await?;
        self.sender = Some(sender);
        Ok(())
    }
}

async fn exchange(
    mut sender: SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    expected: Vec<u8>,
    latencies: &Latencies,
) -> Result<(), String> {
    let sent = std::time::Instant::now();
    let what = format!("{} {}", request.method(), request.uri());
    let received = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?;
        Ok::<_, hyper::Error>((status, body.to_bytes()))
    };
    let (status, body) = received
        .await
        .map_err(|error| format!("{what}: {error:?}"))?;
    latencies.record(sent);
    if status != StatusCode::OK || body != expected {
        let (got, length) = (body.len(), expected.len());
        return Err(format!("{what}: status {status}, {got} of {length} bytes"));
    }
    Ok(())
}
