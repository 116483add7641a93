//! The attacks of slowhttptest: slow heads, slow bodies and slow readers.

use std::{fs, path::Path, process::Command, time::Duration};

use axum::{
    Router,
    body::Bytes,
    routing::{get, post},
};
use gabion_testkit::{RouterServer, TempFolder, eventually, program};
use tokio::{task::spawn_blocking, time::Instant};

use crate::support::{Guard, runs_long_tests, text};

/// The number of connections of an attack.
const CONNECTIONS: usize = 20;

/// The timeouts of the guard, instead of a minute.
const TIMEOUTS: [&str; 4] = ["--receive-timeout", "3", "--send-timeout", "3"];

/// A second of an attack, in the words of the tool's report.
#[derive(Debug)]
struct Second {
    nth: u64,
    connected: usize,
    /// `true` if a request beside the attack was answered within two seconds.
    is_available: bool,
}

/// An attack of the tool.
#[derive(Debug)]
struct Attack {
    seconds: Vec<Second>,
    /// `true` if the tool ended early because the guard had closed all connections.
    was_cut: bool,
}

/// Attacks the guard for so many seconds, with these options.
async fn attack(tool: &Path, url: String, seconds: u64, options: &[&str]) -> Attack {
    let folder = TempFolder::new("slowhttptest");
    let mut command = Command::new(tool);
    command.args(options);
    command.args([
        "-c",
        &CONNECTIONS.to_string(),
        "-r",
        "50",
        "-l",
        &seconds.to_string(),
    ]);
    command.args(["-u", &url, "-p", "2", "-g", "-o", &folder.file("report")]);
    let run = spawn_blocking(move || command.output().unwrap());
    let output = run.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    Attack {
        seconds: report(&folder.file("report.csv")),
        was_cut: text(&output.stdout).contains("No open connections left"),
    }
}

/// Parses the lines `Seconds,Closed,Pending,Connected,Service Available` of a report.
#[expect(clippy::disallowed_methods, reason = "the test reads a report")]
fn report(file: &str) -> Vec<Second> {
    let text = fs::read_to_string(file).unwrap();
    let second = |line: &str| {
        let figures = line.split(',').map(|figure| figure.parse().unwrap());
        let figures: Vec<usize> = figures.collect();
        Second {
            nth: figures[0].try_into().unwrap(),
            connected: figures[3],
            is_available: figures[4] > 0,
        }
    };
    text.lines().skip(1).map(second).collect()
}

/// Starts a guard whose server takes uploads and has a large page.
async fn start() -> (RouterServer, Guard) {
    let upload = |body: Bytes| async move { body.len().to_string() };
    let large = || async { vec![b'x'; 8 << 20] };
    let router = Router::new()
        .route("/", get(|| async { "page" }))
        .route("/upload", post(upload))
        .route("/large", get(large));
    let server = RouterServer::start(router).await;
    let url = format!("http://{}", server.addr());
    let guard = Guard::start(&[&["--upstream", &url], &TIMEOUTS[..]].concat()).await;
    (server, guard)
}

impl Attack {
    /// Asserts that all connections were opened, and that the tool's own requests beside them were answered in each
    /// second. Returns the last second.
    #[track_caller]
    fn last_second(&self) -> u64 {
        let connected = self.seconds.iter().map(|second| second.connected);
        assert_eq!(connected.max(), Some(CONNECTIONS), "{self:?}");
        for second in &self.seconds {
            assert!(second.is_available, "{self:?}");
        }
        self.seconds[self.seconds.len() - 1].nth
    }
}

#[tokio::test]
async fn slow_heads_keep_nobody_out_and_are_cut() {
    let Some(tool) = program("slowhttptest") else {
        return;
    };
    let (_server, guard) = start().await;
    let url = format!("http://{}/", guard.addr());
    // The timeout of a head is fixed: 75 s.
    let is_long = runs_long_tests();
    let seconds = if is_long { 90 } else { 4 };
    let attack = attack(&tool, url, seconds, &["-H", "-i", "1", "-x", "5"]).await;
    let last = attack.last_second();
    assert_eq!(attack.was_cut, is_long, "{attack:?}");
    assert!(!is_long || (70..85).contains(&last), "{attack:?}");
}

#[tokio::test]
async fn slow_bodies_keep_nobody_out_and_are_cut() {
    let Some(tool) = program("slowhttptest") else {
        return;
    };
    let (_server, guard) = start().await;
    let url = format!("http://{}/upload", guard.addr());
    let attack = attack(&tool, url, 20, &["-B", "-i", "1", "-x", "5"]).await;
    let last = attack.last_second();
    assert!(attack.was_cut && (2..10).contains(&last), "{attack:?}");
}

#[tokio::test]
async fn slow_readers_keep_nobody_out_and_are_cut() {
    let Some(tool) = program("slowhttptest") else {
        return;
    };
    let (_server, guard) = start().await;
    let url = format!("http://{}/large", guard.addr());
    let before = guard.descriptors();
    let attack = tokio::spawn(async move {
        let options = ["-X", "-n", "30", "-z", "1", "-w", "1", "-y", "2"];
        attack(&tool, url, 9, &options).await
    });
    let is_busy = || (guard.descriptors() >= before + 2 * CONNECTIONS).then_some(());
    eventually(is_busy)
        .await
        .expect("connections on both sides");
    // The tool does not see the end, which follows the bytes that it does not read.
    let start = Instant::now();
    let is_quiet = || (guard.descriptors() < before + CONNECTIONS / 2).then_some(());
    eventually(is_quiet).await.expect("the connections are cut");
    let lasted = start.elapsed();
    let attack = attack.await.unwrap();
    assert!(
        lasted < Duration::from_secs(attack.last_second() - 2),
        "{lasted:?} {attack:?}"
    );
}
