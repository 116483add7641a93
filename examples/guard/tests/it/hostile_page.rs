//! A page that tries to get its visitor banned with fifty images, each from a path whose rule bans.
//! A visitor in Chromium is not banned.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use gabion_testkit::{Backend, LoopbackServer, TempFolder, program};
use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional,
    },
    net::TcpStream,
};

use crate::support::{Guard, dump_dom};

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

/// The client address of the browser.
const VIEWER: &str = "203.0.113.9";

const IMAGES: usize = 50;

/// A load balancer that adds the address of the viewer; one request per connection.
async fn balancer(guard: SocketAddr, requests: Arc<AtomicUsize>) -> LoopbackServer {
    let count_and_forward = move |browser| {
        requests.fetch_add(1, Ordering::Relaxed);
        forward(browser, guard)
    };
    LoopbackServer::start(count_and_forward).await
}

async fn forward(browser: TcpStream, guard: SocketAddr) {
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
        // Either side may close first.
        let _ = copy_bidirectional(&mut browser, &mut server).await;
    }
}

/// A page on another origin.
async fn hostile(victim: SocketAddr, policy: &'static str) -> LoopbackServer {
    let mut page = format!("<meta name=referrer content={policy}><p id=state>begun</p>");
    for image in 0..IMAGES {
        write!(page, "<img src=\"http://{victim}/{image}/.env?x={image}\">").unwrap();
    }
    page += "<script>onload = () => state.textContent = 'all requested'</script>";
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{page}",
        page.len()
    );
    let answer = Arc::new(answer);
    let serve = move |mut socket: TcpStream| {
        let answer = Arc::clone(&answer);
        async move {
            // One read gets the whole request head.
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    };
    LoopbackServer::start(serve).await
}

/// Sends a GET as the viewer and returns the status.
async fn viewer_gets(guard: &Guard, target: &str) -> u16 {
    let header = format!("X-Forwarded-For: {VIEWER}\r\n");
    let response = guard.connect().await.get(target, &header).await;
    response.expect("a response").status.as_u16()
}

#[tokio::test]
async fn visitor_of_a_page_with_fifty_hostile_images_is_not_banned() {
    let Some(chromium) = program("chromium") else {
        return;
    };
    let folder = TempFolder::new("hostile-policy");
    let policy = folder.replace("policy.toml", POLICY);
    let behind = Backend::start().await;
    // Another site, then another origin of the same site.
    for (host, referrer) in [("localhost", "unsafe-url"), ("127.0.0.1", "no-referrer")] {
        let args = ["--upstream", &behind.url(), "--policy", &policy];
        let guard = Guard::start(&args).await;
        let requests = Arc::new(AtomicUsize::new(0));
        let victim = balancer(guard.addr(), requests.clone()).await;
        let page = hostile(victim.addr(), referrer).await;
        let shown = dump_dom(&chromium, format!("http://{host}:{}/", page.addr().port())).await;
        assert!(shown.contains("all requested"), "{shown}");

        assert!(
            requests.load(Ordering::Relaxed) >= IMAGES,
            "only {requests:?} requests"
        );
        let forwarded = behind.take();
        let probes = forwarded.iter().filter(|seen| seen.target.contains(".env"));
        assert_eq!(probes.count(), 0, "every probe is denied");
        let log = guard.log();
        assert!(!log.contains("banned for"), "{log}");
        assert_eq!(viewer_gets(&guard, "/").await, 200, "{referrer}");

        // The same paths without a page: the client itself is responsible.
        for path in ["/1/.env", "/2/.env", "/3/.env"] {
            assert_eq!(viewer_gets(&guard, path).await, 403);
        }
        assert_eq!(viewer_gets(&guard, "/").await, 403, "banned");
    }
}
