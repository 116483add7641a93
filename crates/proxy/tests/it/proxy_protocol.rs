//! The PROXY protocol before HTTP and before TLS.

use std::{sync::Arc, time::Duration};

use gabion_core::ClientRules;
use gabion_proxy::{Capacity, ProxyProtocol, ServeOptions};
use gabion_testkit::{ProxyServer, RawConnection, RawServer, Recorder, eventually};
use tokio::time::Instant;

use crate::{
    connections::{DenyOnRecheck, connections},
    support::Setup,
};

const BALANCER: &str = "127.0.0.7";
const OTHER: &str = "127.0.0.8";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const SHORT: Duration = Duration::from_millis(300);

struct Tested {
    backend: RawServer,
    front: ProxyServer,
    events: Arc<Recorder>,
}

impl Tested {
    /// A proxy that trusts the balancer, and lets each client open one connection.
    async fn start(serve: ServeOptions) -> Self {
        Self::denying(&DenyOnRecheck::default(), serve).await
    }

    async fn denying(deny_list: &DenyOnRecheck, serve: ServeOptions) -> Self {
        let events = Arc::<Recorder>::default();
        let rules = ClientRules::default().with_private_clients(true);
        let rules = rules.with_trusted([format!("{BALANCER}/32").parse().unwrap()]);
        let connections = connections(deny_list, rules.unwrap());
        let connections = connections.with_capacity(Capacity::default().with_per_client(1));
        let serve = serve
            .with_sink(events.clone())
            .with_connections(Arc::new(connections))
            .with_proxy_protocol(ProxyProtocol::FromTrustedProxies);
        let backend = RawServer::bind().await;
        let setup = Setup {
            serve,
            ..Setup::default()
        };
        let front = setup.before(&backend.url());
        Self {
            backend,
            front,
            events,
        }
    }

    async fn connect(&self, from: &str) -> RawConnection {
        RawConnection::connect_from(from, self.front.addr()).await
    }

    /// Asserts that the next request is forwarded, for this client.
    async fn assert_served(&self, client: &mut RawConnection, addr: &str) {
        let (_, head) = self.backend.answer(OK).await;
        client.until("ok").await;
        assert!(
            head.contains(&format!("\r\nx-forwarded-for: {addr}\r\n")),
            "{head}"
        );
    }

    async fn event(&self) -> String {
        let texts = || Some(self.events.take_texts()).filter(|texts| !texts.is_empty());
        eventually(texts).await.expect("an event").join("\n")
    }
}

fn version2(source: [u8; 4]) -> Vec<u8> {
    let [a, b, c, d] = source;
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([a, b, c, d, 192, 0, 2, 1, 0x12, 0x67, 1, 0xbb]);
    header
}

#[tokio::test]
async fn header_of_a_trusted_proxy_names_the_peer() {
    let tested = Tested::start(ServeOptions::default()).await;
    for (header, addr) in [
        (
            b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 80\r\n".to_vec(),
            "203.0.113.9",
        ),
        (
            b"PROXY TCP6 2001:db8::9 2001:db8::1 4711 80\r\n".to_vec(),
            "2001:db8::9",
        ),
        (version2([203, 0, 113, 10]), "203.0.113.10"),
        // Health checks of the balancer itself.
        (b"PROXY UNKNOWN\r\n".to_vec(), BALANCER),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(), BALANCER),
    ] {
        let mut client = tested.connect(BALANCER).await;
        // In one piece with the request, and in several.
        client.send([&header, GET.as_bytes()].concat()).await;
        tested.assert_served(&mut client, addr).await;
        drop(client);
        let mut client = tested.connect(BALANCER).await;
        for byte in &header {
            client.send([*byte]).await;
            tokio::task::yield_now().await;
        }
        client.quiet(Duration::from_millis(20)).await;
        client.send(GET).await;
        tested.assert_served(&mut client, addr).await;
    }
    assert_eq!(tested.events.take_texts(), [""; 0]);
}

#[tokio::test]
async fn forwarded_header_of_a_named_client_is_not_believed() {
    let tested = Tested::start(ServeOptions::default()).await;
    let mut client = tested.connect(BALANCER).await;
    client.send(version2([203, 0, 113, 9])).await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n")
        .await;
    tested.assert_served(&mut client, "203.0.113.9").await;
}

#[tokio::test]
async fn trusted_proxy_without_a_header_is_refused() {
    let tested = Tested::start(ServeOptions::default()).await;
    for bytes in [
        GET.as_bytes(),
        b"PROXY TCP4 203.0.113.9\r\n",
        b"\x16\x03\x01\0\0",
    ] {
        let mut client = tested.connect(BALANCER).await;
        client.send(bytes).await;
        assert_eq!(client.end().await, "");
        let text = tested.event().await;
        let rule = "127.0.0.7 refused (closed): rule unparsable/proxy-header: missing or invalid PROXY header";
        assert!(text.starts_with(rule), "{text}");
    }
    let mut client = tested.connect(BALANCER).await;
    client.send(GET).await;
    client.end().await;
    assert!(tested.event().await.ends_with("`GET / HTTP/1.1`"));
}

