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
pub(super) struct DriverWaker {
    driver: AtomicWaker,
    state: AtomicU8,
}

/// Somebody drives.
const DRIVING: u8 = 1;

/// Something has come.
const WOKEN: u8 = 2;

impl DriverWaker {
    /// Nudges wake whoever polls with `cx`.
    pub(super) fn register(&self, cx: &Context<'_>) {
        self.driver.register(cx.waker());
    }

    /// From now on nudges are only noted.
    pub(super) fn start_driving(&self) {
        self.state.swap(DRIVING, AcqRel);
    }

    /// From now on they wake again; whether one was noted.
    pub(super) fn stop_driving(&self) -> bool {
        self.state.swap(0, AcqRel) & WOKEN != 0
    }

    /// Has the driver come again later.
    pub(super) fn wake_driver(&self) {
        self.driver.wake();
    }
}

impl Wake for DriverWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.fetch_or(WOKEN, AcqRel) & DRIVING == 0 {
            self.driver.wake();
        }
    }
}

/// For looking at what only the link brings: whoever drives it looks afterwards.
pub(super) const fn noop_context() -> Context<'static> {
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
        let driver_waker = Arc::<DriverWaker>::default();
        let (driver, waker) = (
            Waker::from(woken.clone()),
            Waker::from(driver_waker.clone()),
        );
        driver_waker.register(&Context::from_waker(&driver));
        driver_waker.start_driving();
        assert!(!driver_waker.stop_driving());
        driver_waker.start_driving();
        waker.wake_by_ref();
        assert_eq!(woken.0.load(Relaxed), 0);
        assert!(driver_waker.stop_driving(), "it was noted");
        waker.wake_by_ref();
        assert_eq!(woken.0.load(Relaxed), 1);
        driver_waker.start_driving();
        assert!(
            !driver_waker.stop_driving(),
            "what was told is not noted again"
        );
    }
}
