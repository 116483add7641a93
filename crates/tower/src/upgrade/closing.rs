//! Ending a session from outside.

use std::{
    io,
    pin::Pin,
    task::{Poll, ready},
    time::Duration,
};

use gabion_core::Ending;
use gabion_frames::{
    CloseCode,
    encode::{self, ControlFrame},
};
use hyper::rt::{Sleep, Write as _};

use super::{Seat, Sessions, outgoing::Place, watched::Watched};

/// The close of a session: its frame, then the end of the stream, then some time for the client to
/// hang up, since a socket that is dropped while bytes arrive takes along what it has not delivered.
pub(super) struct Closing {
    frame: ControlFrame,
    sent: usize,
    step: Step,
    /// When the step at hand must be done.
    until: Duration,
    sleep: Option<Pin<Box<dyn Sleep>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Nothing that is sent would be read.
    Cut,
    Boundary,
    Frame,
    Flush,
    Shutdown,
    HangUp,
}

/// How long the service may take to end the frame at hand, and how long the client may take to read
/// the close and to hang up.
const PATIENCE: Duration = Duration::from_secs(1);

impl Closing {
    pub(super) fn new(ending: &Ending, sessions: &Sessions) -> Self {
        let code = CloseCode::new(ending.code());
        let step = if ending.cuts() {
            Step::Cut
        } else {
            Step::Boundary
        };
        Self {
            // Who is refused is told that he is, and not by what.
            frame: encode::close(code, "", None),
            sent: 0,
            step,
            until: sessions.now().saturating_add(PATIENCE),
            sleep: sessions.sleep(PATIENCE),
        }
    }

    /// Ready when nothing is left to be done, or its time is up.
    pub(super) fn poll(&mut self, watched: &mut Watched, seat: &Seat) -> Poll<()> {
        if seat.sessions().now() >= self.until {
            return Poll::Ready(());
        }
        match self.poll_steps(watched, seat) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => match &mut self.sleep {
                Some(sleep) => seat.session().for_both(|cx| sleep.as_mut().poll(cx)),
                None => Poll::Pending,
            },
        }
    }

    fn poll_steps(&mut self, watched: &mut Watched, seat: &Seat) -> Poll<io::Result<()>> {
        seat.session().for_both(|cx| {
            loop {
                match self.step {
                    Step::Cut => return Poll::Ready(Ok(())),
                    Step::Boundary => {
                        ready!(watched.poll_own(seat))?;
                        self.step = match watched.outgoing.place() {
                            Place::Boundary => Step::Frame,
                            Place::Ended => Step::Shutdown,
                            Place::Inside(_) => return Poll::Pending,
                            Place::Unknown => return Poll::Ready(Ok(())),
                        };
                        self.until = seat.sessions().now().saturating_add(PATIENCE);
                        self.sleep = seat.sessions().sleep(PATIENCE);
                    }
                    Step::Frame => {
                        let rest = &self.frame.as_bytes()[self.sent..];
                        self.sent += ready!(Pin::new(&mut watched.stream).poll_write(cx, rest))?;
                        if self.sent == self.frame.as_bytes().len() {
                            self.step = Step::Flush;
                        }
                    }
                    Step::Flush => {
                        ready!(Pin::new(&mut watched.stream).poll_flush(cx))?;
                        self.step = Step::Shutdown;
                    }
                    Step::Shutdown => {
                        ready!(Pin::new(&mut watched.stream).poll_shutdown(cx))?;
                        self.step = Step::HangUp;
                    }
                    Step::HangUp => return watched.poll_drop(cx),
                }
            }
        })
    }
}
