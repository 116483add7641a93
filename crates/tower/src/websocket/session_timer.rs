//! Waiting for a time.

use std::{
    pin::Pin,
    task::{Poll, ready},
    time::Duration,
};

use hyper::rt::Sleep;

use super::SessionPermit;

/// Rouses a session when it is time.
#[derive(Default)]
pub(super) struct SessionTimer(Option<Armed>);

struct Armed {
    time: Duration,
    sleep: Pin<Box<dyn Sleep>>,
}

/// A timer that rounds down must not make us look too early, again and again.
const ROUNDING: Duration = Duration::from_millis(1);

impl SessionTimer {
    /// Ready from `time` on. An alarm that is set for an earlier time stays: it goes off first, and is
    /// set anew. Without a timer nobody is roused.
    pub(super) fn poll(&mut self, time: Duration, permit: &SessionPermit) -> Poll<()> {
        loop {
            let now = permit.sessions().now();
            if now >= time {
                self.0 = None;
                return Poll::Ready(());
            }
            if self.0.as_ref().is_none_or(|later| later.time > time) {
                let left = time.saturating_sub(now).saturating_add(ROUNDING);
                let sleep = permit.sessions().sleep(left);
                self.0 = sleep.map(|sleep| Armed { time, sleep });
            }
            let Some(armed) = &mut self.0 else {
                return Poll::Pending;
            };
            ready!(
                permit
                    .session()
                    .with_both_wakers(|cx| armed.sleep.as_mut().poll(cx))
            );
            self.0 = None;
        }
    }
}
