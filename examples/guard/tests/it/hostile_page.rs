//! A page that tries to get its visitor banned: with fifty images from paths whose rule bans, and with
//! the requests that least look like those of a page. The hop in between drops `Connection` and decodes
//! paths. A visitor in Chromium is not banned.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
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

/// Markup and script that make a browser send requests to `SITE`.
const TRICKS: &str = r#"
    <img src="http://SITE/brace%7B/.env"><img src="http://SITE/slash%5C/.env">
    <img src="http://SITE/caret%5E/.env"><img src="http://SITE/dots%2F..%2F.env">
    <script>
        fetch("http://SITE/put/.env", {method: "PUT"}).catch(() => 0);
        fetch("http://SITE/header/.env", {headers: {"X-Custom": "1"}}).catch(() => 0);
        const json = new Blob(["{}"], {type: "application/json"});
        navigator.sendBeacon("http://SITE/beacon/.env", json);
        new WebSocket("ws://SITE/socket/.env");
    </script>
"#;

/// The request lines of [`TRICKS`], after the hop.
const SENT: [&str; 8] = [
    "GET /brace{/.env ",
    "GET /slash\\/.env ",
    "GET /caret^/.env ",
    "GET /dots/../.env ",
    "OPTIONS /put/.env ",
    "OPTIONS /header/.env ",
    "OPTIONS /beacon/.env ",
    "GET /socket/.env ",
];

/// The request lines that the load balancer forwards.
type Lines = Arc<Mutex<Vec<String>>>;

/// A load balancer that adds the address of the viewer; one request per connection.
async fn balancer(guard: SocketAddr, lines: Lines) -> LoopbackServer {
    let keep_and_forward = move |browser| forward(browser, guard, lines.clone());
    LoopbackServer::start(keep_and_forward).await
}

/// Decodes the escapes in [`TRICKS`], as a proxy that passes on the path it matched.
fn decode(line: &str) -> String {
    let escapes = [("%7B", "{"), ("%5C", "\\"), ("%5E", "^"), ("%2F", "/")];
    let decode = |line: String, (escape, byte)| line.replace(escape, byte);
    escapes.into_iter().fold(line.to_owned(), decode)
}

async fn forward(browser: TcpStream, guard: SocketAddr, lines: Lines) {
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
    let (line, headers) = head.split_once("\r\n").unwrap_or_default();
    let line = decode(line);
    lines.lock().unwrap().push(line.clone());
    let mut server = TcpStream::connect(guard).await.unwrap();
    let head = format!("{line}\r\n{headers}X-Forwarded-For: {VIEWER}\r\nConnection: close\r\n\r\n");
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
    page += &TRICKS.replace("SITE", &victim.to_string());
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
async fn visitor_of_a_hostile_page_is_not_banned() {
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
        let lines = Lines::default();
        let victim = balancer(guard.addr(), lines.clone()).await;
        let page = hostile(victim.addr(), referrer).await;
        let shown = dump_dom(&chromium, format!("http://{host}:{}/", page.addr().port())).await;
        assert!(shown.contains("all requested"), "{shown}");

        let sent = lines.lock().unwrap().clone();
        let images = sent.iter().filter(|line| line.contains("/.env?x="));
        assert!(images.count() >= IMAGES, "{sent:?}");
        for trick in SENT {
            let is_sent = sent.iter().any(|line| line.starts_with(trick));
            assert!(is_sent, "{trick}: {sent:?}");
        }
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
