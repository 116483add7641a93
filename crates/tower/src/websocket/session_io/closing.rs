//! The close of a session by the engine.

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

use super::SessionIo;
use crate::websocket::{SessionPermit, outgoing::FramePosition};

/// The steps of closing a session: the close frame, the shutdown of the stream, and a wait for the
/// client to disconnect. Without the wait, bytes that still arrive would reset the connection, and
/// the client would lose the bytes that it has not read yet.
pub(super) struct Closing {
    frame: ControlFrame,
    sent: usize,
    stage: CloseStage,
    /// The deadline of the current step.
    until: Duration,
    sleep: Option<Pin<Box<dyn Sleep>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CloseStage {
    /// No close frame is sent, because the client would not read it.
    Cut,
    Boundary,
    Frame,
    Flush,
    Shutdown,
    HangUp,
}

/// The time for the service to finish its current frame, and for the client to read the close frame
/// and disconnect.
const STEP_TIMEOUT: Duration = Duration::from_secs(1);

impl Closing {
    pub(super) fn new(close_reason: &CloseReason, permit: &SessionPermit) -> Self {
        let code = CloseCode::new(close_reason.code());
        let stage = if close_reason.is_abrupt() {
            CloseStage::Cut
        } else {
            CloseStage::Boundary
        };
        Self {
            // The close frame carries a code and no reason: the client does not learn the rule.
            frame: encode::close(code, "", None),
            sent: 0,
            stage,
            until: permit.now().saturating_add(STEP_TIMEOUT),
            sleep: permit.sessions().sleep(STEP_TIMEOUT),
        }
    }

    /// Ready when all steps are done, or at the deadline.
    pub(super) fn poll(&mut self, session_io: &mut SessionIo, permit: &SessionPermit) -> Poll<()> {
        if permit.now() >= self.until {
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
                        self.until = permit.now().saturating_add(STEP_TIMEOUT);
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
