//! What passes through a watched socket passes as it came, both ways, whatever it is.

use std::time::Duration;

use bytes::Bytes;
use gabion_testkit::Recorder;
use http_body_util::Empty;
use hyper::{Method, Request, StatusCode, ext::Protocol, upgrade::Upgraded};
use hyper_util::rt::{TokioExecutor, TokioIo};
use proptest::{
    prelude::{Strategy as _, any},
    strategy::ValueTree as _,
    test_runner::TestRunner,
};
use std::sync::Arc;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::{house::House, sockets::builder};

/// A megabyte and a bit of bytes that are no frames at all: only where a policy asks for it is
/// anything made of them.
fn noise() -> Vec<u8> {
    let mut runner = TestRunner::deterministic();
    let bytes = proptest::collection::vec(any::<u8>(), 1_100_000);
    bytes.new_tree(&mut runner).unwrap().current()
}

async fn house() -> House {
    let events = Arc::new(Recorder::default());
    let guard = builder(events)
        .with_policy("version = 1", "policy")
        .unwrap();
    House::around(guard).await
}

/// A socket opened by hand, and what came with the answer.
async fn open_http1(house: &House) -> TcpStream {
    let mut stream = TcpStream::connect(house.addr()).await.unwrap();
    let ask = format!(
        "GET /raw HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        house.addr()
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(
        head.starts_with(b"HTTP/1.1 101 "),
        "{}",
        head.escape_ascii()
    );
    stream
}

/// A socket on a stream of HTTP/2 (RFC 8441).
async fn open_http2(house: &House) -> TokioIo<Upgraded> {
    let stream = TcpStream::connect(house.addr()).await.unwrap();
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let to = |method| {
        let request = Request::builder().method(method);
        request.uri(format!("http://{}/raw", house.addr()))
    };
    // Extended CONNECT may be sent once the server's settings have come.
    let warm = to(Method::GET).body(Empty::<Bytes>::new()).unwrap();
    sender.send_request(warm).await.unwrap();
    let ask = to(Method::CONNECT)
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .body(Empty::new())
        .unwrap();
    let answer = sender.send_request(ask).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    TokioIo::new(hyper::upgrade::on(answer).await.unwrap())
}

/// Sends noise, ends this half, and reads what comes back to the end: the service's half is open
/// until it has sent all.
async fn noise_comes_back<S: AsyncRead + AsyncWrite + Unpin>(stream: S) {
    let sent = noise();
    let (mut read, mut write) = tokio::io::split(stream);
    let mut back = Vec::new();
    let sending = async {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let both = async { tokio::join!(sending, read.read_to_end(&mut back)) };
    let ((), read) = timeout(Duration::from_secs(20), both).await.unwrap();
    assert_eq!(read.unwrap(), sent.len());
    assert!(back == sent, "some byte is another");
}

#[tokio::test]
async fn noise_over_http1() {
    let house = house().await;
    noise_comes_back(open_http1(&house).await).await;
}

#[tokio::test]
async fn noise_over_http2() {
    let house = house().await;
    noise_comes_back(open_http2(&house).await).await;
}
