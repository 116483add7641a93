//! A waker that lets whoever is at work go on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::AcqRel},
    },
    task::{Context, Wake, Waker},
};

use atomic_waker::AtomicWaker;

/// Wakes the task that drives a link. While that is at it, it is only told to look again: else what
/// it does to the link would wake it anew, once for each answer.
#[derive(Debug, Default)]
pub(super) struct Nudge {
    driver: AtomicWaker,
    state: AtomicU8,
}

/// Somebody drives.
const ATTENDED: u8 = 1;

/// Something has come.
const NUDGED: u8 = 2;

impl Nudge {
    /// Nudges wake whoever polls with `cx`.
    pub(super) fn register(&self, cx: &Context<'_>) {
        self.driver.register(cx.waker());
    }

    /// From now on nudges are only noted.
    pub(super) fn attend(&self) {
        self.state.swap(ATTENDED, AcqRel);
    }

    /// From now on they wake again; whether one was noted.
    pub(super) fn leave(&self) -> bool {
        self.state.swap(0, AcqRel) & NUDGED != 0
    }

    /// Has the driver come again later.
    pub(super) fn wake_driver(&self) {
        self.driver.wake();
    }
}

impl Wake for Nudge {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.fetch_or(NUDGED, AcqRel) & ATTENDED == 0 {
            self.driver.wake();
        }
    }
}

/// For looking at what only the link brings: whoever drives it looks afterwards.
pub(super) const fn deaf() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn driver_is_woken_only_while_nobody_drives() {
        let woken = Arc::<Count>::default();
        let nudge = Arc::<Nudge>::default();
        let (driver, waker) = (Waker::from(woken.clone()), Waker::from(nudge.clone()));
        nudge.register(&Context::from_waker(&driver));
        nudge.attend();
        assert!(!nudge.leave());
        nudge.attend();
        waker.wake_by_ref();
        assert_eq!(woken.0.load(Relaxed), 0);
        assert!(nudge.leave(), "it was noted");
        waker.wake_by_ref();
        assert_eq!(woken.0.load(Relaxed), 1);
        nudge.attend();
        assert!(!nudge.leave(), "what was told is not noted again");
    }
}
