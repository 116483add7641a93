//! What is to be done in time: pings, and an end to what does not move.

use std::{io, task::Poll, time::Duration};

use gabion_core::Ending;
use gabion_frames::Due;

use super::{Seat, outgoing::Place, watched::Watched};

impl Watched {
    /// Does what is due, and sees to it that what will be due is done in time.
    pub(super) fn keep(&mut self, seat: &Seat) {
        while seat.session().ending().is_none() {
            let now = seat.sessions().now();
            let times = [
                seat.session().ends_at(),
                self.deadline(now, seat),
                self.keep_alive(now, seat),
                self.stalls_at(seat).filter(|time| *time > now),
            ];
            let Some(next) = times.into_iter().flatten().min() else {
                return;
            };
            if self.alarm.poll(next, seat).is_pending() {
                return;
            }
            if seat.session().is_due(next) {
                return seat.session().rouse();
            }
        }
    }

    fn deadline(&mut self, now: Duration, seat: &Seat) -> Option<Duration> {
        self.incoming.as_mut()?.deadline(now, seat)
    }

    /// Pings a client that was silent for too long, and ends a session whose client is gone. When to
    /// look again; none where a byte will say so.
    fn keep_alive(&mut self, now: Duration, seat: &Seat) -> Option<Duration> {
        let incoming = self.incoming.as_mut()?;
        if !matches!(incoming.due(now)?, Due::Wait(_)) {
            incoming.look(&mut self.stream, now, seat);
        }
        match incoming.due(now)? {
            Due::Wait(time) => return Some(time),
            Due::Ping => match self.outgoing.place() {
                Place::Boundary => {
                    self.outgoing.put(incoming.ping(now)?);
                    self.pinged = Some(now);
                }
                // It is put where the frame ends.
                Place::Inside(_) => return None,
                Place::Ended | Place::Unknown => incoming.end(),
            },
            Due::Gone => {
                if seat
                    .keeper()
                    .end(seat.session(), Ending::Silent, seat.mode())
                {
                    return None;
                }
                incoming.heard(now);
            }
        }
        // Where the stream fails, the next read or write says so.
        let _ = self.poll_own(seat);
        match self.incoming.as_ref()?.due(now)? {
            Due::Wait(time) => Some(time),
            Due::Ping | Due::Gone => None,
        }
    }

    /// When a client that takes nothing is given up.
    fn stalls_at(&self, seat: &Seat) -> Option<Duration> {
        let limit = seat.session().terms()?.write_stall?;
        Some(self.outgoing.stalled()?.saturating_add(limit))
    }

    /// The client takes nothing of what the service has for it.
    pub(super) fn stall(&mut self, seat: &Seat) -> Poll<io::Result<usize>> {
        let now = seat.sessions().now();
        self.outgoing.stall(now);
        if self.stalls_at(seat).is_some_and(|time| time <= now)
            && !seat
                .keeper()
                .end(seat.session(), Ending::Stalled, seat.mode())
        {
            self.outgoing.resume();
            self.outgoing.stall(now);
        }
        self.keep(seat);
        Poll::Pending
    }

    /// The client takes it. A ping that waited for a frame to end may be put now.
    pub(super) fn resume(&mut self, seat: &Seat) {
        let resumed = self.outgoing.resume();
        let Some(incoming) = &mut self.incoming else {
            return;
        };
        let now = seat.sessions().now();
        if resumed {
            incoming.heard(now);
        }
        if incoming.due(now) == Some(Due::Ping) && self.outgoing.place() == Place::Boundary {
            self.keep(seat);
        }
    }
}
