//! Ending a session from outside.

use std::{
    io,
    pin::Pin,
    task::{Poll, ready},
    time::Duration,
};

use gabion_core::CloseReason;
use gabion_frames::{
    CloseCode,
    encode::{self, ControlFrame},
};
use hyper::rt::{Sleep, Write as _};

use super::{SessionPermit, Sessions, outgoing::FramePosition, session_io::SessionIo};

/// The close of a session: its frame, then the end of the stream, then some time for the client to
/// hang up, since a socket that is dropped while bytes arrive takes along what it has not delivered.
pub(super) struct Closing {
    frame: ControlFrame,
    sent: usize,
    stage: CloseStage,
    /// When the step at hand must be done.
    until: Duration,
    sleep: Option<Pin<Box<dyn Sleep>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CloseStage {
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
const STEP_TIMEOUT: Duration = Duration::from_secs(1);

impl Closing {
    pub(super) fn new(close_reason: &CloseReason, sessions: &Sessions) -> Self {
        let code = CloseCode::new(close_reason.code());
        let stage = if close_reason.is_abrupt() {
            CloseStage::Cut
        } else {
            CloseStage::Boundary
        };
        Self {
            // Who is refused is told that he is, and not by what.
            frame: encode::close(code, "", None),
            sent: 0,
            stage,
            until: sessions.now().saturating_add(STEP_TIMEOUT),
            sleep: sessions.sleep(STEP_TIMEOUT),
        }
    }

    /// Ready when nothing is left to be done, or its time is up.
    pub(super) fn poll(&mut self, session_io: &mut SessionIo, permit: &SessionPermit) -> Poll<()> {
        if permit.sessions().now() >= self.until {
            return Poll::Ready(());
        }
        match self.poll_steps(session_io, permit) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => match &mut self.sleep {
                Some(sleep) => permit
                    .session()
                    .with_both_wakers(|cx| sleep.as_mut().poll(cx)),
                None => Poll::Pending,
            },
        }
    }

    fn poll_steps(
        &mut self,
        session_io: &mut SessionIo,
        permit: &SessionPermit,
    ) -> Poll<io::Result<()>> {
        permit.session().with_both_wakers(|cx| {
            loop {
                match self.stage {
                    CloseStage::Cut => return Poll::Ready(Ok(())),
                    CloseStage::Boundary => {
                        ready!(session_io.poll_injected(permit))?;
                        self.stage = match session_io.outgoing.position() {
                            FramePosition::Boundary => CloseStage::Frame,
                            FramePosition::Ended => CloseStage::Shutdown,
                            FramePosition::Inside(_) => return Poll::Pending,
                            FramePosition::Unknown => return Poll::Ready(Ok(())),
                        };
                        self.until = permit.sessions().now().saturating_add(STEP_TIMEOUT);
                        self.sleep = permit.sessions().sleep(STEP_TIMEOUT);
                    }
                    CloseStage::Frame => {
                        let rest = &self.frame.as_bytes()[self.sent..];
                        self.sent += ready!(Pin::new(&mut session_io.stream).poll_write(cx, rest))?;
                        if self.sent == self.frame.as_bytes().len() {
                            self.stage = CloseStage::Flush;
                        }
                    }
                    CloseStage::Flush => {
                        ready!(Pin::new(&mut session_io.stream).poll_flush(cx))?;
                        self.stage = CloseStage::Shutdown;
                    }
                    CloseStage::Shutdown => {
                        ready!(Pin::new(&mut session_io.stream).poll_shutdown(cx))?;
                        self.stage = CloseStage::HangUp;
                    }
                    CloseStage::HangUp => return session_io.poll_discard(cx),
                }
            }
        })
    }
}
