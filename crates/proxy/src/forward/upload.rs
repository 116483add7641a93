//! The body of a request on its way to the upstream.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::trailers::strip_trailers;

/// A request's body, frame by frame as it came, less what trailers may not say. An error passes through as an error, so that the
/// upstream never takes half a body for a whole one.
#[derive(Debug)]
pub(super) struct Upload {
    body: Option<Incoming>,
    progress: Arc<Progress>,
}

/// How an upload gets on: tells a slow upload from a silent upstream.
#[derive(Debug, Default)]
pub(super) struct Progress {
    moved: AtomicBool,
    awaits_client: AtomicBool,
    is_over: AtomicBool,
}

// === impl Upload ===

impl Upload {
    pub(super) fn new(body: Incoming) -> (Self, Arc<Progress>) {
        let progress = Arc::<Progress>::default();
        let upload = Self {
            body: Some(body),
            progress: Arc::clone(&progress),
        };
        (upload, progress)
    }

    /// No body.
    pub(super) fn none() -> Self {
        let progress = Arc::default();
        Self {
            body: None,
            progress,
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        let mut polled = Pin::new(body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &mut polled {
            frame.trailers_mut().map(strip_trailers);
        }
        this.progress
            .awaits_client
            .store(polled.is_pending(), Relaxed);
        if polled.is_ready() {
            this.progress.moved.store(true, Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let none = || SizeHint::with_exact(0);
        self.body.as_ref().map_or_else(none, Incoming::size_hint)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.progress.is_over.store(true, Relaxed);
    }
}

// === impl Progress ===

impl Progress {
    /// Whether anything moved since this was last asked.
    pub(super) fn moved(&self) -> bool {
        self.moved.swap(false, Relaxed)
    }

    /// Whether the next step is the client's.
    pub(super) fn awaits_client(&self) -> bool {
        self.awaits_client.load(Relaxed)
    }

    /// Whether nothing more is sent: hyper lets go of a body then.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Relaxed)
    }
}
