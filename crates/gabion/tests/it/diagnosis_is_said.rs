//! Whoever asks for a WebSocket in vain is told what is wrong: by its code in the answer, and with
//! what to change in the log. Who asks rightly is told nothing.

use std::{net::SocketAddr, sync::Arc};

use gabion::{Event, Guard, event::Diagnosis};
use gabion_proxy::Protocols;
use gabion_testkit::{Answer, Backend, Fate2, Recorder, Wire, Wire2};

use crate::support::sockets::{Front, builder};

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

struct Place {
    behind: Backend,
    front: Front,
    events: Arc<Recorder>,
}

impl Place {
    async fn of(policy: &str) -> Self {
        let behind = Backend::start().await;
        let events = Arc::new(Recorder::default());
        let guard = builder(events.clone()).with_policy(policy, "policy.toml");
        let guard = guard.unwrap_or_else(|error| panic!("{error}"));
        let front = Front::speaking(Protocols::Http1AndPriorKnowledge, &behind.url(), guard);
        Self {
            behind,
            front,
            events,
        }
    }

    fn addr(&self) -> SocketAddr {
        self.front.addr()
    }

    fn guard(&self) -> &Guard {
        self.front.guard()
    }

    /// Sends a GET of these lines, on HTTP/1.1 unless the target says otherwise.
    async fn get(&self, target: &str, lines: &str) -> Answer {
        let version = if target.contains(' ') {
            ""
        } else {
            " HTTP/1.1"
        };
        let head = format!("GET {target}{version}\r\nhost: a.example\r\n{lines}\r\n");
        let mut wire = Wire::connect(self.addr()).await;
        wire.send(head.as_bytes()).await;
        wire.answer("GET").await.expect("an answer")
    }

    /// The diagnoses that were told since last asked, as the log has them.
    fn told(&self) -> Vec<String> {
        let made = |event: &Event| match event {
            Event::Diagnosis(_) => true,
            Event::Request(event) => event.to_string().contains("; W"),
            _ => false,
        };
        let told = self.events.take();
        told.iter()
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
async fn each_code_is_said_in_the_answer_and_its_advice_in_the_log() {
    let place = Place::of(POLICY).await;
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
        let answer = place.get(target, &lines).await;
        assert_eq!(answer.status, status, "{target}: {lines}");
        let said = answer.text();
        assert!(said.contains(&diagnosis.to_string()), "{diagnosis}: {said}");
        let told = place.told();
        assert_eq!(told.len(), 1, "{diagnosis}: {told:?}");
        assert!(told[0].contains(&diagnosis.to_string()), "{}", told[0]);
        assert!(told[0].contains(diagnosis.advice()), "{}", told[0]);
        assert!(told[0].contains(advice), "{advice}: {}", told[0]);
        assert!(
            place.behind.take().is_empty(),
            "{diagnosis}: nothing passes"
        );

        let json = place
            .get(target, &format!("{lines}accept: application/json\r\n"))
            .await;
        let expected = format!(r#""diagnosis":"{diagnosis}""#);
        assert!(json.text().contains(&expected), "{}", json.text());
        place.told();
    }
    let counted = place.guard().diagnosis_counters().to_string();
    assert_eq!(counted, "W01 2, W02 2, W03 4, W04 2, W05 4, W06 2, W14 4");
}

#[tokio::test]
async fn who_asks_rightly_is_told_nothing() {
    let place = Place::of(POLICY).await;
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
        let answer = place.get(target, &lines).await;
        assert_eq!(answer.status, status, "{target}: {lines}");
        assert!(!answer.text().contains('W'), "{}", answer.text());
        assert_eq!(place.told(), [""; 0], "{target}: {lines}");
    }
    assert_eq!(place.guard().diagnosis_counters().to_string(), "");
}

#[tokio::test]
async fn codes_are_told_on_http2() {
    let place = Place::of(POLICY).await;
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
        let fate = Wire2::connect(place.addr()).await.ask(&fields, None).await;
        assert_eq!(
            fate,
            Fate2::Answered(status.try_into().unwrap()),
            "{code} {path}"
        );
        let told = place.told();
        assert_eq!(told.len(), usize::from(!code.is_empty()), "{told:?}");
        assert!(told.iter().all(|told| told.contains(code)), "{told:?}");
    }
}

#[tokio::test]
async fn plain_get_is_told_which_address_to_use() {
    let place = Place::of(POLICY).await;
    for (path, lines, said) in [
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
        let answer = place.get(path, lines).await;
        assert_eq!(answer.status, 426, "{path}: {}", answer.text());
        assert_eq!(answer.headers["upgrade"], "websocket");
        assert_eq!(answer.headers["connection"], "Upgrade");
        assert_eq!(answer.headers["sec-websocket-version"], "13");
        let text = answer.text();
        if lines.contains("json") {
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(json["use"], "ws://a.example/only/\\x22b");
        }
        assert!(text.contains(said), "{said}: {text}");
        assert!(!text.contains("secret"), "{text}");
    }
    let long = format!("/only/{}", "\"".repeat(5000));
    let answer = place.get(&long, "").await;
    assert_eq!(answer.status, 426);
    assert!(answer.body.len() < 1024, "{}", answer.text());

    let strangers = Place::of(&POLICY.replace("trusted_proxies = ['127.0.0.0/8']", "")).await;
    let answer = strangers.get("/only", "x-forwarded-proto: https\r\n").await;
    assert!(
        answer.text().contains("use ws://"),
        "a stranger says nothing of TLS"
    );
}

#[tokio::test]
async fn plain_get_on_a_path_where_sockets_were_opened_is_told() {
    let place = Place::of(POLICY).await;
    let refused = "x-answer: 400\r\nx-forwarded-for: 203.0.113.9\r\n";
    assert_eq!(place.get("/ws", refused).await.status, 400);
    assert_eq!(place.told(), [""; 0], "nobody knows yet");
    assert_eq!(place.get("/ws", &handshake()).await.status, 101);
    let answer = place.get("/ws", refused).await;
    assert_eq!((answer.status.as_u16(), &*answer.text()), (400, "ok"));
    let told = place.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("W01: "), "{}", told[0]);
    assert!(told[0].contains("(203.0.113.9, /ws): "), "{}", told[0]);
    assert!(
        told[0].ends_with(Diagnosis::PlainGet.advice()),
        "{}",
        told[0]
    );
    for (path, lines) in [
        ("/ws", ""),
        ("/ws", "x-answer: 404\r\n"),
        ("/other", refused),
    ] {
        place.get(path, lines).await;
        assert_eq!(place.told(), [""; 0], "{path} {lines}");
    }
    assert_eq!(place.guard().diagnosis_counters().to_string(), "W01 1");
}
