//! Cancellation of a task that waits for other events, too.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use pin_project_lite::pin_project;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

pin_project! {
    /// Completes when its token is canceled.
    ///
    /// # Cost
    ///
    /// A task polls it with each of its events. The token's own future takes 180 instructions for that; it is polled
    /// once per task, and after the token was canceled.
    #[derive(Debug)]
    pub(crate) struct Cancellation {
        token: CancellationToken,
        #[pin]
        canceled: WaitForCancellationFutureOwned,
        // Woken by the token.
        registered: Option<Waker>,
    }
}

// === impl Cancellation ===

impl Cancellation {
    pub(crate) fn new(token: CancellationToken) -> Self {
        Self {
            canceled: token.clone().cancelled_owned(),
            token,
            registered: None,
        }
    }
}

impl Future for Cancellation {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let is_registered = (this.registered.as_ref()).is_some_and(|it| it.will_wake(cx.waker()));
        if is_registered && !this.token.is_cancelled() {
            return Poll::Pending;
        }
        *this.registered = Some(cx.waker().clone());
        this.canceled.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::Relaxed},
        },
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn the_task_that_polled_last_is_woken() {
        let token = CancellationToken::new();
        let mut cancellation = pin!(Cancellation::new(token.clone()));
        let counts = [Arc::<Count>::default(), Arc::default()];
        for count in &counts {
            let waker = Waker::from(Arc::clone(count));
            let mut cx = Context::from_waker(&waker);
            for _ in 0..3 {
                assert!(cancellation.as_mut().poll(&mut cx).is_pending());
            }
        }
        token.cancel();
        assert_eq!(counts.each_ref().map(|count| count.0.load(Relaxed)), [0, 1]);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(cancellation.poll(&mut cx).is_ready());
    }
}
