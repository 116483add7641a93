//! Pauses of a session, in which other tasks run.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::rt::Sleep;

use crate::websocket::SessionPermit;

/// Pauses of a millisecond for each [`Self::AFTER`] bytes by which messages grew when they were
/// inflated, so that a few bytes that inflate to many do not keep a thread from its other clients.
#[derive(Default)]
pub(super) struct Pause {
    state: State,
    /// The number of inflated bytes since the last pause.
    inflated: u64,
}

#[derive(Default)]
enum State {
    #[default]
    Over,
    /// One turn of the other tasks, since there is no timer.
    Turn,
    Sleep(Pin<Box<dyn Sleep>>),
}

impl Pause {
    /// The number of inflated bytes after which a session pauses.
    pub(super) const AFTER: u64 = 64 << 10;

    /// Counts inflated bytes. Begins a pause if there are enough.
    pub(super) fn count(&mut self, inflated: u64, permit: &SessionPermit) {
        self.inflated = self.inflated.saturating_add(inflated);
        let millis = self.inflated / Self::AFTER;
        if millis > 0 {
            self.inflated %= Self::AFTER;
            let sleep = permit.sessions().sleep(Duration::from_millis(millis));
            self.state = sleep.map_or(State::Turn, State::Sleep);
        }
    }

    /// Ready after the pause.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.state {
            State::Over => return Poll::Ready(()),
            State::Turn => {
                self.state = State::Over;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            State::Sleep(sleep) => ready!(sleep.as_mut().poll(cx)),
        }
        self.state = State::Over;
        Poll::Ready(())
    }
}