#[tokio::test]
async fn other_peers_are_served_without_a_header_and_refused_with_one() {
    let tested = Tested::start(ServeOptions::default()).await;
    let mut client = tested.connect(OTHER).await;
    client.send(GET).await;
    tested.assert_served(&mut client, OTHER).await;
    drop(client);
    for header in [
        b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 80\r\n".to_vec(),
        version2([203, 0, 113, 9]),
    ] {
        // Until the place of the previous connection is free.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut client = tested.connect(OTHER).await;
        client.send([&header, GET.as_bytes()].concat()).await;
        let answer = client.end().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        let text = tested.event().await;
        assert!(
            text.contains("127.0.0.8 refused (400): rule unparsable/"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn limits_count_the_named_client() {
    let tested = Tested::start(ServeOptions::default()).await;
    let header = b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 80\r\n";
    let mut first = tested.connect(BALANCER).await;
    first.send([header, GET.as_bytes()].concat()).await;
    tested.assert_served(&mut first, "203.0.113.9").await;
    let mut second = tested.connect(BALANCER).await;
    second.send(header).await;
    assert_eq!(second.end().await, "");
    assert!(
        tested
            .event()
            .await
            .contains("203.0.113.9 refused: the client has too many")
    );
    let mut other = tested.connect(BALANCER).await;
    other.send(version2([203, 0, 113, 10])).await;
    other.send(GET).await;
    tested.assert_served(&mut other, "203.0.113.10").await;
}

#[tokio::test]
async fn ban_closes_the_connection_of_the_named_client() {
    use gabion_core::ChangeListener as _;
    let deny_list = DenyOnRecheck::default();
    let rules = ClientRules::default().with_trusted([format!("{BALANCER}/32").parse().unwrap()]);
    let registry = Arc::new(connections(&deny_list, rules.unwrap()));
    let serve = ServeOptions::default()
        .with_connections(Arc::clone(&registry))
        .with_proxy_protocol(ProxyProtocol::FromTrustedProxies);
    let front = Setup {
        serve,
        ..Setup::default()
    }
    .before("http://127.0.0.1:1");
    let mut client = RawConnection::connect_from(BALANCER, front.addr()).await;
    client.send(version2([203, 0, 113, 9])).await;
    client.quiet(Duration::from_millis(50)).await;
    deny_list.add("203.0.113.9");
    registry.on_ban("203.0.113.9/32".parse().unwrap());
    assert_eq!(client.end().await, "");
    assert!(
        eventually(|| registry.is_empty().then_some(()))
            .await
            .is_some()
    );
}

#[tokio::test]
async fn header_has_a_deadline() {
    let tested = Tested::start(ServeOptions::default().with_header_timeout(SHORT)).await;
    for part in ["", "P", "PROXY TCP4 203.0.113.9"] {
        let began = Instant::now();
        let mut client = tested.connect(BALANCER).await;
        client.send(part).await;
        assert_eq!(client.end().await, "");
        assert!(began.elapsed() >= SHORT, "{part:?}");
    }
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn header_comes_before_tls_and_a_denied_client_gets_no_handshake() {
    use crate::tls::{Authority, handshake::HELLO};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let authority = Authority::new("proxy-tls");
    let deny_list = DenyOnRecheck::default();
    let serve = ServeOptions::default().with_tls(authority.tls());
    let tested = Tested::denying(&deny_list, serve).await;
    let mut plain = tested.connect(BALANCER).await.into_stream();
    plain.write_all(&version2([203, 0, 113, 9])).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let client = authority.client(&["http/1.1"]);
    let mut client = client.connect(name, plain).await.unwrap();
    client.write_all(GET.as_bytes()).await.unwrap();
    let (_, head) = tested.backend.answer(OK).await;
    assert!(
        head.contains("\r\nx-forwarded-for: 203.0.113.9\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nx-forwarded-proto: https\r\n"), "{head}");
    let mut answer = [0; 15];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");

    let mut second = tested.connect(BALANCER).await;
    let hello = [&version2([203, 0, 113, 9])[..], HELLO].concat();
    second.send(hello).await;
    assert_eq!(second.end().await, "", "no alert");
    let text = tested.event().await;
    assert!(
        text.contains("203.0.113.9 refused: the client has too many"),
        "{text}"
    );

    deny_list.add("203.0.113.66");
    let mut denied = tested.connect(BALANCER).await;
    denied
        .send([&version2([203, 0, 113, 66])[..], HELLO].concat())
        .await;
    assert_eq!(denied.end().await, "", "no alert");
    let text = tested.event().await;
    assert_eq!(
        text,
        "connection of 203.0.113.66 refused: the policy denies the client"
    );

    // The header of another peer, and a trusted one without.
    for (from, bytes) in [(OTHER, &version2([203, 0, 113, 9])[..]), (BALANCER, HELLO)] {
        let mut client = tested.connect(from).await;
        client.send(bytes).await;
        assert_eq!(client.end().await, "");
        let text = tested.event().await;
        assert!(
            text.starts_with(&format!(
                "{from} refused (closed): rule unparsable/proxy-header"
            )),
            "{text}"
        );
    }
}
