//! The upstream server, which this program runs as a child process.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode, header::SEC_WEBSOCKET_KEY};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncReadExt as _, net::TcpListener, runtime::Builder};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The argument that runs this program as the upstream server.
pub(crate) const ROLE: &str = "upstream";

/// The length of the page that honest clients request.
pub(crate) const PAGE: usize = 1024;

/// A large response is sent in pieces of this size.
static PIECE: [u8; 16 * 1024] = [b'x'; 16 * 1024];

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Serves until the process ends.
pub(crate) fn serve(addr: SocketAddr) {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let listener = TcpListener::bind(addr).await.expect("the port is free");
        loop {
            // Out of descriptors, if at all, only for a moment.
            let Ok((socket, _)) = listener.accept().await else {
                continue;
            };
            let _ = socket.set_nodelay(true);
            let connection = http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service_fn(answer))
                .with_upgrades();
            tokio::spawn(connection);
        }
    });
}

/// Responds to `/page`, `/large/BYTES`, `/fail` (closes the connection) and WebSocket handshakes (reads and drops
/// all frames).
async fn answer(mut request: Request<Incoming>) -> Result<Response<Body>, &'static str> {
    if let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) {
        let accept = derive_accept_key(key.as_bytes());
        tokio::spawn(discard(hyper::upgrade::on(&mut request)));
        let response = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-extensions", "permessage-deflate")
            .header("sec-websocket-accept", accept);
        return Ok(response.body(page(0)).expect("a head"));
    }
    let path = request.uri().path().to_owned();
    if path == "/fail" {
        return Err("closed on purpose");
    }
    if request.into_body().collect().await.is_err() {
        return Err("the request ended early");
    }
    let large = path.strip_prefix("/large/");
    let large = large.map(|bytes| bytes.parse().expect("a number of bytes"));
    Ok(Response::new(large.map_or_else(|| page(PAGE), pieces)))
}

fn page(length: usize) -> Body {
    Full::new(Bytes::from_static(&PIECE[..length])).boxed_unsync()
}

fn pieces(length: usize) -> Body {
    let pieces = (0..length / PIECE.len()).map(|_| Ok(Frame::data(Bytes::from_static(&PIECE))));
    StreamBody::new(stream::iter(pieces)).boxed_unsync()
}

async fn discard(upgraded: OnUpgrade) {
    let Ok(io) = upgraded.await else { return };
    let (mut io, mut bytes) = (TokioIo::new(io), vec![0; 16 * 1024]);
    while io.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
}
