//! The commands of an operator, and the admin API that carries them out.

mod commands;
mod formats;
mod itself;
mod over_tcp;

use std::process::Output;

use gabion_testkit::TempFolder;

use crate::support::{Guard, guard, text};

/// The policy of a guard behind a proxy on this machine, so that tests act as other clients.
const POLICY: &str = "version = 1\n[client]\ntrusted_proxies = ['127.0.0.0/8']\n[allow]\nnetworks = ['203.0.113.63']\n";

/// A running guard in front of the demo, with a state folder.
pub(crate) struct Operated {
    guard: Guard,
    folder: TempFolder,
}

impl Operated {
    pub(crate) async fn start() -> Self {
        let folder = TempFolder::new("operate");
        let policy = folder.replace("policy.toml", POLICY);
        let state = folder.file("state");
        let guard = Guard::start(&["--state", &state, "--policy", &policy]).await;
        Self { guard, folder }
    }

    /// Runs `guard COMMAND... --state DIR`.
    fn run(&self, command: &[&str]) -> Output {
        let state = self.folder.file("state");
        let args = command.iter().copied().chain(["--state", &state]);
        run(&args.collect::<Vec<_>>())
    }

    /// Runs a command that succeeds, and returns its output.
    #[track_caller]
    pub(crate) fn stdout(&self, command: &[&str]) -> String {
        let output = self.run(command);
        assert!(
            output.status.success(),
            "{command:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// Runs a command that fails, and returns its error.
    #[track_caller]
    fn stderr(&self, command: &[&str]) -> String {
        let output = self.run(command);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{command:?}: {}",
            text(&output.stdout)
        );
        text(&output.stderr)
    }

    /// Sends a request as a client, and returns the status.
    async fn status_for(&self, client: &str) -> u16 {
        let header = format!("X-Forwarded-For: {client}\r\n");
        let response = self.guard.connect().await.get("/", &header).await;
        response.expect("a response").status.as_u16()
    }
}

fn run(args: &[&str]) -> Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_guard"));
    command
        .env_remove("RUST_LOG")
        .env_remove("GUARD_ADMIN_TOKEN");
    command.args(args).output().unwrap()
}

#[test]
fn token_is_random() {
    let token = |output: Output| text(&output.stdout).trim().to_owned();
    let (one, other) = (token(guard(["token"])), token(guard(["token"])));
    assert_eq!(one.len(), 64);
    assert_ne!(one, other);
}
