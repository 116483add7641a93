//! The requests in progress on an HTTP/2 connection.
//!
//! hyper ends an idle HTTP/1 connection, but keeps an HTTP/2 connection open while its client answers pings.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Method, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, sleep_until};

/// The requests in progress, and the time since there is none.
#[derive(Debug)]
pub(super) struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    in_progress: usize,
    /// `true` once a tunnel was opened, whose end is not seen here.
    has_tunnel: bool,
    /// The end of the last request, or the beginning of the connection.
    last: Instant,
}

/// A request in progress, until it is dropped.
#[derive(Debug)]
pub(super) struct InProgress {
    activity: Arc<Activity>,
    is_connect: bool,
}

pin_project! {
    /// The response future of a request in progress.
    #[derive(Debug)]
    pub(super) struct ProgressFuture<F> {
        #[pin]
        response: F,
        request: Option<InProgress>,
    }
}

pin_project! {
    /// The body of a response, whose request is in progress until it is dropped.
    #[derive(Debug)]
    pub(super) struct ProgressBody<B> {
        #[pin]
        body: B,
        request: Option<InProgress>,
    }
}

// === impl Activity ===

impl Activity {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            in_progress: 0,
            has_tunnel: false,
            last: Instant::now(),
        }))
    }

    pub(super) fn begin(self: &Arc<Self>, method: &Method) -> InProgress {
        self.state().in_progress += 1;
        InProgress {
            activity: Arc::clone(self),
            is_connect: *method == Method::CONNECT,
        }
    }

    /// Completes when no request was in progress for as long as `timeout`; never if there was a tunnel.
    pub(super) async fn idle_for(&self, timeout: Duration) {
        loop {
            let end = {
                let state = self.state();
                let since = if state.in_progress == 0 && !state.has_tunnel {
                    state.last
                } else {
                    Instant::now()
                };
                since + timeout
            };
            if end <= Instant::now() {
                return;
            }
            sleep_until(end).await;
        }
    }

    /// No code can panic under this lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl InProgress ===

impl Drop for InProgress {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.in_progress -= 1;
        state.last = Instant::now();
    }
}

// === impl ProgressFuture ===

impl<F> ProgressFuture<F> {
    pub(super) const fn new(response: F, request: Option<InProgress>) -> Self {
        Self { response, request }
    }
}

impl<F, B, E> Future for ProgressFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ProgressBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.response.poll(cx))?;
        let request = this.request.take();
        if let Some(request) = &request
            && request.is_connect
            && response.status().is_success()
        {
            request.activity.state().has_tunnel = true;
        }
        Poll::Ready(Ok(response.map(|body| ProgressBody { body, request })))
    }
}

// === impl ProgressBody ===

impl<B: Body> Body for ProgressBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
