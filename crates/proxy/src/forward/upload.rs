//! The request body on its way to the upstream.

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

/// A request body, streamed frame by frame, with head-only fields removed from its trailers. An
/// error is passed through as an error, so that the upstream never takes a partial body for a
/// complete one.
#[derive(Debug)]
pub(super) struct Upload {
    body: Option<Incoming>,
    progress: Arc<Progress>,
}

/// The progress of an upload, which separates a slow client from a silent upstream.
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

    /// Returns an empty body.
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
    /// Returns `true` if the body made progress since the last call.
    pub(super) fn moved(&self) -> bool {
        self.moved.swap(false, Relaxed)
    }

    /// Returns `true` if the upload is waiting for the client.
    pub(super) fn awaits_client(&self) -> bool {
        self.awaits_client.load(Relaxed)
    }

    /// Returns `true` if nothing more is sent: hyper then drops the body.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Relaxed)
    }
}
