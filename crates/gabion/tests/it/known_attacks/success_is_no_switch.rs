//! CVE-2024-23326 (Envoy): an answer of 200 to an upgrade was taken for an open tunnel.
//!
//! On HTTP/1.1 the client is given the answer and the connection ends; on HTTP/2, where success opens
//! the tunnel, it is 502. What follows the handshake reaches no server.

use bytes::Bytes;
use gabion_proxy::Protocols;
use http_body_util::Empty;
use hyper::{Method, Request, Response, StatusCode, client::conn::http2, ext::Protocol};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::stage::{ACCEPT, ASK, GET, OK, SMUGGLED, Stage, answers};
use crate::support::sockets::DEFAULT;

#[tokio::test]
async fn success_opens_nothing() {
    let stage = Stage::set().await;
    let mut client = stage.client(ASK).await;
    let switched = OK.replace(
        "\r\n\r\n",
        "\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    );
    let (mut server, _) = stage.answer(&switched).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(!head.contains("upgrade"), "{head}");
    client.send(SMUGGLED).await;
    let rest = client.end().await;
    assert_eq!((rest.as_str(), answers(&rest)), ("ok", 0));
    assert_eq!(server.soon().await, "");
    stage.is_untouched_but_for(&mut server).await;
}

#[tokio::test]
async fn success_on_http2_is_502() {
    let stage = Stage::speaking(Protocols::Http1AndPriorKnowledge, DEFAULT).await;
    let stream = TcpStream::connect(stage.front.addr()).await.unwrap();
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let target = format!("http://{}/ws", stage.front.addr());
    let status = |response: Result<Response<_>, hyper::Error>| response.unwrap().status();
    for (answer, expected) in [(OK, StatusCode::BAD_GATEWAY), (GONE, StatusCode::GONE)] {
        // Extended CONNECT may be sent once the server's settings have come.
        let warm = Request::get(&target).body(Empty::new()).unwrap();
        let (warm, _) = tokio::join!(sender.send_request(warm), stage.answer(CLOSING));
        assert_eq!(status(warm), StatusCode::OK);
        let ask = Request::builder()
            .method(Method::CONNECT)
            .uri(&target)
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .body(Empty::<Bytes>::new())
            .unwrap();
        let (asked, (mut server, head)) =
            tokio::join!(sender.send_request(ask), stage.answer(answer));
        assert!(head.starts_with("GET /ws HTTP/1.1\r\n"), "{head}");
        assert_eq!(status(asked), expected);
        assert_eq!(server.soon().await, "");
    }
}

const CLOSING: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
const GONE: &str = "HTTP/1.1 410 Gone\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn switch_opens() {
    let stage = Stage::set().await;
    let mut client = stage.client(ASK).await;
    let (mut server, _) = stage.answer(ACCEPT).await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    client.send(GET).await;
    server.until("/honest").await;
}
