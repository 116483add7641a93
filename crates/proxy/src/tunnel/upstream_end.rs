//! Why the upstream's side of a socket has ended.

use std::{borrow::Cow, time::Duration};

use gabion_core::Diagnosis;
use gabion_frames::CloseCode;
use tokio::time::Instant;

use super::idle_timeouts::IdleTimeouts;

/// What was seen of an upstream that ended a socket of its own accord.
#[derive(Clone, Copy, Debug)]
pub(super) struct UpstreamEnd {
    /// How long the socket had been open.
    pub(super) age: Duration,
    /// How long nothing had passed between here and the upstream.
    pub(super) silence: Duration,
    /// The code of its close frame, where it sent one.
    pub(super) code: Option<CloseCode>,
    /// It had sent a message.
    pub(super) sent_message: bool,
}

// === impl UpstreamEnd ===

impl UpstreamEnd {
    /// Spring's time for a first message (`setTimeToFirstMessage`), and how exactly it is kept.
    const FIRST_MESSAGE: (Duration, Duration) = (Duration::from_mins(1), Duration::from_secs(3));

    /// What is to be said of it; where it was cut, only once that proves a timer.
    pub(super) fn diagnose(
        &self,
        idle_timeouts: &IdleTimeouts,
        now: Instant,
    ) -> Option<(Diagnosis, Cow<'static, str>)> {
        if self.awaited_first_message() {
            let seen = format!(
                "it ended the socket after {:.1} s and had sent no message",
                self.age.as_secs_f32()
            );
            return Some((Diagnosis::NoFirstMessage, seen.into()));
        }
        if let Some(code) = self.code {
            let seen = format!("the server behind said {code}: {}", code.words());
            return Some((Diagnosis::Closed, seen.into()));
        }
        let timer = idle_timeouts.record(self.silence, now)?;
        Some((Diagnosis::CutBehind, timer.to_string().into()))
    }

    /// A socket that was silent all the time was cut by whoever counts silence.
    fn awaited_first_message(&self) -> bool {
        let (time, within) = Self::FIRST_MESSAGE;
        let is_idle_cut = self.code.is_none() && self.silence + within > self.age;
        !self.sent_message && !is_idle_cut && self.age.abs_diff(time) <= within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_a_socket_is_told_apart() {
        // After how long, after how much silence, with which code, having said something.
        for (age, silence, code, sent_message, expected) in [
            (60, 10, None, false, "D10"),
            (61, 61, Some(4500), false, "D10"),
            (60, 60, None, false, "-"),
            (60, 10, None, true, "-"),
            (60, 10, Some(1008), true, "D05"),
            (70, 10, None, false, "-"),
            (50, 10, Some(1011), false, "D05"),
            (9, 9, Some(1005), false, "D05"),
        ] {
            let ended = UpstreamEnd {
                age: Duration::from_secs(age),
                silence: Duration::from_secs(silence),
                code: code.map(CloseCode::new),
                sent_message,
            };
            let told = ended.diagnose(&IdleTimeouts::default(), Instant::now());
            let code = told.map_or("-", |(diagnosis, _)| diagnosis.code());
            assert_eq!(code, expected, "{ended:?}");
        }
    }
}
