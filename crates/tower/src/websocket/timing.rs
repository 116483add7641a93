//! What is to be done in time: pings, and an end to what does not move.

use std::{io, task::Poll, time::Duration};

use gabion_core::CloseReason;
use gabion_frames::KeepAliveAction;

use super::{SessionPermit, outgoing::FramePosition, session_io::SessionIo};

impl SessionIo {
    /// Does what is due, and sees to it that what will be due is done in time.
    pub(super) fn keep(&mut self, permit: &SessionPermit) {
        while permit.session().ending().is_none() {
            let now = permit.sessions().now();
            let times = [
                permit.session().ends_at(),
                self.deadline(now, permit),
                self.keep_alive(now, permit),
                self.stalls_at(permit).filter(|time| *time > now),
            ];
            let Some(next) = times.into_iter().flatten().min() else {
                return;
            };
            if self.alarm.poll(next, permit).is_pending() {
                return;
            }
            if permit.session().is_due(next) {
                return permit.session().rouse();
            }
        }
    }

    fn deadline(&mut self, now: Duration, permit: &SessionPermit) -> Option<Duration> {
        self.incoming.as_mut()?.deadline(now, permit)
    }

    /// Pings a client that was silent for too long, and ends a session whose client is gone. When to
    /// look again; none where a byte will say so.
    fn keep_alive(&mut self, now: Duration, permit: &SessionPermit) -> Option<Duration> {
        let incoming = self.incoming.as_mut()?;
        if !matches!(incoming.due(now)?, KeepAliveAction::Wait(_)) {
            incoming.look(&mut self.stream, now, permit);
        }
        match incoming.due(now)? {
            KeepAliveAction::Wait(time) => return Some(time),
            KeepAliveAction::Ping => match self.outgoing.position() {
                FramePosition::Boundary => {
                    self.outgoing.put(incoming.ping(now)?);
                    self.pinged = Some(now);
                }
                // It is put where the frame ends.
                FramePosition::Inside(_) => return None,
                FramePosition::Ended | FramePosition::Unknown => incoming.end(),
            },
            KeepAliveAction::Gone => {
                if permit
                    .enforcer()
                    .end(permit.session(), CloseReason::NoPong, permit.mode())
                {
                    return None;
                }
                incoming.heard(now);
            }
        }
        // Where the stream fails, the next read or write says so.
        let _ = self.poll_own(permit);
        match self.incoming.as_ref()?.due(now)? {
            KeepAliveAction::Wait(time) => Some(time),
            KeepAliveAction::Ping | KeepAliveAction::Gone => None,
        }
    }

    /// When a client that takes nothing is given up.
    fn stalls_at(&self, permit: &SessionPermit) -> Option<Duration> {
        let limit = permit.session().session_limits()?.write_stall?;
        Some(self.outgoing.stalled()?.saturating_add(limit))
    }

    /// The client takes nothing of what the service has for it.
    pub(super) fn stall(&mut self, permit: &SessionPermit) -> Poll<io::Result<usize>> {
        let now = permit.sessions().now();
        self.outgoing.stall(now);
        if self.stalls_at(permit).is_some_and(|time| time <= now)
            && !permit
                .enforcer()
                .end(permit.session(), CloseReason::WriteStall, permit.mode())
        {
            self.outgoing.resume();
            self.outgoing.stall(now);
        }
        self.keep(permit);
        Poll::Pending
    }

    /// The client takes it. A ping that waited for a frame to end may be put now.
    pub(super) fn resume(&mut self, permit: &SessionPermit) {
        let resumed = self.outgoing.resume();
        let Some(incoming) = &mut self.incoming else {
            return;
        };
        let now = permit.sessions().now();
        if resumed {
            incoming.heard(now);
        }
        if incoming.due(now) == Some(KeepAliveAction::Ping)
            && self.outgoing.position() == FramePosition::Boundary
        {
            self.keep(permit);
        }
    }
}
