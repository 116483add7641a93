//! A request body is at most `max_body` bytes. One that announces more is refused, and one of unknown
//! length is cut there, so that the server never takes a part for the whole.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use gabion::Guard;
use gabion_proxy::Protocols;
use gabion_testkit::{RawConnection, RawServer, http2_sender};
use http::Request;
use http_body_util::{BodyExt as _, StreamBody, combinators::BoxBody};
use hyper::body::Frame;

use crate::support::guarded_proxy::GuardedProxy;

const LIMITED: &str = "version = 1\n[protocol]\nmax_body = '10B'\n";

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A server that a test answers by hand, behind a guard.
struct Setup {
    proxy: GuardedProxy,
    server: RawServer,
}

// === impl Setup ===

impl Setup {
    async fn start(policy: &str) -> Self {
        let server = RawServer::bind().await;
        let guard = Guard::from_policy(policy).unwrap();
        let protocols = Protocols::Http1AndPriorKnowledge;
        let proxy = GuardedProxy::with_protocols(protocols, &server.url(), guard);
        Self { proxy, server }
    }

    async fn post(&self, path: &str, lines: &str, body: &str) -> RawConnection {
        let mut client = self.proxy.connect().await;
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
        client.send(head + body).await;
        client
    }

    /// Sends `body` with a length, and then in chunks; the server must receive it.
    async fn assert_passes(&self, path: &str, body: &str) {
        let length = format!("Content-Length: {}\r\n", body.len());
        let mut client = self.post(path, &length, body).await;
        self.answer(body).await;
        assert_eq!(status(&mut client).await, 200);
        let mut client = self.post(path, CHUNKED, &chunks(body)).await;
        let received = self.answer(END).await;
        assert_eq!(status(&mut client).await, 200);
        assert_eq!(decoded(&received), body);
    }

    /// Answers the next request after its body, which ends with `end`, and returns that.
    async fn answer(&self, end: &str) -> String {
        let mut connection = self.server.accept().await;
        connection.head().await;
        let body = connection.until(end).await;
        connection.send(OK).await;
        connection.half_close().await;
        body
    }

    /// What the server receives of the next body until its connection ends.
    async fn cut(&self) -> String {
        let received = self.server.accept().await.end().await;
        let (_, body) = received.split_once("\r\n\r\n").unwrap_or_default();
        body.to_owned()
    }

    /// The next request that reaches the server is the one sent now.
    async fn assert_untouched(&self) {
        let mut client = self.proxy.connect().await;
        client
            .send("GET /next HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await;
        let (_connection, head) = self.server.answer(OK).await;
        assert!(head.starts_with("GET /next "), "{head}");
    }
}

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// `body` in chunks of at most 5 bytes.
fn chunks(body: &str) -> String {
    let chunks = body.as_bytes().chunks(5);
    let chunks = chunks.map(|chunk| {
        let text = String::from_utf8_lossy(chunk);
        format!("{:x}\r\n{text}\r\n", chunk.len())
    });
    chunks.chain(["0\r\n\r\n".to_owned()]).collect()
}

/// The last chunk, after another.
const END: &str = "\r\n0\r\n\r\n";

/// The data of chunks whose text has no line ends.
fn decoded(chunks: &str) -> String {
    let lines = chunks.strip_suffix(END).unwrap().split("\r\n");
    lines.skip(1).step_by(2).collect()
}

async fn status(client: &mut RawConnection) -> u16 {
    client.response("POST").await.unwrap().status.as_u16()
}

/// The status of a POST over HTTP/2 with these data frames and no length.
async fn http2_status(setup: &Setup, frames: &'static [&'static str]) -> u16 {
    let stream = setup.proxy.connect().await.into_stream();
    let mut sender = http2_sender::<BoxBody<Bytes, Infallible>>(stream).await;
    let frames = frames
        .iter()
        .map(|data| Ok(Frame::data(Bytes::from_static(data.as_bytes()))));
    let body = StreamBody::new(futures_util::stream::iter(frames)).boxed();
    let request = Request::post("http://localhost/").body(body).unwrap();
    let response = sender.send_request(request).await.unwrap();
    response.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_not_limited_by_default() {
    let setup = Setup::start("version = 1").await;
    setup.assert_passes("/", &"a".repeat(1 << 20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn body_of_the_limit_passes() {
    let setup = Setup::start(LIMITED).await;
    setup.assert_passes("/", "0123456789").await;
    let (status, received) = tokio::join!(
        http2_status(&setup, &["01234", "", "56789"]),
        setup.answer(END),
    );
    assert_eq!((status, &*decoded(&received)), (200, "0123456789"));
}

#[tokio::test(flavor = "multi_thread")]
async fn larger_announced_body_is_refused_before_it_is_sent() {
    let setup = Setup::start(LIMITED).await;
    for length in ["11", "000011", "99999999999"] {
        let lines = format!("Content-Length: {length}\r\nExpect: 100-continue\r\n");
        let mut client = setup.post("/", &lines, "").await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 413 "), "{length}: {head}");
    }
    setup.assert_untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn larger_streamed_body_is_cut_and_refused() {
    let setup = Setup::start(LIMITED).await;
    let mut client = setup.post("/", CHUNKED, &chunks("0123456789a")).await;
    let (status, received) = tokio::join!(status(&mut client), setup.cut());
    assert_eq!(status, 413);
    assert!(!received.ends_with(END), "no end: {received:?}");
    assert!(!received.contains('a'), "{received:?}");

    let (status, received) = tokio::join!(http2_status(&setup, &["0123456789", "a"]), setup.cut());
    assert_eq!(status, 413);
    assert!(!received.ends_with(END), "no end: {received:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_still_sends_receives_the_refusal() {
    let setup = Setup::start(&LIMITED.replace("10B", "64KiB")).await;
    let body = "a".repeat(4 << 20);
    let chunked = format!("{:x}\r\n{body}{END}", body.len());
    let posting = setup.post("/", CHUNKED, &chunked);
    let (mut client, _) = tokio::join!(posting, setup.cut());
    assert_eq!(status(&mut client).await, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn streamed_body_is_cut_after_an_early_response() {
    let setup = Setup::start(LIMITED).await;
    let mut client = setup.post("/", CHUNKED, "5\r\n01234\r\n").await;
    let mut connection = setup.server.accept().await;
    connection.head().await;
    connection.until("01234\r\n").await;
    let early = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n>\r\n";
    connection.send(early).await;
    client.until(">").await;
    client.send("6\r\n56789a\r\n0\r\n\r\n").await;
    let received = connection.end().await;
    assert!(!received.ends_with(END), "no end: {received:?}");
    let rest = client.end().await;
    assert!(!rest.ends_with(END), "no end: {rest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn exceptions_and_observe_mode_cut_nothing() {
    let body = "0123456789a";
    for (policy, path) in [
        (format!("{LIMITED}off = ['body/large']\n"), "/"),
        (format!("{LIMITED}observe = ['body/large']\n"), "/"),
        (
            format!("{LIMITED}[[protocol.except]]\npaths = '/upload'\noff = ['body/large']\n"),
            "/upload/a",
        ),
        (
            LIMITED.replace("[protocol]", "mode = 'observe'\n[protocol]"),
            "/",
        ),
    ] {
        let setup = Setup::start(&policy).await;
        setup.assert_passes(path, body).await;
    }
    let setup = Setup::start(LIMITED).await;
    setup.proxy.guard().observe_for(Duration::from_mins(1));
    setup.assert_passes("/", body).await;
}
