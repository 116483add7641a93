use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use gabion_core::{
    AccessRecord, AccessSink, ClientRules, Denial, EventId, PeerAddr, WebSocketPhase,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tower::{Service as _, service_fn};

use super::*;

/// Keeps one line of text for each record.
#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl AccessSink for Lines {
    fn record(&self, request: &AccessRecord<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let client = request.client.map(|client| client.addr());
        let line = format!(
            "{} {} [{}] [{}] [{}] {} {} {:?} {:?} {:?} {:?}",
            request.method,
            text(request.target),
            text(request.host),
            text(request.user_agent),
            text(request.referer),
            request.status.as_u16(),
            request.bytes,
            client,
            request.denial.map(|denial| denial.rule.to_string()),
            request.upstream,
            request.websocket,
        );
        self.0.lock().unwrap().push(line);
    }
}

fn recorder() -> (Arc<Lines>, AccessRecorder) {
    let lines = Arc::new(Lines::default());
    let rules = ClientRules::default();
    let clients = move |peer, headers: &_| rules.resolve(peer, headers);
    (lines.clone(), AccessRecorder::new(lines, clients))
}

fn request(method: Method, target: &str) -> Request<()> {
    Request::builder()
        .method(method)
        .uri(target)
        .header("host", "a.example")
        .header("user-agent", "curl/8.5")
        .header("referer", "https://b.example/")
        .extension(PeerAddr::new(([203, 0, 113, 9], 1).into()))
        .body(())
        .unwrap()
}

/// Responds like a proxy: names the server, and holds the tunnel of an upgrade.
fn respond(request: &Request<()>) -> (Response<Full<Bytes>>, Option<OpenTunnel>) {
    let exchange: &LoggedExchange = request.extensions().get().unwrap();
    exchange.set_upstream("http://10.0.0.1:80");
    let mut response = Response::new(Full::from("hello"));
    let mut tunnel = None;
    match request.uri().path() {
        "/denied" => {
            let mut denial = Denial::forbidden("rule", "why");
            denial.event = Some(EventId::new(7));
            *response.status_mut() = denial.status;
            response.extensions_mut().insert(denial);
        }
        "/socket" => {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            *response.body_mut() = Full::default();
            tunnel = Some(exchange.clone().open_tunnel());
        }
        _ => {}
    }
    (response, tunnel)
}

#[tokio::test]
async fn request_is_recorded_when_its_body_ended() {
    let (lines, recorder) = recorder();
    let page = service_fn(async |request: Request<()>| Ok::<_, Infallible>(respond(&request).0));
    let mut service = AccessLogService::new(page, recorder);
    let response = service.call(request(Method::GET, "/a?b=c")).await.unwrap();
    assert!(lines.0.lock().unwrap().is_empty(), "the body has not ended");
    response.collect().await.unwrap();
    let denied = request(Method::POST, "/denied");
    service.call(denied).await.unwrap().collect().await.unwrap();
    assert_eq!(
        *lines.0.lock().unwrap(),
        [
            "GET /a?b=c [a.example] [curl/8.5] [https://b.example/] 200 5 Some(203.0.113.9) None \
             Some(\"http://10.0.0.1:80\") None",
            "POST /denied [a.example] [curl/8.5] [https://b.example/] 403 5 Some(203.0.113.9) Some(\"rule\") \
             Some(\"http://10.0.0.1:80\") None",
        ]
    );
}

#[tokio::test]
async fn websocket_is_recorded_at_its_begin_and_its_end() {
    let (lines, recorder) = recorder();
    let tunnels = Arc::new(Mutex::new(Vec::new()));
    let held = Arc::clone(&tunnels);
    let socket = service_fn(move |request: Request<()>| {
        let (response, tunnel) = respond(&request);
        held.lock().unwrap().extend(tunnel);
        async { Ok::<_, Infallible>(response) }
    });
    let mut service = AccessLogService::new(socket, recorder);
    let handshake = request(Method::GET, "/socket");
    let response = service.call(handshake).await.unwrap();
    response.collect().await.unwrap();
    let phases = || -> Vec<bool> {
        let lines = lines.0.lock().unwrap();
        let open = format!("{:?}", Some(WebSocketPhase::Open));
        lines.iter().map(|line| line.ends_with(&open)).collect()
    };
    assert_eq!(phases(), [true]);
    tunnels.lock().unwrap().clear();
    assert_eq!(phases(), [true, false]);
}

#[tokio::test]
async fn request_without_a_response_has_the_status_499() {
    let (lines, recorder) = recorder();
    let hanging = service_fn(|_: Request<()>| {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
    });
    let mut service = AccessLogService::new(hanging, recorder);
    drop(service.call(request(Method::GET, "/")));
    let lines = lines.0.lock().unwrap();
    assert!(lines[0].contains(" 499 0 "), "{lines:?}");
}
