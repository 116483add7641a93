//! Diagnosis of the end of the upstream's side of a socket.

use std::{borrow::Cow, time::Duration};

use gabion_core::Diagnosis;
use gabion_frames::CloseCode;

use super::idle_timeouts::UpstreamIdleTimeouts;

/// Observations of an upstream that ended a socket first.
#[derive(Clone, Copy, Debug)]
pub(super) struct UpstreamEnd {
    /// The time the socket had been open.
    pub(super) age: Duration,
    /// The time since the last transfer between this proxy and the upstream.
    pub(super) idle: Duration,
    /// The status of the upstream's close frame, if it sent one.
    pub(super) code: Option<CloseCode>,
    /// Set if the upstream had sent a message.
    pub(super) sent_message: bool,
}

// === impl UpstreamEnd ===

impl UpstreamEnd {
    /// Spring's limit for a first message (`setTimeToFirstMessage`), and its tolerance.
    const FIRST_MESSAGE: (Duration, Duration) = (Duration::from_mins(1), Duration::from_secs(3));

    /// Returns the diagnosis of an end at this moment, and the observation. An idle cut is reported
    /// only once it shows a timeout.
    pub(super) fn diagnose(
        &self,
        idle_timeouts: &UpstreamIdleTimeouts,
    ) -> Option<(Diagnosis, Cow<'static, str>)> {
        if self.awaited_first_message() {
            let observation = format!(
                "the upstream ended the socket after {:.1} s without sending a message",
                self.age.as_secs_f32()
            );
            return Some((Diagnosis::NoFirstMessage, observation.into()));
        }
        if let Some(code) = self.code {
            let observation = format!("the upstream closed with {code}: {}", code.meaning());
            return Some((Diagnosis::Closed, observation.into()));
        }
        let timeout = idle_timeouts.record_cut(self.idle)?;
        Some((Diagnosis::CutBehind, timeout.to_string().into()))
    }

    /// A socket that was idle all the time was closed by an idle timeout instead.
    fn awaited_first_message(&self) -> bool {
        let (time, within) = Self::FIRST_MESSAGE;
        let is_idle_cut = self.code.is_none() && self.idle + within > self.age;
        !self.sent_message && !is_idle_cut && self.age.abs_diff(time) <= within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_end_has_its_diagnosis() {
        // Age, idle time, close status, message sent, expected diagnosis.
        for (age, idle, code, sent_message, expected) in [
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
                idle: Duration::from_secs(idle),
                code: code.map(CloseCode::new),
                sent_message,
            };
            let diagnosed = ended.diagnose(&UpstreamIdleTimeouts::default());
            let code = diagnosed.map_or("-", |(diagnosis, _)| diagnosis.code());
            assert_eq!(code, expected, "{ended:?}");
        }
    }
}
