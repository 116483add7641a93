//! The deadlines of a session: pings, incomplete messages, and clients that do not read.

use std::{io, task::Poll, time::Duration};

use gabion_core::CloseReason;
use gabion_frames::KeepAliveAction;

use super::{SessionPermit, outgoing::FramePosition, session_io::SessionIo};

impl SessionIo {
    /// Acts on each deadline that has passed, and sets the timer for the next one.
    pub(super) fn run_timers(&mut self, permit: &SessionPermit) {
        while permit.session().close_reason().is_none() {
            let now = permit.now();
            let times = [
                permit.session().ends_at(),
                self.message_deadline(now, permit),
                self.run_keep_alive(now, permit),
                self.write_stall_deadline(permit).filter(|time| *time > now),
            ];
            let Some(next) = times.into_iter().flatten().min() else {
                return;
            };
            if self.timer.poll(next, permit).is_pending() {
                return;
            }
            if permit.session().is_due(next) {
                return permit.session().wake_both();
            }
        }
    }

    fn message_deadline(&mut self, now: Duration, permit: &SessionPermit) -> Option<Duration> {
        self.incoming.as_mut()?.deadline(now, permit)
    }

    /// Pings an idle client, and closes the session of a client that is gone. Returns the time of
    /// the next check, or `None` if the next byte triggers it.
    fn run_keep_alive(&mut self, now: Duration, permit: &SessionPermit) -> Option<Duration> {
        let incoming = self.incoming.as_mut()?;
        if !matches!(incoming.due(now)?, KeepAliveAction::Wait(_)) {
            incoming.read_ahead(&mut self.stream, now, permit);
        }
        match incoming.due(now)? {
            KeepAliveAction::Wait(time) => return Some(time),
            KeepAliveAction::Ping => match self.outgoing.position() {
                FramePosition::Boundary => {
                    self.outgoing.inject(incoming.ping(now)?);
                    self.last_ping = Some(now);
                }
                // The ping is injected at the end of the frame.
                FramePosition::Inside(_) => return None,
                FramePosition::Ended | FramePosition::Unknown => incoming.stop_pings(),
            },
            KeepAliveAction::Gone => {
                if permit
                    .engine()
                    .end_session(permit.session(), CloseReason::NoPong, permit.mode())
                {
                    return None;
                }
                incoming.record_activity(now);
            }
        }
        // If the stream has failed, the next read or write returns the error.
        let _ = self.poll_injected(permit);
        match self.incoming.as_ref()?.due(now)? {
            KeepAliveAction::Wait(time) => Some(time),
            KeepAliveAction::Ping | KeepAliveAction::Gone => None,
        }
    }

    /// Returns the time at which the session of a client that reads nothing is closed.
    fn write_stall_deadline(&self, permit: &SessionPermit) -> Option<Duration> {
        let limit = permit.session().limits()?.write_stall?;
        Some(self.outgoing.blocked_since()?.saturating_add(limit))
    }

    /// Handles a write of which the client accepts no byte now.
    pub(super) fn on_write_blocked(&mut self, permit: &SessionPermit) -> Poll<io::Result<usize>> {
        let now = permit.now();
        self.outgoing.mark_blocked(now);
        if self
            .write_stall_deadline(permit)
            .is_some_and(|time| time <= now)
            && !permit.engine().end_session(
                permit.session(),
                CloseReason::WriteStall,
                permit.mode(),
            )
        {
            self.outgoing.unblock();
            self.outgoing.mark_blocked(now);
        }
        self.run_timers(permit);
        Poll::Pending
    }

    /// Handles a write of which the client accepted bytes. A ping that waits for a frame boundary
    /// may be injected.
    pub(super) fn on_write_progress(&mut self, permit: &SessionPermit) {
        let was_blocked = self.outgoing.unblock();
        let Some(incoming) = &mut self.incoming else {
            return;
        };
        let now = permit.now();
        if was_blocked {
            incoming.record_activity(now);
        }
        if incoming.due(now) == Some(KeepAliveAction::Ping)
            && self.outgoing.position() == FramePosition::Boundary
        {
            self.run_timers(permit);
        }
    }
}
