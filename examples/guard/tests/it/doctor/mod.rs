//! `guard doctor` against servers with one fault each, and against servers without it.

mod behind_nginx;
mod guide;
mod handshake;
mod idle;
mod mock_server;
mod socket;
mod tcp;
mod tls;
mod url;

use std::process::Command;

use crate::support::text;

/// The output and exit status of the doctor.
struct Examination {
    stdout: String,
    status: Option<i32>,
}

/// Runs the doctor with `args`.
async fn examine(args: &[&str]) -> Examination {
    examine_trusting(args, None).await
}

/// Runs the doctor on a machine that trusts only the certificate authority in that file.
async fn examine_trusting(args: &[&str], authority: Option<&str>) -> Examination {
    let mut doctor = doctor(args);
    if let Some(authority) = authority {
        doctor
            .env("SSL_CERT_FILE", authority)
            .env_remove("SSL_CERT_DIR");
    }
    let run = tokio::task::spawn_blocking(move || doctor.output().unwrap());
    let output = run.await.unwrap();
    Examination {
        stdout: text(&output.stdout),
        status: output.status.code(),
    }
}

fn doctor(args: &[&str]) -> Command {
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_guard"));
    doctor.arg("doctor").args(args);
    doctor
}

impl Examination {
    /// Asserts that this step failed with these words, that no other failed, and that the advice
    /// contains `change`.
    #[track_caller]
    fn assert_fails(&self, step: &str, words: &[&str], change: &str) {
        assert_eq!(self.status, Some(1), "{}", self.stdout);
        let failed = self.lines("failed");
        let as_expected = failed.len() == 1
            && failed[0].starts_with(&format!("failed  {step:<10} "))
            && words.iter().all(|word| failed[0].contains(word));
        assert!(
            as_expected,
            "{step} is not the only failure, with {words:?}:\n{}",
            self.stdout
        );
        let (_, to_change) = self
            .stdout
            .split_once("\nWhat to change:\n")
            .expect("advice");
        assert!(to_change.contains(change), "no {change:?} in\n{to_change}");
    }

    /// Asserts that no step failed.
    #[track_caller]
    fn assert_ok(&self) {
        assert_eq!(self.status, Some(0), "{}", self.stdout);
        assert!(
            self.stdout.ends_with("\nAll checks passed.\n"),
            "{}",
            self.stdout
        );
        assert!(self.lines("failed").is_empty(), "{}", self.stdout);
        self.assert_line("ok", "ping", &[]);
    }

    /// Asserts that a step has this outcome, with these words.
    #[track_caller]
    fn assert_line(&self, outcome: &str, step: &str, words: &[&str]) {
        let begin = format!("{outcome:<7} {step:<10} ");
        let lines = self.lines(&begin);
        let found = lines
            .iter()
            .any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "no {begin:?} with {words:?} in\n{}", self.stdout);
    }

    fn lines(&self, begin: &str) -> Vec<&str> {
        self.stdout
            .lines()
            .filter(|line| line.starts_with(begin))
            .collect()
    }
}
