//! A failed WebSocket handshake is diagnosed: the response has the code, and the log has the change
//! to make. A correct handshake has no diagnosis.

use std::{net::SocketAddr, sync::Arc};

use gabion::{
    Guard,
    event::{Diagnosis, Event},
};
use gabion_proxy::Protocols;
use gabion_testkit::{Backend, Http2Outcome, RawConnection, RawHttp2, RawResponse, Recorder};

use crate::support::guarded_proxy::{GuardedProxy, builder};

const POLICY: &str = "version = 1
    [client]
    trusted_proxies = ['127.0.0.0/8']

    [ban]
    networks = ['198.51.100.0/24']

    [[deny]]
    id = 'dotfiles'
    names = '.env'

    [upgrade]
    origins = 'https://app.example'

    [[upgrade.route]]
    path = '/only'
    only = true
";

struct Setup {
    backend: Backend,
    proxy: GuardedProxy,
    events: Arc<Recorder>,
}

impl Setup {
    async fn start(policy: &str) -> Self {
        let backend = Backend::start().await;
        let events = Arc::new(Recorder::default());
        let guard = builder(events.clone()).with_policy(policy, "policy.toml");
        let guard = guard.unwrap_or_else(|error| panic!("{error}"));
        let proxy =
            GuardedProxy::with_protocols(Protocols::Http1AndPriorKnowledge, &backend.url(), guard);
        Self {
            backend,
            proxy,
            events,
        }
    }

    fn addr(&self) -> SocketAddr {
        self.proxy.addr()
    }

    fn guard(&self) -> &Guard {
        self.proxy.guard()
    }

    /// Sends a GET with these header lines, on HTTP/1.1 unless the target has a version.
    async fn get(&self, target: &str, lines: &str) -> RawResponse {
        let version = if target.contains(' ') {
            ""
        } else {
            " HTTP/1.1"
        };
        let head = format!("GET {target}{version}\r\nhost: a.example\r\n{lines}\r\n");
        let mut connection = RawConnection::connect(self.addr()).await;
        connection.send(head.as_bytes()).await;
        connection.response("GET").await.expect("an answer")
    }

    /// The diagnosis events so far, as in the log.
    fn diagnoses(&self) -> Vec<String> {
        let made = |event: &Event| match event {
            Event::Diagnosis(_) => true,
            Event::Request(event) => event.to_string().contains("; W"),
            _ => false,
        };
        let texts = self.events.take();
        texts
            .iter()
            .filter(|event| made(event))
            .map(ToString::to_string)
            .collect()
    }
}

const KEY: &str = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION: &str = "sec-websocket-version: 13\r\n";
const UPGRADE: &str = "upgrade: websocket\r\n";
const CONNECTION: &str = "connection: upgrade\r\n";

fn handshake() -> String {
    format!("{CONNECTION}{UPGRADE}{VERSION}{KEY}")
}

