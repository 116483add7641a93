//! An open WebSocket lives on under every later policy, even under one that denies its path; only
//! new ones are refused.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use gabion_proxy::Protocols;
use gabion_testkit::{Behind, Recorder};
use http_body_util::Empty;
use hyper::{Method, Request, StatusCode, client::conn::http2::SendRequest, ext::Protocol};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, connect_async,
    tungstenite::{Error, Message, protocol::Role},
};

use crate::support::sockets::{Front, builder, rule_of};

const OPEN: &str = "version = 1\n";
const OTHER: &str = "version = 1\n[[deny]]\nid = 'other'\nprefix = '/other'\n";
const CLOSED: &str = "version = 1\n[[deny]]\nid = 'no-sockets'\nprefix = '/ws'\n";

fn front(behind: &Behind, protocols: Protocols) -> (Front, Arc<Recorder>) {
    let events = Arc::new(Recorder::default());
    let guard = builder(events.clone()).with_policy(OPEN, "policy").unwrap();
    (Front::speaking(protocols, &behind.url(), guard), events)
}

/// The policy by which the nth echo is made.
fn nth(nth: usize) -> &'static str {
    [CLOSED, OTHER, OPEN][nth % 3]
}

async fn echoes<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
    let back = timeout(Duration::from_secs(15), socket.next()).await;
    assert_eq!(
        back.expect("an echo in 15 s").unwrap().unwrap(),
        Message::text(text)
    );
}

async fn closes<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>) {
    socket.close(None).await.unwrap();
    let last = timeout(Duration::from_secs(15), socket.next())
        .await
        .unwrap();
    assert!(matches!(last, Some(Ok(Message::Close(_)))), "{last:?}");
}

#[tokio::test]
async fn over_http1() {
    let behind = Behind::start().await;
    let (front, events) = front(&behind, Protocols::Http1);
    let url = format!("ws://{}/ws", front.addr());
    let (mut socket, _) = connect_async(&url).await.unwrap();
    for swap in 0..20 {
        front.guard().live().replace(nth(swap)).unwrap();
        echoes(&mut socket, &format!("after swap {swap}")).await;
        events.take();
        let another = connect_async(&url).await;
        if nth(swap) == CLOSED {
            let Err(Error::Http(refusal)) = another else {
                panic!("{another:?}");
            };
            assert_eq!(refusal.status(), StatusCode::FORBIDDEN);
            let told = events.take();
            let rules: Vec<_> = told.iter().map(rule_of).collect();
            assert_eq!(rules, [Some("no-sockets")]);
        } else {
            let (mut another, _) = another.unwrap();
            echoes(&mut another, "another").await;
            closes(another).await;
        }
    }
    closes(socket).await;
}

#[tokio::test]
async fn over_http2() {
    let behind = Behind::start().await;
    let (front, events) = front(&behind, Protocols::Http1AndPriorKnowledge);
    let stream = TcpStream::connect(front.addr()).await.unwrap();
    let io = TokioIo::new(stream);
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    // Extended CONNECT may be sent once the server's settings have come.
    let warm = Request::get(format!("http://{}/", front.addr()))
        .body(Empty::new())
        .unwrap();
    assert_eq!(
        sender.send_request(warm).await.unwrap().status(),
        StatusCode::OK
    );

    let mut socket = open_http2(&front, &mut sender).await.unwrap();
    for swap in 0..20 {
        front.guard().live().replace(nth(swap)).unwrap();
        echoes(&mut socket, &format!("after swap {swap}")).await;
        events.take();
        let another = open_http2(&front, &mut sender).await;
        if nth(swap) == CLOSED {
            assert_eq!(another.unwrap_err(), StatusCode::FORBIDDEN);
            let told = events.take();
            let rules: Vec<_> = told.iter().map(rule_of).collect();
            assert_eq!(rules, [Some("no-sockets")]);
        } else {
            let mut another = another.unwrap();
            echoes(&mut another, "another").await;
            closes(another).await;
        }
    }
    closes(socket).await;
}

/// Opens a WebSocket on a stream of an HTTP/2 connection (RFC 8441).
async fn open_http2(
    front: &Front,
    sender: &mut SendRequest<Empty<Bytes>>,
) -> Result<WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>, StatusCode> {
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri(format!("http://{}/ws", front.addr()))
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .body(Empty::new())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    if response.status() != StatusCode::OK {
        return Err(response.status());
    }
    let io = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    Ok(WebSocketStream::from_raw_socket(io, Role::Client, None).await)
}
