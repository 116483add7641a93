//! A waker for tasks that drive a connection themselves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::AcqRel},
    },
    task::{Context, Wake, Waker},
};

use atomic_waker::AtomicWaker;

/// Wakes the task that drives a connection. While that task is driving, a wake is only recorded:
/// otherwise the task's own work on the connection would wake it again for each response.
#[derive(Debug, Default)]
pub(super) struct DriverWaker {
    driver: AtomicWaker,
    state: AtomicU8,
}

/// The task is driving.
const DRIVING: u8 = 1;

/// A wake was recorded.
const WOKEN: u8 = 2;

impl DriverWaker {
    /// Registers the task of `cx` to be woken.
    pub(super) fn register(&self, cx: &Context<'_>) {
        self.driver.register(cx.waker());
    }

    /// Records wakes from now on instead of passing them on.
    pub(super) fn start_driving(&self) {
        self.state.swap(DRIVING, AcqRel);
    }

    /// Passes wakes on from now on. Returns `true` if one was recorded.
    pub(super) fn stop_driving(&self) -> bool {
        self.state.swap(0, AcqRel) & WOKEN != 0
    }

    /// Wakes the registered task.
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

/// Returns a context that ignores wakes, for polling what only the connection advances: the driver
/// polls it again after driving.
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
    fn driver_is_woken_only_while_it_is_not_driving() {
        let wakes = Arc::<Count>::default();
        let driver_waker = Arc::<DriverWaker>::default();
        let (driver, driving) = (
            Waker::from(wakes.clone()),
            Waker::from(driver_waker.clone()),
        );
        driver_waker.register(&Context::from_waker(&driver));
        driver_waker.start_driving();
        assert!(!driver_waker.stop_driving());
        driver_waker.start_driving();
        driving.wake_by_ref();
        assert_eq!(wakes.0.load(Relaxed), 0);
        assert!(driver_waker.stop_driving(), "the wake was recorded");
        driving.wake_by_ref();
        assert_eq!(wakes.0.load(Relaxed), 1);
        driver_waker.start_driving();
        assert!(
            !driver_waker.stop_driving(),
            "a wake that was passed on is not recorded again"
        );
    }
}
