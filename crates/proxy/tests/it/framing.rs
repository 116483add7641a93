//! The framing extension that the accept loop adds to requests.

use gabion_core::Framing;
use gabion_testkit::{ProxyServer, RawServer};
use http::{HeaderValue, Request};
use hyper::body::Incoming;

use crate::support::{Setup, connect_http2};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const BODY: &str = "2\r\nhi\r\n0\r\n\r\n";

/// Copies the framing extension to a header that the backend sees.
fn expose_framing(request: &mut Request<Incoming>) {
    if let Some(framing) = request.extensions().get::<Framing>() {
        let value = HeaderValue::try_from(format!("{framing:?}")).unwrap();
        request.headers_mut().insert("x-framing", value);
    }
}

fn front(backend: &RawServer, setup: Setup) -> ProxyServer {
    let setup = Setup {
        tweak: expose_framing,
        ..setup
    };
    setup.before(&backend.url())
}

#[tokio::test]
async fn length_beside_transfer_encoding_is_marked_in_either_order() {
    for lines in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "transfer-encoding: chunked\nCONTENT-LENGTH: nonsense\n",
    ] {
        for setup in [Setup::default(), Setup::with_http2()] {
            let backend = RawServer::bind().await;
            let front = front(&backend, setup);
            let mut client = front.connect().await;
            let first = "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
            let second = format!("POST /2 HTTP/1.1\r\nHost: a\r\n{lines}\r\n{BODY}");
            client.send(&format!("{first}{second}")).await;
            let (mut upstream, head) = backend.answer(OK).await;
            assert!(!head.contains("x-framing"), "{head}");
            upstream.until("hi").await;
            let head = upstream.head().await;
            assert!(head.starts_with("POST /2 "), "{head}");
            assert!(head.contains("\r\nx-framing: Both\r\n"), "{head}");
        }
    }
}

#[tokio::test]
async fn unambiguous_framing_is_not_marked() {
    let backend = RawServer::bind().await;
    let front = front(&backend, Setup::default());
    let mut client = front.connect().await;
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{BODY}");
    let (mut upstream, _) = {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        backend.answer(OK).await
    };
    for rest in [
        &*chunked,
        "Content-Length: 5\r\n\r\n0\r\n\r\n",
        &*chunked,
        "\r\n",
    ] {
        client.until("ok").await;
        client
            .send(&format!("POST / HTTP/1.1\r\nHost: a\r\n{rest}"))
            .await;
        let head = upstream.head().await;
        assert!(!head.contains("x-framing"), "{head}");
        if rest.len() > 2 {
            upstream.until("0\r\n\r\n").await;
        }
        upstream.send(OK).await;
    }
}

#[tokio::test]
async fn http2_request_is_not_marked() {
    let backend = RawServer::bind().await;
    let front = front(&backend, Setup::with_http2());
    let mut sender = connect_http2(&front).await;
    for _ in 0..4 {
        let request = Request::get(format!("http://{}/", front.addr()));
        let request = request.body(crate::http2::empty()).unwrap();
        let (response, (_, head)) = tokio::join!(sender.send_request(request), backend.answer(OK));
        assert!(!head.contains("x-framing"), "{head}");
        response.unwrap();
    }
}
