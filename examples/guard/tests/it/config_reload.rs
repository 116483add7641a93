//! The configuration file takes effect while the guard runs: groups, routes and certificates. Nothing of an invalid
//! one does, and what needs a restart is named.

use std::{
    fmt::Write as _,
    io::BufReader,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use gabion_testkit::{LoopbackServer, RawConnection, TempFolder, eventually};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream as TokioStream,
    time::{sleep, timeout},
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

use crate::{
    config::named,
    https::{Authority, Files},
    restart::get,
    support::{Guard, guard, text},
};

/// The configuration file of a guard under test.
struct Config {
    folder: TempFolder,
}

/// Clients that send requests until they are stopped.
#[derive(Default)]
struct Load {
    stops: AtomicBool,
    answered: AtomicUsize,
}

/// A server with the numbers of connections and requests that reached it.
struct CountingServer {
    server: LoopbackServer,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

const TOP: &str = "version = 1\nworkers = 2\n[listen]\naddress = '127.0.0.1:0'\n";

/// A group of these servers.
fn upstream(name: &str, servers: &[SocketAddr]) -> String {
    let servers: Vec<_> = servers
        .iter()
        .map(|addr| format!("{{ url = 'http://{addr}' }}"))
        .collect();
    let servers = servers.join(", ");
    format!("[[upstream]]\nname = '{name}'\nbalance = 'round-robin'\nservers = [{servers}]\n")
}

// === impl Config ===

impl Config {
    fn new(folder: &str, text: &str) -> Self {
        let folder = TempFolder::new(folder);
        let this = Self { folder };
        this.save(text);
        this
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("guard.toml")
    }

    fn save(&self, text: &str) {
        self.folder.replace("guard.toml", text);
    }
}

// === impl CountingServer ===

impl CountingServer {
    async fn start() -> Self {
        let (connections, requests) = (Arc::<AtomicUsize>::default(), Arc::default());
        let (opened, received) = (
            Arc::clone(&connections),
            Arc::<AtomicUsize>::clone(&requests),
        );
        let server = LoopbackServer::start(move |mut socket: TokioStream| {
            opened.fetch_add(1, Relaxed);
            let received = Arc::clone(&received);
            async move {
                let mut request = [0; 4096];
                while let Ok(1..) = socket.read(&mut request).await {
                    received.fetch_add(1, Relaxed);
                    let response = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                    if socket.write_all(response.as_bytes()).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await;
        Self {
            server,
            connections,
            requests,
        }
    }

    fn addr(&self) -> SocketAddr {
        self.server.addr()
    }
}

// === impl Load ===

impl Load {
    /// Sends requests one after the other, on one connection if it `keeps` it. Returns the first error.
    fn client(self: &Arc<Self>, addr: SocketAddr, keeps: bool) -> JoinHandle<std::io::Result<()>> {
        let load = Arc::clone(self);
        thread::spawn(move || {
            let mut kept = None;
            while !load.stops.load(Relaxed) {
                let mut connection = match kept.take() {
                    Some(connection) => connection,
                    None => BufReader::new(TcpStream::connect(addr)?),
                };
                if get(&mut connection)? && keeps {
                    kept = Some(connection);
                }
                load.answered.fetch_add(1, Relaxed);
            }
            Ok(())
        })
    }
}

/// Waits until `count` more requests were answered.
async fn more(load: &Load, count: usize) {
    let enough = load.answered.load(Relaxed) + count;
    let reached = eventually(|| (load.answered.load(Relaxed) >= enough).then_some(())).await;
    assert!(reached.is_some(), "the requests stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_swapped_under_load_fail_no_request_and_servers_that_stay_keep_connections() {
    let servers = [
        CountingServer::start().await,
        CountingServer::start().await,
        CountingServer::start().await,
    ];
    let [stays, leaves, comes] = &servers;
    let before = TOP.to_owned() + &upstream("app", &[stays.addr(), leaves.addr()]);
    let after = TOP.to_owned() + &upstream("app", &[stays.addr(), comes.addr()]);
    let config = Config::new("config-load", &before);
    let guard = Guard::start_configured(&config.path()).await;
    let load = Arc::new(Load::default());
    let clients: Vec<_> = (0..8)
        .map(|n| load.client(guard.addr(), n % 4 != 0))
        .collect();
    more(&load, 500).await;
    let opened = stays.connections.load(Relaxed);
    assert_eq!(comes.requests.load(Relaxed), 0);
    for swap in 0..6 {
        let (text, gone, next) = if swap % 2 == 0 {
            (&after, leaves, comes)
        } else {
            (&before, comes, leaves)
        };
        let log = guard.log().matches("upstream in effect").count();
        config.save(text);
        let swapped =
            eventually(|| (guard.log().matches("upstream in effect").count() > log).then_some(()));
        assert!(swapped.await.is_some(), "{}", guard.log());
        // Requests in progress finish there.
        sleep(Duration::from_millis(50)).await;
        let [of_gone, of_next] = [gone, next].map(|server| server.requests.load(Relaxed));
        more(&load, 300).await;
        assert_eq!(
            gone.requests.load(Relaxed),
            of_gone,
            "it is not in the group"
        );
        assert!(next.requests.load(Relaxed) > of_next);
    }
    load.stops.store(true, Relaxed);
    for client in clients {
        client.join().unwrap().expect("no request fails");
    }
    let answered = load.answered.load(Relaxed);
    println!("6 swaps: {answered} requests answered, 0 failed");
    assert!(answered > 1000, "{answered}");
    // Each swap without its connections would open one for each client that is served.
    let reopened = stays.connections.load(Relaxed) - opened;
    assert!(
        reopened <= 8,
        "{reopened} connections to the server that stays"
    );
}

#[tokio::test]
async fn request_in_progress_finishes_at_the_server_that_left() {
    let slow = gabion_testkit::RawServer::bind().await;
    let next = named("next").await;
    let config = Config::new(
        "config-progress",
        &(TOP.to_owned() + &upstream("app", &[slow.addr()])),
    );
    let guard = Guard::start_configured(&config.path()).await;
    let mut wire = guard.connect().await;
    wire.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut upstream_connection = slow.accept().await;
    config.save(&(TOP.to_owned() + &upstream("app", &[next.addr()])));
    guard.logged(["upstream in effect"]).await;
    upstream_connection
        .send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")
        .await;
    assert_eq!(wire.response("GET").await.unwrap().text(), "slow");
    // The same connection of the client has the new group.
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(wire.response("GET").await.unwrap().text(), "next");
}

#[tokio::test]
async fn routes_and_their_policies_come_and_go() {
    let (pages, api) = (named("pages").await, named("api").await);
    let groups =
        TOP.to_owned() + &upstream("pages", &[pages.addr()]) + &upstream("api", &[api.addr()]);
    let config = Config::new("config-routes-live", &groups);
    config.folder.replace(
        "api-policy.toml",
        "version = 1\n[[deny]]\nid = 'internal'\nprefix = '/api/internal'\n",
    );
    let guard = Guard::start_configured(&config.path()).await;
    let mut wire = guard.connect().await;
    let get = async |wire: &mut RawConnection, path: &str| {
        let response = wire.get(path, "").await.unwrap();
        (response.status.as_u16(), response.text())
    };
    assert_eq!(
        get(&mut wire, "/api/internal").await,
        (200, "pages".to_owned())
    );
    let route = "[[route]]\npath = '/api'\nupstream = 'api'\n";
    config.save(&format!("{groups}{route}policy = 'api-policy.toml'\n"));
    guard.logged(["route in effect"]).await;
    assert_eq!(get(&mut wire, "/api/x").await, (200, "api".to_owned()));
    assert_eq!(get(&mut wire, "/x").await, (200, "pages".to_owned()));
    assert_eq!(guard.status("/api/internal").await, 403);
    // A change of the other key of the route.
    config.save(&format!("{groups}{route}"));
    let found = eventually(|| (guard.log().matches("route in effect").count() == 2).then_some(()));
    assert!(found.await.is_some());
    let mut wire = guard.connect().await;
    assert_eq!(
        get(&mut wire, "/api/internal").await,
        (200, "api".to_owned())
    );
}

/// Connects and asks for `name`, trusting the authority only.
async fn tls(
    addr: SocketAddr,
    name: &'static str,
    authority: &Authority,
) -> std::io::Result<TlsStream<TokioStream>> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_file(authority.file()).unwrap();
    roots.add(root).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TokioStream::connect(addr).await?;
    let connector = TlsConnector::from(Arc::new(config));
    connector
        .connect(ServerName::try_from(name).unwrap(), stream)
        .await
}

/// Sends a request and reads a response of the server `named`.
async fn tls_get(stream: &mut TlsStream<TokioStream>) {
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut response = String::new();
    while !response.ends_with("app") {
        let mut bytes = [0; 1024];
        let read = timeout(Duration::from_secs(5), stream.read(&mut bytes));
        let length = read.await.expect("no response").unwrap();
        assert!(length > 0, "closed: {response}");
        response += &String::from_utf8_lossy(&bytes[..length]);
    }
    assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
}

#[tokio::test]
async fn certificate_is_added_and_removed_by_name_and_an_open_connection_stays() {
    let app = named("app").await;
    let authority = Authority::new("config-certificates");
    let one = authority.write("one", &["one.example"]);
    let other = authority.write("other", &["other.example"]);
    let text = |certificates: &[&Files]| {
        let mut text = TOP.to_owned() + "[tls]\naddress = '127.0.0.1:0'\n";
        for Files { chain, key } in certificates {
            writeln!(
                text,
                "[[tls.certificates]]\nchain = '{chain}'\nkey = '{key}'"
            )
            .unwrap();
        }
        text + &upstream("app", &[app.addr()])
    };
    let config = Config::new("config-certificates-file", &text(&[&one]));
    let guard = Guard::start_configured(&config.path()).await;
    let addr = guard.tls_addr();
    let mut open = tls(addr, "one.example", &authority).await.unwrap();
    tls_get(&mut open).await;
    assert!(tls(addr, "other.example", &authority).await.is_err());

    config.save(&text(&[&one, &other]));
    guard.logged(["tls.certificates in effect"]).await;
    let mut added = tls(addr, "other.example", &authority).await.unwrap();
    tls_get(&mut added).await;
    tls_get(&mut open).await;

    // A key of another certificate: all of the file is refused, also what is valid in it.
    let mixed = Files {
        chain: other.chain.clone(),
        key: one.key.clone(),
    };
    let elsewhere = named("elsewhere").await;
    let invalid = text(&[&mixed]).replace(&app.addr().to_string(), &elsewhere.addr().to_string());
    config.save(&invalid);
    guard
        .logged([
            "ERROR",
            "guard.toml is not valid, and the previous version stays in effect",
        ])
        .await;
    guard.logged(["is not that of the first certificate"]).await;
    tls_get(&mut tls(addr, "one.example", &authority).await.unwrap()).await;

    config.save(&text(&[&other]));
    let removed = eventually(|| {
        (guard.log().matches("tls.certificates in effect").count() == 2).then_some(())
    });
    assert!(removed.await.is_some(), "{}", guard.log());
    assert!(tls(addr, "one.example", &authority).await.is_err());
    for open in [&mut open, &mut added] {
        tls_get(open).await;
    }
}

#[tokio::test]
async fn invalid_file_keeps_everything_and_names_line_and_column() {
    let (app, other) = (named("app").await, named("other").await);
    let valid = TOP.to_owned() + &upstream("app", &[app.addr()]);
    let config = Config::new("config-invalid", &valid);
    let guard = Guard::start_configured(&config.path()).await;
    let mut wire = guard.connect().await;
    let elsewhere = TOP.to_owned() + &upstream("app", &[other.addr()]);
    for (added, reason) in [
        (
            "[[route]]\npath = '/x'\nupstream = 'ap'\n",
            "guard.toml:11:12",
        ),
        ("balance = 'round-robin'\n", "guard.toml:9:1"),
        (
            "[[route]]\npath = 'x'\nupstream = 'app'\n",
            "guard.toml:10:8",
        ),
        (
            "[[route]]\npath = '/x'\nupstream = 'app'\npolicy = 'missing.toml'\n",
            "missing.toml",
        ),
    ] {
        config.save(&(elsewhere.clone() + added));
        guard.logged([reason]).await;
        assert_eq!(wire.get("/", "").await.unwrap().text(), "app", "{reason}");
    }
    assert!(
        !guard.log().contains("upstream in effect"),
        "{}",
        guard.log()
    );
    config.save(&elsewhere);
    guard.logged(["upstream in effect"]).await;
    assert_eq!(wire.get("/", "").await.unwrap().text(), "other");
}

#[tokio::test]
async fn key_that_needs_a_restart_is_named_and_the_others_take_effect() {
    let (app, other) = (named("app").await, named("other").await);
    let text = |addr, port: &str| {
        TOP.replace("127.0.0.1:0", port) + "http2 = true\n" + &upstream("app", &[addr])
    };
    let before = text(app.addr(), "127.0.0.1:0").replace("http2 = true\n", "");
    let config = Config::new("config-restart", &before);
    let guard = Guard::start_configured(&config.path()).await;
    let after = text(other.addr(), "127.0.0.1:1");
    config.save(&after);
    guard
        .logged(["INFO", "guard.toml: upstream in effect"])
        .await;
    guard
        .logged([
            "WARN",
            "guard.toml: restart guard (or --handover) for listen.address, listen.http2",
        ])
        .await;
    let response = guard.connect().await.get("/", "").await.unwrap();
    assert_eq!(response.text(), "other");

    // The same before it is saved.
    let previous = config.folder.replace("previous.toml", &before);
    let checked = guard_check(&config, &previous);
    assert!(
        checked.ends_with(
            "takes effect when the file is saved: upstream\n\
             restart guard (or --handover) for listen.address, listen.http2\n"
        ),
        "{checked}"
    );
}

fn guard_check(config: &Config, previous: &str) -> String {
    let path = config.path();
    let path = path.to_str().unwrap();
    let checked = guard(["check", "--config", path, "--replaces", previous]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    text(&checked.stdout)
}
