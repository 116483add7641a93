//! The requests in progress on a connection.
//!
//! hyper ends an idle HTTP/1 connection, but keeps an HTTP/2 connection open while its client answers pings. And
//! it does not poll a body while the client's flow control stops the stream, so that no timer of the body can
//! end it.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Method, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::upgrade::announce_close;

/// The requests in progress, and the time since there is none.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    /// Canceled when the accept loop drains.
    draining: CancellationToken,
}

#[derive(Debug)]
struct State {
    in_progress: usize,
    /// `true` once a tunnel was opened, whose end is not seen here.
    has_tunnel: bool,
    /// The end of the last request, or the beginning of the connection.
    last: Instant,
    next_id: u64,
    /// The requests of which a part of the response waits until the client takes it, with the time since then.
    untaken: BTreeMap<u64, Instant>,
}

/// The reason to end a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unused {
    /// No request is in progress.
    Idle,
    /// The client takes nothing of any response.
    Stalled,
}

/// A request in progress, until it is dropped.
#[derive(Debug)]
pub(super) struct InProgress {
    activity: Arc<Activity>,
    id: u64,
    is_connect: bool,
    /// `true` if the client can stop the response alone.
    has_flow_control: bool,
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
    pub(super) fn new(draining: CancellationToken) -> Self {
        let state = Mutex::new(State {
            in_progress: 0,
            has_tunnel: false,
            last: Instant::now(),
            next_id: 0,
            untaken: BTreeMap::new(),
        });
        Self { state, draining }
    }

    /// Returns `true` if no request is in progress.
    pub(super) fn is_idle(&self) -> bool {
        self.state().in_progress == 0
    }

    pub(super) fn begin<B>(self: &Arc<Self>, request: &Request<B>) -> InProgress {
        let mut state = self.state();
        state.in_progress += 1;
        state.next_id += 1;
        InProgress {
            activity: Arc::clone(self),
            id: state.next_id,
            is_connect: *request.method() == Method::CONNECT,
            has_flow_control: request.version() == Version::HTTP_2,
        }
    }

    /// Completes when no request was in progress for as long as `idle`, or when the client took nothing of the
    /// response to any request in progress for as long as `stalled`; never if there was a tunnel.
    ///
    /// A stream that stalls beside others does not count: a load balancer sends the requests of many clients on
    /// one connection.
    pub(super) async fn unused(&self, idle: Duration, stalled: Duration) -> Unused {
        loop {
            let now = Instant::now();
            // The other reason, or both if there is none now, can begin at any time.
            let mut next = now + idle.min(stalled);
            if let Some((end, why)) = self.state().unused_at(idle, stalled) {
                if end <= now {
                    return why;
                }
                next = next.min(end);
            }
            sleep_until(next).await;
        }
    }

    /// No code can panic under this lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    /// The time at which the connection is unused, if nothing changes; `None` if it is used.
    fn unused_at(&self, idle: Duration, stalled: Duration) -> Option<(Instant, Unused)> {
        if self.has_tunnel {
            return None;
        }
        if self.in_progress == 0 {
            return Some((self.last + idle, Unused::Idle));
        }
        let last = self.untaken.values().max()?;
        let are_all = self.untaken.len() == self.in_progress;
        are_all.then(|| (*last + stalled, Unused::Stalled))
    }
}

// === impl InProgress ===

impl InProgress {
    /// Records that the client took what was sent before.
    fn take(&self) {
        if self.has_flow_control {
            self.activity.state().untaken.remove(&self.id);
        }
    }

    /// Returns `true` if the connection must end with the response: a client that is told so sends no other
    /// request on it, as it may on an idle connection at the moment in which that is closed (RFC 9112, 9.6).
    /// HTTP/2 has a frame for it.
    fn is_last(&self) -> bool {
        !self.has_flow_control && self.activity.draining.is_cancelled()
    }

    /// Records that a part of the response waits for the client.
    fn offer(&self) {
        if self.has_flow_control {
            let now = Instant::now();
            self.activity.state().untaken.insert(self.id, now);
        }
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.untaken.remove(&self.id);
        state.in_progress -= 1;
        state.last = Instant::now();
    }
}

// === impl ProgressFuture ===

impl<F> ProgressFuture<F> {
    pub(super) const fn new(response: F, request: InProgress) -> Self {
        let request = Some(request);
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
        let mut response = ready!(this.response.poll(cx))?;
        let request = this.request.take();
        if let Some(request) = &request {
            let status = response.status();
            if request.is_connect && status.is_success() {
                request.activity.state().has_tunnel = true;
            } else if status != StatusCode::SWITCHING_PROTOCOLS && request.is_last() {
                announce_close(response.headers_mut());
            }
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
        let this = self.project();
        // hyper polls the next frame when the client has room for it.
        if let Some(request) = this.request {
            request.take();
        }
        let polled = this.body.poll_frame(cx);
        if let (Some(request), Poll::Ready(Some(Ok(_)))) = (this.request, &polled) {
            request.offer();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
