//! The reconnect snippet of the guide, in a real browser.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use gabion_testkit::{LoopbackServer, TempFolder, eventually, program};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::sleep,
};
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
        protocol::CloseFrame,
    },
};

use crate::support::Guard;

const SOCKETS: usize = 25;

/// Opens the WebSockets and reports to its server how many are open, and how long each was closed.
const PAGE: &str = r#"<!doctype html><script>
{snippet}
let open = 0;
for (let nth = 0; nth < {sockets}; nth++) {
  let closed = null;
  reconnecting("ws://{guard}/ws", (socket) => {
    fetch("/report/open/" + ++open);
    if (closed) fetch(`/report/gap/${closed.code}/${Math.round(performance.now() - closed.at)}`);
    socket.addEventListener("close", ({ code }) => {
      open--;
      closed = { code, at: performance.now() };
    });
  });
}
</script>"#;

/// Opens a WebSocket for each way in which the server closes it.
const CLOSES: &str = r#"<!doctype html><script>
{snippet}
for (const way of {ways}) {
  reconnecting("ws://{closer}/" + way, () => {}, way === "settled" ? { settled: 300 } : {});
}
</script>"#;

/// A server of one page, and the reports of the page.
struct Site {
    server: LoopbackServer,
    reports: Arc<Mutex<Vec<String>>>,
}

/// A guard that replaces another on the same address. Dropping it kills the process.
struct Successor(Child);

/// A browser. Dropping it ends the process.
struct Browser {
    child: Child,
    _profile: TempFolder,
}

#[tokio::test]
async fn page_reconnects_within_two_seconds_of_a_restart() {
    let Some(chromium) = program("chromium") else {
        return;
    };
    // The successor starts when the old guard stops accepting, as in a deploy, or after it has exited.
    for (grace, waits_for_exit) in [("10", false), ("2", true)] {
        let mut old = Guard::start(&["--grace", grace]).await;
        let addr = old.addr().to_string();
        let page = PAGE
            .replace("{snippet}", &snippet())
            .replace("{sockets}", &SOCKETS.to_string())
            .replace("{guard}", &addr);
        let site = Site::start(page).await;
        let _browser = Browser::open(&chromium, &site, grace);
        site.wait_for_reports(|reports| **reports == format!("open/{SOCKETS}"), 1)
            .await;

        old.signal("TERM");
        old.logged(["no new connections"]).await;
        if waits_for_exit {
            assert!(old.wait_for_exit().await.success());
        }
        let _new = Successor::start(&addr);
        let gaps = site
            .wait_for_reports(|reports| reports.starts_with("gap/"), SOCKETS)
            .await;
        let mut gaps: Vec<u64> = gaps
            .iter()
            .map(|gap| gap.strip_prefix("gap/1012/").unwrap().parse().unwrap())
            .collect();
        gaps.sort_unstable();
        println!("{SOCKETS} sockets, grace {grace} s: closed for {gaps:?} ms");
        let p99 = gaps[(gaps.len() * 99).div_ceil(100) - 1];
        assert!(p99 < 2000, "{gaps:?}");
    }
}

/// A way of closing, and how often the page opens the WebSocket within [`WINDOW`].
const WAYS: &[(&str, std::ops::RangeInclusive<usize>)] = &[
    ("1000", 1..=1),
    ("1001", 4..=20),
    ("1002", 1..=1),
    ("1003", 1..=1),
    ("1007", 1..=1),
    ("1008", 1..=1),
    ("1012", 4..=20),
    ("1013", 4..=20),
    ("cut", 4..=20),
    // Each connection lasts longer than the `settled` time, so the wait does not grow.
    ("settled", 9..=20),
];

const WINDOW: Duration = Duration::from_secs(8);

#[tokio::test]
async fn reconnect_depends_on_the_close_code() {
    let Some(chromium) = program("chromium") else {
        return;
    };
    let (closer, opens) = closer().await;
    let ways: Vec<_> = WAYS.iter().map(|(way, _)| format!("{way:?}")).collect();
    let page = CLOSES
        .replace("{snippet}", &snippet())
        .replace("{ways}", &format!("[{}]", ways.join(",")))
        .replace("{closer}", &closer.addr().to_string());
    let site = Site::start(page).await;
    let _browser = Browser::open(&chromium, &site, "codes");
    let count = |way: &str| {
        opens
            .lock()
            .unwrap()
            .iter()
            .filter(|opened| *opened == way)
            .count()
    };
    let all = eventually(|| WAYS.iter().all(|(way, _)| count(way) > 0).then_some(()));
    all.await.expect("every WebSocket is opened");
    sleep(WINDOW).await;
    for (way, times) in WAYS {
        let count = count(way);
        println!("{way}: opened {count} times in {} s", WINDOW.as_secs());
        assert!(
            times.contains(&count),
            "{way}: {count} times, not {times:?}"
        );
    }
}