#[tokio::test]
async fn each_code_is_in_the_response_and_its_advice_in_the_log() {
    let setup = Setup::start(POLICY).await;
    let handshake = handshake();
    for (target, lines, status, diagnosis, advice) in [
        (
            "/only",
            String::new(),
            426,
            Diagnosis::PlainGet,
            "new WebSocket(\"wss://host/path\")",
        ),
        (
            "/ws",
            format!("connection: close\r\n{VERSION}{KEY}"),
            400,
            Diagnosis::HopStripped,
            "proxy_set_header Upgrade $http_upgrade;",
        ),
        (
            "/ws HTTP/1.0",
            format!("connection: close\r\n{VERSION}{KEY}"),
            400,
            Diagnosis::Http10Hop,
            "proxy_http_version 1.1;",
        ),
        (
            "/ws HTTP/1.0",
            handshake.clone(),
            400,
            Diagnosis::Http10Hop,
            "proxy_http_version 1.1;",
        ),
        (
            "/ws",
            format!("connection: close\r\n{UPGRADE}{VERSION}{KEY}"),
            400,
            Diagnosis::NotNominated,
            "proxy_set_header Connection \"upgrade\";",
        ),
        (
            "/ws",
            handshake.replace("13", "8"),
            426,
            Diagnosis::BadHandshake,
            "check the WebSocket library of the client",
        ),
        (
            "/ws",
            handshake.replace("dGhl", "dGhlIHNh"),
            400,
            Diagnosis::BadHandshake,
            "check the WebSocket library of the client",
        ),
        (
            "/ws",
            format!("{handshake}origin: https://new.example\r\n"),
            403,
            Diagnosis::ForeignOrigin,
            r#"origins = ["https://app.example", "https://new.example"]"#,
        ),
        (
            "/.env",
            handshake.clone(),
            403,
            Diagnosis::Denied,
            "rule dotfiles",
        ),
        (
            "/ws",
            format!("{handshake}x-forwarded-for: 198.51.100.7\r\n"),
            403,
            Diagnosis::Denied,
            "rule ban/list",
        ),
    ] {
        let answer = setup.get(target, &lines).await;
        assert_eq!(answer.status, status, "{target}: {lines}");
        let text = answer.text();
        assert!(text.contains(&diagnosis.to_string()), "{diagnosis}: {text}");
        let texts = setup.diagnoses();
        assert_eq!(texts.len(), 1, "{diagnosis}: {texts:?}");
        assert!(texts[0].contains(&diagnosis.to_string()), "{}", texts[0]);
        assert!(texts[0].contains(diagnosis.advice()), "{}", texts[0]);
        assert!(texts[0].contains(advice), "{advice}: {}", texts[0]);
        assert!(
            setup.backend.take().is_empty(),
            "{diagnosis}: nothing passes"
        );

        let json = setup
            .get(target, &format!("{lines}accept: application/json\r\n"))
            .await;
        let expected = format!(r#""diagnosis":"{diagnosis}""#);
        assert!(json.text().contains(&expected), "{}", json.text());
        setup.diagnoses();
    }
    let counted = setup.guard().diagnosis_counters().to_string();
    assert_eq!(counted, "W01 2, W02 2, W03 4, W04 2, W05 4, W06 2, W14 4");
}

#[tokio::test]
async fn correct_handshake_has_no_diagnosis() {
    let setup = Setup::start(POLICY).await;
    let handshake = handshake();
    for (target, lines, status) in [
        ("/only", handshake.clone(), 101),
        ("/ws", handshake.clone(), 101),
        (
            "/ws",
            format!("{handshake}origin: https://app.example\r\n"),
            101,
        ),
        (
            "/ws",
            handshake.replace("connection: ", "connection: keep-alive, "),
            101,
        ),
        ("/", String::new(), 200),
        ("/onlyone", String::new(), 200),
        ("/ HTTP/1.0", String::new(), 200),
        ("/", "connection: keep-alive\r\n".into(), 200),
        ("/", VERSION.into(), 200),
        ("/x", "x-answer: 400\r\n".into(), 400),
        ("/x", "x-answer: 426\r\n".into(), 426),
        ("/.env", String::new(), 403),
    ] {
        let answer = setup.get(target, &lines).await;
        assert_eq!(answer.status, status, "{target}: {lines}");
        assert!(!answer.text().contains('W'), "{}", answer.text());
        assert_eq!(setup.diagnoses(), [""; 0], "{target}: {lines}");
    }
    assert_eq!(setup.guard().diagnosis_counters().to_string(), "");
}

#[tokio::test]
async fn codes_are_reported_on_http2() {
    let setup = Setup::start(POLICY).await;
    let connect = &[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        ("sec-websocket-version", "13"),
    ][..];
    let get = &[(":method", "GET")][..];
    let none = &[][..];
    let key = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    for (head, path, more, status, code) in [
        (get, "/only", none, 426, "W01"),
        (
            get,
            "/ws",
            &[key, ("sec-websocket-version", "13")],
            400,
            "W02",
        ),
        (
            &connect[..2],
            "/ws",
            &[("sec-websocket-version", "8")],
            426,
            "W05",
        ),
        (
            connect,
            "/ws",
            &[("origin", "https://new.example")],
            403,
            "W06",
        ),
        (connect, "/.env", none, 403, "W14"),
        (get, "/", none, 200, ""),
        (get, "/ws", none, 200, ""),
    ] {
        let target = [
            (":scheme", "http"),
            (":path", path),
            (":authority", "a.example"),
        ];
        let pseudo = head
            .iter()
            .filter(|(name, _)| name.starts_with(':'))
            .chain(&target);
        let plain = head
            .iter()
            .filter(|(name, _)| !name.starts_with(':'))
            .chain(more);
        let fields = pseudo.chain(plain);
        let fields: Vec<_> = fields
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        let outcome = RawHttp2::connect(setup.addr())
            .await
            .request(&fields, None)
            .await;
        assert_eq!(
            outcome,
            Http2Outcome::Answered(status.try_into().unwrap()),
            "{code} {path}"
        );
        let texts = setup.diagnoses();
        assert_eq!(texts.len(), usize::from(!code.is_empty()), "{texts:?}");
        assert!(texts.iter().all(|text| text.contains(code)), "{texts:?}");
    }
}

#[tokio::test]
async fn plain_get_response_has_the_address_to_use() {
    let setup = Setup::start(POLICY).await;
    for (path, lines, text) in [
        ("/only", "", "\nuse ws://a.example/only\n"),
        (
            "/only",
            "x-forwarded-proto: https\r\n",
            "\nuse wss://a.example/only\n",
        ),
        (
            "/only",
            "x-forwarded-proto: http\r\n",
            "\nuse ws://a.example/only\n",
        ),
        ("/only?token=secret", "", "\nuse ws://a.example/only\n"),
        ("/only/\"b", "", "\nuse ws://a.example/only/\\x22b\n"),
        (
            "/only/\"b",
            "accept: application/json\r\n",
            r#""use":"ws://a.example/only/\\x22b","event":""#,
        ),
    ] {
        let answer = setup.get(path, lines).await;
        assert_eq!(answer.status, 426, "{path}: {}", answer.text());
        assert_eq!(answer.headers["upgrade"], "websocket");
        assert_eq!(answer.headers["connection"], "Upgrade");
        assert_eq!(answer.headers["sec-websocket-version"], "13");
        let body = answer.text();
        if lines.contains("json") {
            let json: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(json["use"], "ws://a.example/only/\\x22b");
        }
        assert!(body.contains(text), "{body}: {text}");
        assert!(!body.contains("secret"), "{body}");
    }
    let long = format!("/only/{}", "\"".repeat(5000));
    let answer = setup.get(&long, "").await;
    assert_eq!(answer.status, 426);
    assert!(answer.body.len() < 1024, "{}", answer.text());

    let strangers = Setup::start(&POLICY.replace("trusted_proxies = ['127.0.0.0/8']", "")).await;
    let answer = strangers.get("/only", "x-forwarded-proto: https\r\n").await;
    assert!(
        answer.text().contains("use ws://"),
        "an untrusted peer cannot claim TLS"
    );
}

#[tokio::test]
async fn plain_get_on_a_path_with_opened_sockets_is_diagnosed() {
    let setup = Setup::start(POLICY).await;
    let refused = "x-answer: 400\r\nx-forwarded-for: 203.0.113.9\r\n";
    assert_eq!(setup.get("/ws", refused).await.status, 400);
    assert_eq!(setup.diagnoses(), [""; 0], "no handshake on this path yet");
    assert_eq!(setup.get("/ws", &handshake()).await.status, 101);
    let answer = setup.get("/ws", refused).await;
    assert_eq!((answer.status.as_u16(), &*answer.text()), (400, "ok"));
    let texts = setup.diagnoses();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].starts_with("W01: "), "{}", texts[0]);
    assert!(
        texts[0].contains("(203.0.113.9, \"/ws\"): "),
        "{}",
        texts[0]
    );
    assert!(
        texts[0].ends_with(Diagnosis::PlainGet.advice()),
        "{}",
        texts[0]
    );
    for (path, lines) in [
        ("/ws", ""),
        ("/ws", "x-answer: 404\r\n"),
        ("/other", refused),
    ] {
        setup.get(path, lines).await;
        assert_eq!(setup.diagnoses(), [""; 0], "{path} {lines}");
    }
    assert_eq!(setup.guard().diagnosis_counters().to_string(), "W01 1");
}
