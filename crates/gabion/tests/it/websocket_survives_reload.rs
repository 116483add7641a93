//! An open WebSocket survives every reload until a policy denies its path, which closes it.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use gabion::event::Event;
use gabion_proxy::Protocols;
use gabion_testkit::{Backend, Http2Client, Recorder};
use http::{Method, StatusCode};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, connect_async,
    tungstenite::{
        Error, Message,
        protocol::{Role, frame::coding::CloseCode},
    },
};

use crate::support::guarded_proxy::{GuardedProxy, builder};

const OPEN: &str = "version = 1\n";
const OTHER: &str = "version = 1\n[[deny]]\nid = 'other'\nprefix = '/other'\n";
const CLOSED: &str = "version = 1\n[[deny]]\nid = 'no-sockets'\nprefix = '/ws'\n";

fn proxy(backend: &Backend, protocols: Protocols) -> (GuardedProxy, Arc<Recorder>) {
    let events = Arc::new(Recorder::default());
    let guard = builder(events.clone()).with_policy(OPEN, "policy").unwrap();
    (
        GuardedProxy::with_protocols(protocols, &backend.url(), guard),
        events,
    )
}

/// The policy before the nth echo.
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

async fn close<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>) {
    socket.close(None).await.unwrap();
    let last = timeout(Duration::from_secs(15), socket.next())
        .await
        .unwrap();
    assert!(matches!(last, Some(Ok(Message::Close(_)))), "{last:?}");
}

/// The socket is closed with 1008, and an event has the reason.
async fn assert_ended<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: WebSocketStream<S>,
    events: &Recorder,
) {
    let last = timeout(Duration::from_secs(15), socket.next()).await;
    let Ok(Some(Ok(Message::Close(Some(close))))) = last else {
        panic!("{last:?}");
    };
    assert_eq!(close.code, CloseCode::Policy);
    let sessions = events.take();
    let ended = sessions.iter().find_map(|event| match event {
        Event::Session(event) => Some(event.ending.to_string()),
        _ => None,
    });
    let why = "rule no-sockets: path is under a prefix of the rule: `/ws` (path as sent)";
    assert_eq!(ended.as_deref(), Some(why));
}

#[tokio::test]
async fn over_http1() {
    let backend = Backend::start().await;
    let (proxy, events) = proxy(&backend, Protocols::Http1);
    let url = format!("ws://{}/ws", proxy.addr());
    let (mut socket, _) = connect_async(&url).await.unwrap();
    for swap in 0..20 {
        proxy.guard().policy_handle().replace(nth(swap)).unwrap();
        echoes(&mut socket, &format!("after swap {swap}")).await;
        let (mut another, _) = connect_async(&url).await.unwrap();
        echoes(&mut another, "another").await;
        close(another).await;
    }
    events.take();
    proxy.guard().policy_handle().replace(CLOSED).unwrap();
    assert_ended(socket, &events).await;
    let Err(Error::Http(refusal)) = connect_async(&url).await else {
        panic!("a socket on a path that is denied");
    };
    assert_eq!(refusal.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn over_http2() {
    let backend = Backend::start().await;
    let (proxy, events) = proxy(&backend, Protocols::Http1AndPriorKnowledge);
    let mut client = Http2Client::connect(proxy.addr()).await;
    // Extended CONNECT needs the server's settings, which arrive with a first response.
    let first = client.send(Method::GET, "/", &[]).await;
    assert_eq!(first.status(), StatusCode::OK);

    let mut socket = open_http2(&mut client).await.unwrap();
    for swap in 0..20 {
        proxy.guard().policy_handle().replace(nth(swap)).unwrap();
        echoes(&mut socket, &format!("after swap {swap}")).await;
        let mut another = open_http2(&mut client).await.unwrap();
        echoes(&mut another, "another").await;
        close(another).await;
    }
    events.take();
    proxy.guard().policy_handle().replace(CLOSED).unwrap();
    assert_ended(socket, &events).await;
    let another = open_http2(&mut client).await;
    assert_eq!(another.unwrap_err(), StatusCode::FORBIDDEN);
}

async fn open_http2(
    client: &mut Http2Client,
) -> Result<WebSocketStream<TokioIo<Upgraded>>, StatusCode> {
    let io = client.open_websocket("/ws", &[]).await?;
    Ok(WebSocketStream::from_raw_socket(io, Role::Client, None).await)
}
