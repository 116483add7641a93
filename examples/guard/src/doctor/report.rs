//! The printed report: a line for each step, then what to change.

use std::{fmt::Display, io::Write};

use gabion::inspect::Escaped;

use super::{Diagnosis, advice::Advice};

/// The results so far. Each line is printed at once, since a step can take seconds.
pub(super) struct Report {
    out: Box<dyn Write>,
    failed: usize,
    advice: Vec<Advice>,
}

/// A failure and the [`Advice`] for it.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) code: Option<Diagnosis>,
    pub(super) message: String,
    pub(super) advice: Advice,
}

/// The longest [`excerpt`], in bytes.
const MAX_EXCERPT: usize = 200;

// === impl Report ===

impl Report {
    /// Creates a report that is printed to `out`.
    pub(super) fn new(out: impl Write + 'static) -> Self {
        Self {
            out: Box::new(out),
            failed: 0,
            advice: Vec::new(),
        }
    }

    /// Reports the success of a step.
    pub(super) fn ok(&mut self, step: &str, message: impl Display) {
        self.print_step("ok", step, &message);
    }

    /// Reports something worth knowing that is not a failure.
    pub(super) fn note(&mut self, step: &str, message: impl Display) {
        self.print_step("note", step, &message);
    }

    /// Reports the failure of a step.
    pub(super) fn failed(&mut self, step: &str, finding: Finding) {
        self.failed += 1;
        let Finding {
            code,
            message,
            advice,
        } = finding;
        match code {
            Some(code) => {
                self.print_step("failed", step, &format_args!("{} {message}", code.code()));
            }
            None => self.print_step("failed", step, &message),
        }
        if !self.advice.contains(&advice) {
            self.advice.push(advice);
        }
    }

    /// Prints what to change. Returns an error if a step failed.
    pub(super) fn finish(mut self) -> Result<(), String> {
        if self.failed == 0 {
            self.print("\nAll checks passed.");
            return Ok(());
        }
        self.print("\nWhat to change:");
        let advice: Vec<_> = self.advice.iter().map(ToString::to_string).collect();
        self.print(advice.join("\n").trim_end());
        let checks = if self.failed == 1 { "check" } else { "checks" };
        Err(format!("guard doctor: {} {checks} failed", self.failed))
    }

    fn print_step(&mut self, outcome: &str, step: &str, message: &impl Display) {
        self.print(format_args!("{outcome:<7} {step:<10} {message}"));
    }

    fn print(&mut self, line: impl Display) {
        // The reader may have closed the pipe; the exit status is still right.
        let _ = writeln!(self.out, "{line}");
    }
}

// === impl Finding ===

impl Finding {
    /// Creates a finding that has a [`Diagnosis`].
    pub(super) fn with_code(code: Diagnosis, message: impl Into<String>, advice: Advice) -> Self {
        Self {
            code: Some(code),
            ..Self::new(message, advice)
        }
    }

    /// Creates a finding without a code: a failure of the network or the certificate.
    pub(super) fn new(message: impl Into<String>, advice: Advice) -> Self {
        Self {
            code: None,
            message: message.into(),
            advice,
        }
    }
}

/// Quotes bytes from a server: escaped, with runs of white space as one space, and cut after
/// [`MAX_EXCERPT`] bytes.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    let words = bytes.split(u8::is_ascii_whitespace);
    let mut plain = words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(&b' ');
    let is_cut = plain.len() > MAX_EXCERPT;
    plain.truncate(MAX_EXCERPT);
    let more = if is_cut { "..." } else { "" };
    format!("\"{}\"{more}", Escaped(&plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpt_has_no_control_characters_and_a_bounded_length() {
        assert_eq!(
            excerpt(b" a\r\n\tb\x1b[2J\"\xff "),
            r#""a b\x1b[2J\x22\xff""#
        );
        let long = excerpt(&[b'x'; 5000]);
        assert_eq!(long.len(), MAX_EXCERPT + 5, "{long}");
    }
}
