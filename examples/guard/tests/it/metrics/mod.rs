//! The metrics of a running guard, as Prometheus reads them.

mod documents;
mod scraped;

use std::{
    collections::BTreeMap,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use gabion_testkit::{RawConnection, TempFolder};

use crate::support::{Guard, guard, text};

/// The test stands for a balancer that names the clients.
const POLICY: &str = r#"
version = 1
[client]
trusted_proxies = ["127.0.0.0/8"]
[ban]
most_percent = 100
[[deny]]
id = "dotfiles"
names = [".env"]
then = "ban 1h"
[[deny]]
id = "php"
extensions = ["php"]
[[deny]]
id = "sql"
extensions = ["sql"]
mode = "observe"
"#;

/// A running guard in front of the demo, with its admin API on loopback.
struct Measured {
    guard: Guard,
    folder: TempFolder,
    /// The file with the token.
    token: String,
}

impl Measured {
    async fn start() -> Self {
        let folder = TempFolder::new("metrics");
        let token = folder.write("token", &text(&guard(["token"]).stdout));
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
        let policy = folder.replace("policy.toml", POLICY);
        let state = folder.file("state");
        let args = ["--policy", &policy, "--state", &state];
        let admin = ["--admin", "127.0.0.1:0", "--admin-token-file", &token];
        let guard = Guard::start(&[&args[..], &admin[..]].concat()).await;
        Self {
            guard,
            folder,
            token,
        }
    }

    /// The address of the admin API.
    fn admin(&self) -> String {
        let stdout = self.guard.stdout();
        let mut lines = stdout.lines();
        let line = lines.find_map(|line| line.trim().strip_prefix("admin      "));
        let addr = line.unwrap().split(", ").last().unwrap();
        addr.split(' ').next().unwrap().to_owned()
    }

    /// Sends `GET /metrics` over TCP with this line, and returns the status and the body.
    async fn get(&self, line: &str) -> (u16, String) {
        let mut connection = RawConnection::connect(self.admin().parse().unwrap()).await;
        let response = connection.get("/metrics", line).await.unwrap();
        (response.status.as_u16(), response.text())
    }

    #[expect(clippy::disallowed_methods, reason = "a test reads its token")]
    async fn metrics(&self) -> String {
        let token = std::fs::read_to_string(&self.token).unwrap();
        let (status, text) = self
            .get(&format!("Authorization: Bearer {}\r\n", token.trim()))
            .await;
        assert_eq!(status, 200, "{text}");
        text
    }

    /// Sends a GET from this client, and returns the status.
    async fn send(&self, client: &str, target: &str) -> u16 {
        let line = format!("X-Forwarded-For: {client}\r\n");
        let response = self.guard.connect().await.get(target, &line).await;
        response.expect("a response").status.as_u16()
    }
}

/// The series of a text, and their values.
fn series(text: &str) -> BTreeMap<&str, f64> {
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let pairs = lines.map(|line| line.rsplit_once(' ').unwrap());
    pairs
        .map(|(series, value)| (series, value.parse().unwrap()))
        .collect()
}

/// Runs `promtool` with this input in `folder`, and returns its output if it succeeds.
#[track_caller]
fn promtool(promtool: &Path, folder: &Path, args: &[&str], input: &str) -> String {
    let mut command = Command::new(promtool);
    command.args(args).current_dir(folder).stdin(Stdio::piped());
    let mut child = command
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads no input may have ended.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let report = text(&[output.stdout, output.stderr].concat());
    assert!(
        output.status.success(),
        "promtool {args:?}: {report}\n{input}"
    );
    report
}
