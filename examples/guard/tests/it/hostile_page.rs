//! A page made to get its reader banned: fifty images, each from a path that bans. Whoever opens it
//! in Chromium keeps access.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use gabion_testkit::{Backend, program};
use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional,
    },
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::support::{Folder, Guard, dom};

const POLICY: &str = r#"
    version = 1
    [client]
    trusted_proxies = ["127.0.0.0/8"]
    [scan]
    [[deny]]
    id = "dotfiles"
    names = [".env"]
    then = "ban 1h"
"#;

/// Who sits before the browser.
const VIEWER: &str = "203.0.113.9";

const IMAGES: usize = 50;

/// A balancer that speaks for the viewer: one request a connection, as its head says.
async fn balancer(guard: SocketAddr, asked: Arc<AtomicUsize>) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut hops = JoinSet::new();
        while let Ok((browser, _)) = listener.accept().await {
            asked.fetch_add(1, Ordering::Relaxed);
            hops.spawn(hop(browser, guard));
        }
    });
    (addr, tasks)
}

async fn hop(browser: TcpStream, guard: SocketAddr) {
    let mut browser = BufReader::new(browser);
    let (mut line, mut head) = (String::new(), String::new());
    while browser
        .read_line(&mut line)
        .await
        .is_ok_and(|read| read > 2)
    {
        if !line.to_ascii_lowercase().starts_with("connection:") {
            head += &line;
        }
        line.clear();
    }
    let mut server = TcpStream::connect(guard).await.unwrap();
    let head = format!("{head}X-Forwarded-For: {VIEWER}\r\nConnection: close\r\n\r\n");
    if server.write_all(head.as_bytes()).await.is_ok() {
        // Either side may leave first.
        let _ = copy_bidirectional(&mut browser, &mut server).await;
    }
}

/// The page of a stranger, on an origin of its own.
async fn hostile(victim: SocketAddr, policy: &'static str) -> (SocketAddr, JoinSet<()>) {
    let mut page = format!("<meta name=referrer content={policy}><p id=state>begun</p>");
    for image in 0..IMAGES {
        write!(page, "<img src=\"http://{victim}/{image}/.env?x={image}\">").unwrap();
    }
    page += "<script>onload = () => state.textContent = 'all asked for'</script>";
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{page}",
        page.len()
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            // The head of a request fits into one read.
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    (addr, tasks)
}

/// The status of one GET by the viewer.
async fn viewer_gets(guard: &Guard, target: &str) -> u16 {
    let header = format!("X-Forwarded-For: {VIEWER}\r\n");
    let answer = guard.connect().await.get(target, &header).await;
    answer.expect("an answer").status.as_u16()
}

#[tokio::test]
async fn reader_of_fifty_hostile_images_keeps_access() {
    let Some(chromium) = program("chromium") else {
        return;
    };
    let folder = Folder::new("hostile-policy");
    let policy = folder.write("policy.toml", POLICY);
    let behind = Backend::start().await;
    // Another site; another origin of the same site.
    for (host, referrer) in [("localhost", "unsafe-url"), ("127.0.0.1", "no-referrer")] {
        let args = ["--upstream", &behind.url(), "--policy", &policy];
        let guard = Guard::start(&args).await;
        let asked = Arc::new(AtomicUsize::new(0));
        let (victim, _balancer) = balancer(guard.addr(), asked.clone()).await;
        let (page, _stranger) = hostile(victim, referrer).await;
        let shown = dom(&chromium, format!("http://{host}:{}/", page.port())).await;
        assert!(shown.contains("all asked for"), "{shown}");

        assert!(
            asked.load(Ordering::Relaxed) >= IMAGES,
            "{asked:?} asked for"
        );
        let reached = behind.take();
        let through = reached.iter().filter(|seen| seen.target.contains(".env"));
        assert_eq!(through.count(), 0, "and all denied");
        let log = guard.log();
        assert!(!log.contains("banned for"), "{log}");
        assert_eq!(viewer_gets(&guard, "/").await, 200, "{referrer}");

        // The same paths, asked for by nobody's page.
        for path in ["/1/.env", "/2/.env", "/3/.env"] {
            assert_eq!(viewer_gets(&guard, path).await, 403);
        }
        assert_eq!(viewer_gets(&guard, "/").await, 403, "that is proof");
    }
}
