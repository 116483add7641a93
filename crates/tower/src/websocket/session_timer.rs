//! A timer for one deadline of a session.

use std::{
    pin::Pin,
    task::{Poll, ready},
    time::Duration,
};

use hyper::rt::Sleep;

use super::SessionPermit;

/// Wakes a session at a deadline.
#[derive(Default)]
pub(super) struct SessionTimer(Option<Armed>);

struct Armed {
    time: Duration,
    sleep: Pin<Box<dyn Sleep>>,
}

/// Added to each sleep, since a timer that rounds down would wake too early again and again.
const ROUNDING: Duration = Duration::from_millis(1);

impl SessionTimer {
    /// Ready from `time` on. A sleep that was started for an earlier deadline is kept, and a new
    /// one is started after it. Without a timer no task is woken.
    pub(super) fn poll(&mut self, time: Duration, permit: &SessionPermit) -> Poll<()> {
        loop {
            let now = permit.now();
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
