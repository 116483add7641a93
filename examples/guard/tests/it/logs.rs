//! The logs of events and requests, and the last events in the admin API.

#![expect(clippy::disallowed_methods, reason = "tests read what the guard wrote")]

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
    time::Duration,
};

use gabion_testkit::TempFolder;
use serde_json::Value;
use tokio::time::timeout;
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::support::{Guard, guard, text};

/// Headers with secrets, as a client of the demo.
const SECRETS: &str = "X-Forwarded-For: 203.0.113.9\r\nAuthorization: Basic 5ecret-authorization\r\n\
                       Cookie: session=5ecret-cookie\r\nReferer: https://me:5ecret-userinfo@a.example/?q=5ecret-referer\r\n\
                       User-Agent: \"evil\"\t\\x\r\n";

/// Lets the guard stop, and returns the content of a file that it wrote.
async fn written(mut guard: Guard, path: &str) -> String {
    guard.signal("TERM");
    assert!(guard.wait_for_exit().await.success());
    fs::read_to_string(path).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn each_request_has_a_line_of_json_without_secrets() {
    let folder = TempFolder::new("logs-json");
    let (access, events) = (folder.file("access.log"), folder.file("events.json"));
    let guard = Guard::start(&[
        "--access-log",
        &access,
        "--access-format",
        "json",
        "--events-file",
        &events,
        "--grace",
        "1",
    ])
    .await;
    for (target, status) in [
        ("/?token=5ecret-query", 200),
        ("/.env?token=5ecret-query", 403),
        ("/missing", 404),
    ] {
        let response = guard.connect().await.get(target, SECRETS).await;
        assert_eq!(response.unwrap().status.as_u16(), status, "{target}");
    }
    let (mut socket, _) = connect_async(format!("ws://{}/ws", guard.addr()))
        .await
        .unwrap();
    socket.send_and_close().await;

    let text = written(guard, &access).await;
    assert!(!text.contains("5ecret"), "{text}");
    let lines_of_access = lines(&text);
    let field = |line: &Value, key: &str| line[key].to_string();
    let found: Vec<_> = lines_of_access
        .iter()
        .map(|line| {
            [
                "event.action",
                "url.path",
                "http.response.status_code",
                "client.ip",
            ]
            .map(|key| field(line, key))
            .join(" ")
        })
        .collect();
    assert_eq!(
        found,
        [
            r#""request" "/" 200 "203.0.113.9""#,
            r#""request" "/.env" 403 "203.0.113.9""#,
            r#""request" "/missing" 404 "203.0.113.9""#,
            r#""websocket-opened" "/ws" 101 "127.0.0.1""#,
            r#""websocket-closed" "/ws" 101 "127.0.0.1""#,
        ]
    );
    let [page, denied, ..] = &lines_of_access[..] else {
        panic!("{text}");
    };
    assert_eq!(page["url.query"], "token=…");
    assert_eq!(page["source.ip"], "127.0.0.1");
    assert_eq!(page["user_agent.original"], r"\x22evil\x22\x09\x5cx");
    assert_eq!(page["http.request.referrer"], "https://…@a.example/?q=…");
    assert!(page["http.response.body.bytes"].as_u64().unwrap() > 100);
    assert!(page["event.duration"].as_u64().unwrap() > 0);
    assert!(
        page["gabion.upstream"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:")
    );
    assert_eq!(denied["rule.id"], "never/env");
    assert_eq!(denied["gabion.upstream"], Value::Null);

    let text = fs::read_to_string(events).unwrap();
    assert!(!text.contains("5ecret"), "{text}");
    let events = lines(&text);
    let denial = events
        .iter()
        .find(|event| event["event.action"] == "request-denied");
    let denial = denial.unwrap();
    assert_eq!(denial["event.id"], denied["event.id"]);
    assert_eq!(denial["rule.id"], "never/env");
    assert_eq!(denial["gabion.evidence"], ".env");
}

/// The steps of a client that sends one message.
trait SendAndClose {
    async fn send_and_close(&mut self);
}

impl<S> SendAndClose for tokio_tungstenite::WebSocketStream<S>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    async fn send_and_close(&mut self) {
        use futures_util::{SinkExt as _, StreamExt as _};

        self.send(Message::text("one")).await.unwrap();
        self.next().await.unwrap().unwrap();
        self.close(None).await.unwrap();
        while let Some(Ok(_)) = self.next().await {}
    }
}

#[tokio::test]
async fn combined_log_has_pseudonyms_and_rotates() {
    let folder = TempFolder::new("logs-combined");
    folder.replace("key", "a key for pseudonyms\n");
    folder.replace("policy.toml", "version = 1\npacks = ['never']\n");
    let config = folder.replace(
        "guard.toml",
        "version = 1\npolicy = 'policy.toml'\nworkers = 1\n[listen]\naddress = '127.0.0.1:0'\n\
         [log]\naccess = 'access.log'\nrotate_size = '1KiB'\nrotate_every = '1d'\nkeep = 50\npseudonyms = 'key'\n\
         [timeouts]\ngrace = '1s'\n",
    );
    let guard = Guard::start_configured(Path::new(&config)).await;
    for nth in 0..30 {
        let _ = guard
            .connect()
            .await
            .get(&format!("/{nth}?a=5ecret"), SECRETS)
            .await;
    }
    let mut text = written(guard, &folder.file("access.log")).await;
    // Compressed on a thread, which the end of the process may have stopped.
    let zcat = format!(
        "cd {} && for file in access.log.*Z access.log.*-[0-9][0-9][0-9] access.log.*.gz; do \
         [ -e $file ] && zcat -f $file; done; true",
        folder.path().display()
    );
    let rotated = Command::new("sh").args(["-c", &zcat]).output().unwrap();
    text += &String::from_utf8(rotated.stdout).unwrap();
    assert!(folder.path().join("access.log").metadata().unwrap().len() <= 1024);
    assert!(!text.contains("5ecret") && text.is_ascii(), "{text}");
    let lines: BTreeSet<_> = text.lines().collect();
    let mut clients: Vec<_> = lines
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(clients.len(), 30, "{text}");
    clients.dedup();
    assert_eq!(clients.len(), 1, "one client has one pseudonym: {text}");
    assert!(clients[0].starts_with("p-"), "{text}");
    for nth in 0..30 {
        let request = format!("\"GET /{nth}?a=*** HTTP/1.1\" ");
        assert!(text.contains(&request), "{request} in {text}");
    }
}

#[tokio::test]
async fn reader_of_a_pipe_that_stops_delays_no_request_and_lost_lines_are_an_event() {
    let folder = TempFolder::new("logs-pipe");
    let pipe = folder.file("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    // Also for writing, so that neither side waits for the other to open it.
    let mut reader = File::options().read(true).write(true).open(&pipe).unwrap();
    let guard = Guard::start(&["--access-log", &pipe, "--grace", "1"]).await;
    let mut wire = guard.connect().await;
    let long = format!("/{}", "x".repeat(4000));
    for _ in 0..800 {
        let response = timeout(Duration::from_secs(5), wire.get(&long, ""));
        response
            .await
            .expect("an answer in time")
            .expect("a response");
    }
    let reading = std::thread::spawn(move || {
        let mut buffer = [0; 8 * 1024];
        while !matches!(reader.read(&mut buffer), Ok(0) | Err(_)) {
            if buffer.starts_with(b"end") {
                break;
            }
        }
    });
    guard.logged([" lines were lost", "log "]).await;
    let mut end = File::options().append(true).open(&pipe).unwrap();
    drop(guard);
    // The reader may have read a part of the last line with it, or may be at its end.
    while !reading.is_finished() && end.write_all(b"end").is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn admin_api_shows_the_event_of_a_denial_with_every_detail() {
    let folder = TempFolder::new("logs-admin");
    let state = folder.file("state");
    let guard = Guard::start(&["--state", &state]).await;
    let denied = guard
        .connect()
        .await
        .get("/.env?token=5ecret", "")
        .await
        .unwrap();
    let body = denied.text();
    let digits =
        |text: &&str| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut words = body.split(|char: char| !char.is_ascii_alphanumeric());
    let id = words
        .find(digits)
        .unwrap_or_else(|| panic!("no event id in {body}"));

    let get = |path: &str| {
        let mut socket = UnixStream::connect(Path::new(&state).join("admin.sock")).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: guard\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        socket.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let status: u16 = head[9..12].parse().unwrap();
        (status, serde_json::from_str::<Value>(body).unwrap())
    };
    let (status, event) = get(&format!("/v1/events/{id}"));
    assert_eq!((status, &event["event.id"]), (200, &Value::from(id)));
    assert_eq!(event["url.query"], "token=5ecret");
    assert_eq!(event["rule.id"], "never/env");
    let (status, list) = get("/v1/events?last=1");
    assert_eq!((status, list["events"].as_array().unwrap().len()), (200, 1));
    assert_eq!(get("/v1/events/0000000000000000").0, 404);
    assert_eq!(get("/v1/events/x").0, 400);
    assert_eq!(get("/v1/events?last=x").0, 400);
}

#[test]
fn example_of_the_guide_is_valid() {
    let page = include_str!("../../../../crates/gabion/guide/logs.md");
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```\n").unwrap();
    let folder = TempFolder::new("logs-guide");
    let config = folder.replace("guard.toml", &format!("version = 1\n{example}"));
    let checked = guard(["check", "--config", &config]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    // Each key of the example has a row.
    for line in example.lines().skip(1) {
        let key = line.split(' ').next().unwrap();
        assert!(page.contains(&format!("\n| **`{key}`** | ")), "{key}");
    }
}
