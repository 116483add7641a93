//! gRPC with tonic on both sides: client, proxy and upstream speak HTTP/2 by prior knowledge.

use std::{
    convert::Infallible,
    future::ready,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf as _, BufMut as _, Bytes};
use futures_util::{Stream, StreamExt as _, stream};
use gabion_proxy::ProxyOptions;
use gabion_testkit::{LoopbackServer, ProxyServer, http2_sender};
use http::{Uri, uri::PathAndQuery};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    body::Incoming, client::conn::http2::SendRequest, server::conn::http2, service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};
use tonic::{
    Code, Request, Response, Status, Streaming,
    body::Body,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};
use tower_service::Service;

use crate::support::{PATIENCE, Setup};

/// Messages are text, without generated code.
#[derive(Clone, Copy, Default)]
struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, buf: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buf.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let mut text = vec![0; buf.remaining()];
        buf.copy_to_slice(&mut text);
        String::from_utf8(text)
            .map(Some)
            .map_err(|_| Status::internal("no text"))
    }
}

/// Responds when the first message has arrived, echoes each, and fails at the message `fail`.
#[derive(Clone)]
struct Echo {
    /// Notified when a stream is dropped before its end.
    canceled: Arc<Notify>,
}

/// Notifies when it is dropped.
struct NotifyOnDrop(Option<Arc<Notify>>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        if let Some(notify) = &self.0 {
            notify.notify_one();
        }
    }
}

type Messages = Pin<Box<dyn Stream<Item = Result<String, Status>> + Send>>;

impl Service<Request<Streaming<String>>> for Echo {
    type Response = Response<Messages>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Streaming<String>>) -> Self::Future {
        let guard = NotifyOnDrop(Some(Arc::clone(&self.canceled)));
        Box::pin(async move {
            let mut messages = request.into_inner();
            let first = messages.message().await?;
            let rest = stream::unfold((messages, guard), async |(mut messages, mut guard)| {
                let message = messages.message().await.transpose();
                if message.is_none() {
                    guard.0 = None;
                }
                message.map(|message| (message, (messages, guard)))
            });
            let echo =
                stream::iter(first.map(Ok))
                    .chain(rest)
                    .map(|message| match message?.as_str() {
                        "fail" => Err(Status::aborted("as requested")),
                        text => Ok(format!("echo {text}")),
                    });
            Ok(Response::new(Box::pin(echo) as Messages))
        })
    }
}

/// A tonic server that is an `h2c://` upstream.
async fn start_echo() -> (LoopbackServer, Arc<Notify>) {
    let canceled = Arc::<Notify>::default();
    let echo = Echo {
        canceled: Arc::clone(&canceled),
    };
    let server = LoopbackServer::start(move |stream| {
        let echo = echo.clone();
        let service = service_fn(move |request: http::Request<Incoming>| {
            let echo = echo.clone();
            async move {
                let mut grpc = tonic::server::Grpc::new(Text);
                Ok::<_, Infallible>(grpc.streaming(echo, request).await)
            }
        });
        async move {
            let builder = http2::Builder::new(TokioExecutor::new());
            let _ = builder
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
    })
    .await;
    (server, canceled)
}

/// The client's HTTP/2 connection to the proxy.
struct Channel(SendRequest<Body>);

impl Service<http::Request<Body>> for Channel {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// A stream to the echo through the proxy: the sender of its messages, and the pending response.
async fn open(
    front: &ProxyServer,
) -> (
    mpsc::UnboundedSender<String>,
    impl Future<Output = Result<Response<Streaming<String>>, Status>> + Send + 'static,
) {
    let channel = Channel(http2_sender(front.connect().await.into_stream()).await);
    let origin: Uri = format!("http://{}", front.addr()).parse().unwrap();
    let mut client = Grpc::with_origin(channel, origin);
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let messages = stream::poll_fn(move |cx| receiver.poll_recv(cx));
    let response = async move {
        client.ready().await.unwrap();
        let path = PathAndQuery::from_static("/echo.Echo/Say");
        client.streaming(Request::new(messages), path, Text).await
    };
    (sender, response)
}

fn proxy(setup: Setup, server: &LoopbackServer) -> ProxyServer {
    setup.before(&format!("h2c://{}", server.addr()))
}

#[tokio::test]
async fn messages_pass_in_both_directions_and_trailers_end_the_stream() {
    let (server, _) = start_echo().await;
    let front = proxy(Setup::with_http2(), &server);
    let (sender, response) = open(&front).await;
    sender.send("0".to_owned()).unwrap();
    let mut echoes = timeout(PATIENCE, response)
        .await
        .unwrap()
        .unwrap()
        .into_inner();
    // Each message is sent after the response to the one before it.
    for nth in 1..10 {
        let echo = timeout(PATIENCE, echoes.message()).await.unwrap().unwrap();
        assert_eq!(echo.unwrap(), format!("echo {}", nth - 1));
        sender.send(nth.to_string()).unwrap();
    }
    assert_eq!(echoes.message().await.unwrap().unwrap(), "echo 9");
    sender.send("fail".to_owned()).unwrap();
    let status = timeout(PATIENCE, echoes.message())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Aborted, "as requested")
    );

    let (sender, response) = open(&front).await;
    sender.send("last".to_owned()).unwrap();
    drop(sender);
    let mut echoes = response.await.unwrap().into_inner();
    assert_eq!(echoes.message().await.unwrap().unwrap(), "echo last");
    assert_eq!(echoes.message().await.unwrap(), None);
    // `grpc-status: 0` in the trailers.
    assert!(echoes.trailers().await.unwrap().is_some());
}