/// A server that closes each WebSocket in the way that its path names, and records the paths.
async fn closer() -> (LoopbackServer, Arc<Mutex<Vec<String>>>) {
    let opens: Arc<Mutex<Vec<String>>> = Arc::default();
    let recorded = Arc::clone(&opens);
    let server = LoopbackServer::start(move |socket| close(socket, Arc::clone(&recorded)));
    (server.await, opens)
}

async fn close(socket: TcpStream, opens: Arc<Mutex<Vec<String>>>) {
    let mut way = String::new();
    #[expect(clippy::result_large_err, reason = "the signature of tungstenite")]
    let read = |request: &Request, response: Response| {
        way += request.uri().path().trim_start_matches('/');
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(socket, read).await else {
        return;
    };
    opens.lock().unwrap().push(way.clone());
    let (after, code) = match &*way {
        "cut" => return,
        "settled" => (500, 1012),
        code => (0, code.parse().unwrap()),
    };
    sleep(Duration::from_millis(after)).await;
    let frame = CloseFrame {
        code: u16::into(code),
        reason: "".into(),
    };
    let _ = socket.send(Message::Close(Some(frame))).await;
    while let Some(Ok(_)) = socket.next().await {}
}

/// Returns the snippet from the guide.
fn snippet() -> String {
    let guide = include_str!("../../../../crates/gabion/guide/websockets.md");
    let (_, rest) = guide
        .split_once("<!-- snippet: reconnect -->\n\n```js\n")
        .expect("the snippet");
    rest.split_once("```\n").expect("its end").0.to_owned()
}

// === impl Site ===

impl Site {
    async fn start(page: String) -> Self {
        let reports: Arc<Mutex<Vec<String>>> = Arc::default();
        let (page, list) = (Arc::new(page), Arc::clone(&reports));
        let serve = move |socket| answer(socket, Arc::clone(&page), Arc::clone(&list));
        let server = LoopbackServer::start(serve).await;
        Self { server, reports }
    }

    /// Waits for `count` reports that match `is_wanted`, and returns them.
    async fn wait_for_reports(
        &self,
        is_wanted: impl Fn(&&String) -> bool,
        count: usize,
    ) -> Vec<String> {
        let enough = || {
            let reports = self.reports.lock().unwrap();
            let matching: Vec<_> = reports.iter().filter(&is_wanted).cloned().collect();
            (matching.len() >= count).then_some(matching)
        };
        let reports = eventually(enough).await;
        reports.unwrap_or_else(|| panic!("only {:?}", self.reports.lock().unwrap()))
    }
}

async fn answer(socket: TcpStream, page: Arc<String>, reports: Arc<Mutex<Vec<String>>>) {
    let mut socket = BufReader::new(socket);
    let mut line = String::new();
    let _ = socket.read_line(&mut line).await;
    let report = line
        .split(' ')
        .nth(1)
        .and_then(|path| path.strip_prefix("/report/"));
    if let Some(words) = report {
        reports.lock().unwrap().push(words.to_owned());
    }
    let body = if report.is_some() { "" } else { &**page };
    while line.len() > 2 {
        line.clear();
        if socket.read_line(&mut line).await.is_err() {
            return;
        }
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = socket.write_all((head + body).as_bytes()).await;
}

// === impl Successor ===

impl Successor {
    fn start(addr: &str) -> Self {
        let mut guard = Command::new(env!("CARGO_BIN_EXE_guard"));
        guard.args(["--listen", addr]).stdin(Stdio::null());
        Self(guard.stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

// === impl Browser ===

impl Browser {
    /// Opens the site in real time, with a new profile.
    fn open(chromium: &Path, site: &Site, name: &str) -> Self {
        let profile = TempFolder::new(&format!("reconnect-{name}"));
        let mut command_line = Command::new("timeout");
        command_line.arg("60").arg(chromium).args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-proxy-server",
            // Keeps headless Chromium running after the page has loaded.
            "--remote-debugging-port=0",
        ]);
        command_line.arg(format!("--user-data-dir={}", profile.path().display()));
        command_line.arg(format!("http://{}/", site.server.addr()));
        command_line
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self {
            child: command_line.spawn().unwrap(),
            _profile: profile,
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // `timeout` forwards SIGTERM to the browser; it could not forward SIGKILL.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}
