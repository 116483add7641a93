//! An HTTP/2 client.

use std::{error::Error, net::SocketAddr};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::{
    body::{Body, Incoming},
    client::conn::http2::{SendRequest, handshake},
    ext::Protocol,
    upgrade::Upgraded,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// A client on one HTTP/2 connection by prior knowledge, which clones share. Requests have no body.
#[derive(Clone, Debug)]
pub struct Http2Client {
    addr: SocketAddr,
    sender: SendRequest<Empty<Bytes>>,
}

/// The sending half of an HTTP/2 connection over `stream`.
pub async fn http2_sender<B>(stream: TcpStream) -> SendRequest<B>
where
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

impl Http2Client {
    /// Connects. Extended CONNECT needs the server's settings, which have arrived after one response.
    pub async fn connect(addr: SocketAddr) -> Self {
        let sender = http2_sender(TcpStream::connect(addr).await.unwrap()).await;
        Self { addr, sender }
    }

    /// Sends a request with these headers; CONNECT is an extended CONNECT for a WebSocket.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Response<Incoming> {
        let is_connect = method == Method::CONNECT;
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.addr));
        if is_connect {
            request = request.extension(Protocol::from_static("websocket"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::new()).unwrap();
        self.sender.send_request(request).await.unwrap()
    }

    /// Opens a WebSocket on a stream (RFC 8441), or returns the status of the refusal.
    pub async fn open_websocket(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<TokioIo<Upgraded>, StatusCode> {
        let version = [("sec-websocket-version", "13")];
        let headers = [&version, headers].concat();
        let response = self.send(Method::CONNECT, path, &headers).await;
        if response.status() != StatusCode::OK {
            return Err(response.status());
        }
        Ok(TokioIo::new(hyper::upgrade::on(response).await.unwrap()))
    }
}
