//! What is said on the way, and what to change at the end.

use std::{fmt::Display, io::Write};

use gabion::inspect::Escaped;

use super::{Diagnosis, advice::Advice};

/// What came of the walk. Each line is printed when it is known; a step may take a while.
pub(super) struct Report {
    out: Box<dyn Write>,
    failed: usize,
    advice: Vec<Advice>,
}

/// Something that is wrong.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) code: Option<Diagnosis>,
    pub(super) said: String,
    pub(super) advice: Advice,
}

/// How much is shown of what a server sent.
const EXCERPT: usize = 200;

// === impl Report ===

impl Report {
    /// To be printed on `out`.
    pub(super) fn new(out: impl Write + 'static) -> Self {
        Self {
            out: Box::new(out),
            failed: 0,
            advice: Vec::new(),
        }
    }

    /// A step went well.
    pub(super) fn ok(&mut self, step: &str, said: impl Display) {
        self.line("ok", step, &said);
    }

    /// Worth knowing, and nothing wrong.
    pub(super) fn note(&mut self, step: &str, said: impl Display) {
        self.line("note", step, &said);
    }

    /// Something is wrong.
    pub(super) fn failed(&mut self, step: &str, finding: Finding) {
        self.failed += 1;
        let Finding { code, said, advice } = finding;
        match code {
            Some(code) => self.line("failed", step, &format_args!("{} {said}", code.code())),
            None => self.line("failed", step, &said),
        }
        if !self.advice.contains(&advice) {
            self.advice.push(advice);
        }
    }

    /// Prints what to change. An error where something failed.
    pub(super) fn close(mut self) -> Result<(), String> {
        if self.failed == 0 {
            self.say("\nAll is well.");
            return Ok(());
        }
        self.say("\nWhat to change:");
        let advice: Vec<_> = self.advice.iter().map(ToString::to_string).collect();
        self.say(advice.join("\n").trim_end());
        Err(format!("guard doctor: {} failed", self.failed))
    }

    fn line(&mut self, outcome: &str, step: &str, said: &impl Display) {
        self.say(format_args!("{outcome:<7} {step:<10} {said}"));
    }

    fn say(&mut self, said: impl Display) {
        // Whoever reads may have left; the exit status stands.
        let _ = writeln!(self.out, "{said}");
    }
}

// === impl Finding ===

impl Finding {
    /// A finding that has a code.
    pub(super) fn coded(code: Diagnosis, said: impl Into<String>, advice: Advice) -> Self {
        Self {
            code: Some(code),
            ..Self::plain(said, advice)
        }
    }

    /// One that needs none: it is the network's or the certificate's.
    pub(super) fn plain(said: impl Into<String>, advice: Advice) -> Self {
        Self {
            code: None,
            said: said.into(),
            advice,
        }
    }
}

/// What a server sent, in quotes: escaped, runs of white space as one blank, and cut.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    let words = bytes.split(u8::is_ascii_whitespace);
    let mut plain = words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(&b' ');
    let cut = plain.len() > EXCERPT;
    plain.truncate(EXCERPT);
    let more = if cut { "..." } else { "" };
    format!("\"{}\"{more}", Escaped(&plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_sent_cannot_draw_on_the_terminal_and_ends() {
        assert_eq!(
            excerpt(b" a\r\n\tb\x1b[2J\"\xff "),
            r#""a b\x1b[2J\x22\xff""#
        );
        let long = excerpt(&[b'x'; 5000]);
        assert_eq!(long.len(), EXCERPT + 5, "{long}");
    }
}