/// The head arrives with the first message, which may take longer than a head may otherwise take.
#[tokio::test]
async fn silent_stream_waits_for_its_head() {
    let (server, _) = start_echo().await;
    let setup = Setup {
        proxy: ProxyOptions::default().with_head_timeout(Duration::from_millis(100)),
        ..Setup::with_http2()
    };
    let front = proxy(setup, &server);
    let (sender, response) = open(&front).await;
    let response = tokio::spawn(response);
    sleep(Duration::from_millis(400)).await;
    assert!(!response.is_finished());
    sender.send("late".to_owned()).unwrap();
    let mut echoes = timeout(PATIENCE, response)
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .into_inner();
    assert_eq!(echoes.message().await.unwrap().unwrap(), "echo late");
}

#[tokio::test]
async fn call_canceled_before_its_head_is_canceled_at_the_upstream() {
    let (server, canceled) = start_echo().await;
    let front = proxy(Setup::with_http2(), &server);
    let (_sender, response) = open(&front).await;
    let pending = timeout(Duration::from_millis(300), response).await;
    assert!(pending.is_err(), "a head without a message");
    let canceled = timeout(PATIENCE, canceled.notified()).await;
    canceled.expect("the upstream still runs the call");
}

#[tokio::test]
async fn stream_canceled_by_the_client_is_canceled_at_the_upstream() {
    let (server, canceled) = start_echo().await;
    let front = proxy(Setup::with_http2(), &server);
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let frames = stream::poll_fn(move |cx| receiver.poll_recv(cx));
    let request = http::Request::post(format!("http://{}/echo.Echo/Say", front.addr()))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(StreamBody::new(frames));
    let message = Frame::data(Bytes::from_static(b"\0\0\0\0\x05begun"));
    sender.send(Ok::<_, io::Error>(message)).unwrap();
    let mut client = http2_sender(front.connect().await.into_stream()).await;
    let response = timeout(PATIENCE, client.send_request(request.unwrap())).await;
    let mut body = response.unwrap().unwrap().into_body();
    assert!(body.frame().await.unwrap().unwrap().is_data());
    // A failed body resets the stream.
    sender.send(Err(io::Error::other("canceled"))).unwrap();
    let canceled = timeout(PATIENCE, canceled.notified()).await;
    canceled.expect("the upstream still runs the call");
}

/// A silent stream is not cut, and uses no place in the upstream's connection that others need.
#[tokio::test]
async fn many_silent_streams_do_not_block_another() {
    let (server, _) = start_echo().await;
    let front = proxy(Setup::with_http2(), &server);
    let mut silent = Vec::new();
    for _ in 0..150 {
        let (sender, response) = open(&front).await;
        sender.send("begun".to_owned()).unwrap();
        let echoes = timeout(PATIENCE, response)
            .await
            .unwrap()
            .unwrap()
            .into_inner();
        silent.push((sender, echoes));
    }
    let (_sender, mut last) = silent.pop().unwrap();
    let echo = timeout(PATIENCE, last.message()).await.unwrap().unwrap();
    assert_eq!(echo.unwrap(), "echo begun");
}

#[tokio::test]
async fn event_stream_is_not_buffered() {
    let server = LoopbackServer::start(|stream| {
        let service = service_fn(|_: http::Request<Incoming>| {
            let events = stream::unfold(0, async |nth| {
                sleep(Duration::from_millis(100)).await;
                let event = format!("data: {nth}\n\n").into_bytes();
                Some((
                    Ok::<_, Infallible>(Frame::data(Bytes::from(event))),
                    nth + 1,
                ))
            });
            let body = StreamBody::new(Box::pin(events));
            let response = http::Response::builder().header("content-type", "text/event-stream");
            ready(Ok::<_, Infallible>(response.body(body).unwrap()))
        });
        async move {
            let builder = http2::Builder::new(TokioExecutor::new());
            let _ = builder
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
    })
    .await;
    let front = proxy(Setup::default(), &server);
    let mut client = front.connect().await;
    client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.head().await;
    for nth in 0..3 {
        let event = timeout(Duration::from_secs(1), client.until("\n\n"))
            .await
            .unwrap();
        assert!(event.contains(&format!("data: {nth}")), "{event}");
    }
}
