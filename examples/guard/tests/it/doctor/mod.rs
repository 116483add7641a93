//! `guard doctor`, against servers that each have one thing wrong, and beside each one that has not.

mod behind_nginx;
mod guide;
mod handshake;
mod idle;
mod reach;
mod stage;
mod talk;
mod tls;
mod url;

use std::process::Command;

use crate::support::text;

/// What the doctor said.
struct Examined {
    said: String,
    status: Option<i32>,
}

/// Has it examine what `args` say.
async fn examine(args: &[&str]) -> Examined {
    examine_trusting(args, None).await
}

/// The same where the machine trusts the authority in that file alone.
async fn examine_trusting(args: &[&str], authority: Option<&str>) -> Examined {
    let mut doctor = doctor(args);
    if let Some(authority) = authority {
        doctor
            .env("SSL_CERT_FILE", authority)
            .env_remove("SSL_CERT_DIR");
    }
    let run = tokio::task::spawn_blocking(move || doctor.output().unwrap());
    let output = run.await.unwrap();
    Examined {
        said: text(&output.stdout),
        status: output.status.code(),
    }
}

fn doctor(args: &[&str]) -> Command {
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_guard"));
    doctor.arg("doctor").args(args);
    doctor
}

impl Examined {
    /// One step failed so, and that was all; what to change holds `change`.
    #[track_caller]
    fn fails(&self, step: &str, words: &[&str], change: &str) {
        assert_eq!(self.status, Some(1), "{}", self.said);
        let failed = self.lines("failed");
        let as_said = failed.len() == 1
            && failed[0].starts_with(&format!("failed  {step:<10} "))
            && words.iter().all(|word| failed[0].contains(word));
        assert!(
            as_said,
            "{step} does not fail alone with {words:?}:\n{}",
            self.said
        );
        let (_, to_change) = self.said.split_once("\nWhat to change:\n").expect("advice");
        assert!(to_change.contains(change), "no {change:?} in\n{to_change}");
    }

    /// Nothing failed.
    #[track_caller]
    fn is_well(&self) {
        assert_eq!(self.status, Some(0), "{}", self.said);
        assert!(self.said.ends_with("\nAll is well.\n"), "{}", self.said);
        assert!(self.lines("failed").is_empty(), "{}", self.said);
        self.says("ok", "ping", &[]);
    }

    /// A step went as `outcome` says, with these words.
    #[track_caller]
    fn says(&self, outcome: &str, step: &str, words: &[&str]) {
        let begin = format!("{outcome:<7} {step:<10} ");
        let lines = self.lines(&begin);
        let found = lines
            .iter()
            .any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "no {begin:?} with {words:?} in\n{}", self.said);
    }

    fn lines(&self, begin: &str) -> Vec<&str> {
        self.said
            .lines()
            .filter(|line| line.starts_with(begin))
            .collect()
    }
}
