//! The upstream server and its replacements.
//!
//! Each new server takes over the listening socket, and the one before drains: it adds `Connection: close`
//! to its responses, and closes idle connections only after guard's pool has dropped them, so that no
//! request is payload on a connection that closes.

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

/// A series of servers on one address, which ends with the process.
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    restarts: Arc<AtomicUsize>,
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The drain time: longer than guard's pool keeps an idle connection (4 s).
const IDLE: Duration = Duration::from_secs(5);

/// The interval of events.
const EVENT_INTERVAL: Duration = Duration::from_millis(200);

/// Starts the first server, and replaces it once per `every`.
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

/// Accepts connections until the server is retired. Accepted connections are still served.
async fn serve(listener: StdListener, mut retired: watch::Receiver<bool>) {
    let listener = TcpListener::from_std(listener).expect("a socket");
    loop {
        let accepted = select! {
            _ = retired.wait_for(|retired| *retired) => return,
            accepted = listener.accept() => accepted,
        };
        if let Ok((socket, _)) = accepted {
            tokio::spawn(serve_connection(socket, retired.clone()));
        }
    }
}

async fn serve_connection(socket: TcpStream, mut retired: watch::Receiver<bool>) {
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

/// Responds to `/bytes/LENGTH/SEED`, `/echo`, `/events`, WebSocket handshakes (echo), `/no-answer` (closes
/// the connection) and `/half-answer` (closes it in the middle of the body).
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
    let payload = request.into_body().collect().await;
    let payload = payload.map_err(io::Error::other)?.to_bytes();
    let mut stats = path.split('/').skip(1);
    let first = stats.next().unwrap_or_default();
    let mut number = || {
        stats
            .next()
            .and_then(|stats| stats.parse().ok())
            .unwrap_or(0)
    };
    let body = match first {
        "bytes" => whole(body(number(), number() as u64).into()),
        "events" => events(),
        "no-answer" => return Err(io::Error::other("closed on purpose")),
        "half-answer" => half(),
        _ => whole(payload),
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

/// A body that ends before its `Content-Length`.
fn half() -> Body {
    let begun = stream::iter([Ok(Frame::data(Bytes::from_static(b"half")))]);
    let broken = stream::once(async {
        // The first part must be payload before the error.
        sleep(EVENT_INTERVAL).await;
        Err(io::Error::other("closed on purpose"))
    });
    StreamBody::new(begun.chain(broken)).boxed_unsync()
}

/// An endless stream of numbered events.
fn events() -> Body {
    let events = stream::unfold((0_u64, Instant::now()), |(nth, due)| async move {
        sleep_until(due).await;
        let event = Bytes::from(format!("data: {nth}\n\n"));
        Some((Ok(Frame::data(event)), (nth + 1, due + EVENT_INTERVAL)))
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
    /// Returns the number of replacements.
    pub(crate) fn restarts(&self) -> usize {
        self.restarts.load(Ordering::Relaxed)
    }
}
