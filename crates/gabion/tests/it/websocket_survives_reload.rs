//! An open WebSocket lives on under every later policy, until one denies its path: that ends it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use gabion::Event;
use gabion_proxy::Protocols;
use gabion_testkit::{Backend, Recorder};
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
    tungstenite::{
        Error, Message,
        protocol::{Role, frame::coding::CloseCode},
    },
};

use crate::support::sockets::{Front, builder};

const OPEN: &str = "version = 1\n";
const OTHER: &str = "version = 1\n[[deny]]\nid = 'other'\nprefix = '/other'\n";
const CLOSED: &str = "version = 1\n[[deny]]\nid = 'no-sockets'\nprefix = '/ws'\n";

fn front(behind: &Backend, protocols: Protocols) -> (Front, Arc<Recorder>) {
    let events = Arc::new(Recorder::default());
    let guard = builder(events.clone()).with_policy(OPEN, "policy").unwrap();
    (Front::speaking(protocols, &behind.url(), guard), events)
}

/// The policy by which the nth echo is made.
fn nth(nth: usize) -> &'static str {
    [OTHER, OPEN][nth % 2]
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

/// It is closed as the policy says, and that is told.
async fn is_ended<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: WebSocketStream<S>,
    events: &Recorder,
) {
    let last = timeout(Duration::from_secs(15), socket.next()).await;
    let Ok(Some(Ok(Message::Close(Some(close))))) = last else {
        panic!("{last:?}");
    };
    assert_eq!(close.code, CloseCode::Policy);
    let told = events.take();
    let ended = told.iter().find_map(|event| match event {
        Event::Session(event) => Some(event.ending.to_string()),
        _ => None,
    });
    let why = "rule no-sockets: path is under a prefix of the rule: `/ws` (path as sent)";
    assert_eq!(ended.as_deref(), Some(why));
}

#[tokio::test]
async fn over_http1() {
    let behind = Backend::start().await;
    let (front, events) = front(&behind, Protocols::Http1);
    let url = format!("ws://{}/ws", front.addr());
    let (mut socket, _) = connect_async(&url).await.unwrap();
    for swap in 0..20 {
        front.guard().policy_handle().replace(nth(swap)).unwrap();
        echoes(&mut socket, &format!("after swap {swap}")).await;
        let (mut another, _) = connect_async(&url).await.unwrap();
        echoes(&mut another, "another").await;
        closes(another).await;
    }
    events.take();
    front.guard().policy_handle().replace(CLOSED).unwrap();
    is_ended(socket, &events).await;
    let Err(Error::Http(refusal)) = connect_async(&url).await else {
        panic!("a socket on a path that is denied");
    };
    assert_eq!(refusal.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn over_http2() {
    let behind = Backend::start().await;
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
        front.guard().policy_handle().replace(nth(swap)).unwrap();
        echoes(&mut socket, &format!("after swap {swap}")).await;
        let mut another = open_http2(&front, &mut sender).await.unwrap();
        echoes(&mut another, "another").await;
        closes(another).await;
    }
    events.take();
    front.guard().policy_handle().replace(CLOSED).unwrap();
    is_ended(socket, &events).await;
    let another = open_http2(&front, &mut sender).await;
    assert_eq!(another.unwrap_err(), StatusCode::FORBIDDEN);
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
