//! The server behind, and its successors: each takes over the listening socket, and the one before
//! drains. It says `Connection: close` in its answers from then on, and closes connections that are
//! idle only when nobody keeps them any more, so that no request meets a connection that ends.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener as StdListener},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, stream};
use http::{HeaderValue, Request, Response, StatusCode, header::CONNECTION};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Builder,
    select,
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

use crate::body;

/// Servers one after the other, which end with the process.
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    restarts: Arc<AtomicUsize>,
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Longer than guard keeps a connection for the next request (4 s).
const IDLE: Duration = Duration::from_secs(5);

/// How often an event is sent.
const BEAT: Duration = Duration::from_millis(200);

/// Starts the first; every so often another takes its place.
pub(crate) fn start(every: Duration) -> Upstream {
    let listener = StdListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let addr = listener.local_addr().expect("an address");
    let restarts = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&restarts);
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let mut before = None;
            loop {
                let retired = watch::Sender::new(false);
                let listener = listener.try_clone().expect("a descriptor");
                tokio::spawn(serve(listener, retired.subscribe()));
                if let Some(before) = before.replace(retired) {
                    before.send_replace(true);
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                sleep(every).await;
            }
        });
    });
    Upstream { addr, restarts }
}

/// Serves until it is retired; what it has accepted it finishes.
async fn serve(listener: StdListener, mut retired: watch::Receiver<bool>) {
    let listener = TcpListener::from_std(listener).expect("a socket");
    loop {
        let accepted = select! {
            _ = retired.wait_for(|retired| *retired) => return,
            accepted = listener.accept() => accepted,
        };
        if let Ok((socket, _)) = accepted {
            tokio::spawn(converse(socket, retired.clone()));
        }
    }
}

async fn converse(socket: TcpStream, mut retired: watch::Receiver<bool>) {
    let _ = socket.set_nodelay(true);
    let drains = retired.clone();
    let service = service_fn(move |request| {
        let drains = drains.clone();
        async move {
            let mut response = answer(request).await?;
            if *drains.borrow() && response.status() == StatusCode::OK {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            Ok::<_, io::Error>(response)
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    let mut connection = pin!(connection.with_upgrades());
    let drained = async {
        let _ = retired.wait_for(|retired| *retired).await;
        sleep(IDLE).await;
    };
    select! {
        _ = connection.as_mut() => return,
        () = drained => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// `/bytes/LENGTH/SEED`, `/echo`, `/events`, a WebSocket that echoes, and what is broken off.
async fn answer(mut request: Request<Incoming>) -> Result<Response<Body>, io::Error> {
    if let Some(key) = request.headers().get("sec-websocket-key") {
        let accept = derive_accept_key(key.as_bytes());
        tokio::spawn(echo(hyper::upgrade::on(&mut request)));
        let head = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-accept", accept);
        return Ok(head.body(whole(Bytes::new())).expect("a head"));
    }
    let path = request.uri().path().to_owned();
    let sent = request.into_body().collect().await;
    let sent = sent.map_err(io::Error::other)?.to_bytes();
    let mut parts = path.split('/').skip(1);
    let first = parts.next().unwrap_or_default();
    let mut number = || parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
    let body = match first {
        "bytes" => whole(body(number(), number() as u64).into()),
        "events" => events(),
        "no-answer" => return Err(io::Error::other("broken off on purpose")),
        "half-answer" => half(),
        _ => whole(sent),
    };
    let mut response = Response::new(body);
    if first == "half-answer" {
        response.headers_mut().insert("content-length", 1000.into());
    }
    Ok(response)
}

fn whole(bytes: Bytes) -> Body {
    let never = |never: Infallible| match never {};
    Full::new(bytes).map_err(never).boxed_unsync()
}

/// Some of what was promised.
fn half() -> Body {
    let begun = stream::iter([Ok(Frame::data(Bytes::from_static(b"half")))]);
    let broken = stream::once(async {
        // What was begun must be on its way.
        sleep(BEAT).await;
        Err(io::Error::other("broken off on purpose"))
    });
    StreamBody::new(begun.chain(broken)).boxed_unsync()
}

/// Numbered events without an end.
fn events() -> Body {
    let events = stream::unfold((0_u64, Instant::now()), |(nth, due)| async move {
        sleep_until(due).await;
        let event = Bytes::from(format!("data: {nth}\n\n"));
        Some((Ok(Frame::data(event)), (nth + 1, due + BEAT)))
    });
    StreamBody::new(events).boxed_unsync()
}

/// Sends each message back.
async fn echo(upgraded: OnUpgrade) {
    let Ok(io) = upgraded.await else { return };
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(io), Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}

// === impl Upstream ===

impl Upstream {
    /// How many have come after the first.
    pub(crate) fn restarts(&self) -> usize {
        self.restarts.load(Ordering::Relaxed)
    }
}
