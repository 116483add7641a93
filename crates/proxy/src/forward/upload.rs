//! The request body on its way to the upstream.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use gabion_core::BodyLimit;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{
    pace::{Pace, TooSlow},
    trailers::strip_trailers,
};

/// A request body, streamed frame by frame, with head-only fields removed from its trailers. An
/// error is passed through as an error, so that the upstream never takes a partial body for a
/// complete one.
#[derive(Debug)]
pub(super) struct Upload {
    body: Option<Incoming>,
    /// The number of bytes that may still follow, with the limit.
    left: Option<(u64, BodyLimit)>,
    /// Set if the client announced the length. Others may be silent for long, as in gRPC.
    pace: Option<Pace>,
    progress: Arc<Progress>,
}

/// The reason why an upload fails.
#[derive(Debug)]
pub(super) enum UploadError {
    /// The client's body ended early, or its framing is invalid.
    Broken(hyper::Error),
    TooLarge(BodyLimit),
    TooSlow(TooSlow),
}

/// The reason why an upload failed, for an upstream over HTTP/2.
#[derive(Clone, Copy, Debug)]
pub(super) enum UploadFailure {
    Broken,
    TooLarge(BodyLimit),
    TooSlow(TooSlow),
}

/// The progress of an upload, which separates a slow client from a silent upstream.
#[derive(Debug, Default)]
pub(super) struct Progress {
    moved: AtomicBool,
    awaits_client: AtomicBool,
    is_over: AtomicBool,
    failure: OnceLock<UploadFailure>,
}

// === impl Upload ===

impl Upload {
    /// Wraps the body of a request, which fails beyond `limit`, and if its length is known and it is slower than
    /// `patience` allows ([`Pace`]).
    pub(super) fn new(
        body: Incoming,
        limit: Option<BodyLimit>,
        patience: Duration,
    ) -> (Self, Arc<Progress>) {
        let progress = Arc::<Progress>::default();
        let length = body.size_hint().exact();
        let upload = Self {
            body: Some(body),
            left: limit.map(|limit| (limit.bytes(), limit)),
            pace: length.map(|_| Pace::new(patience)),
            progress: Arc::clone(&progress),
        };
        (upload, progress)
    }

    /// Returns an empty body.
    pub(super) fn none() -> Self {
        let progress = Arc::default();
        Self {
            body: None,
            left: None,
            pace: None,
            progress,
        }
    }

    pub(super) const fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Removes head-only trailers from a frame, and counts its data toward the limit.
    fn check(
        &mut self,
        frame: Result<Frame<Bytes>, hyper::Error>,
    ) -> Result<Frame<Bytes>, UploadError> {
        let mut frame = frame.map_err(UploadError::Broken)?;
        frame.trailers_mut().map(strip_trailers);
        if let (Some((left, limit)), Some(data)) = (&mut self.left, frame.data_ref()) {
            let rest = left.checked_sub(data.len() as u64);
            *left = rest.ok_or(UploadError::TooLarge(*limit))?;
        }
        Ok(frame)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        if let Some(pace) = &mut this.pace
            && let Err(slow) = pace.check(cx, &polled)
        {
            this.progress.fail(UploadFailure::TooSlow(slow));
            return Poll::Ready(Some(Err(UploadError::TooSlow(slow))));
        }
        let polled = polled.map(|frame| frame.map(|frame| this.check(frame)));
        if let Poll::Ready(Some(Err(error))) = &polled {
            this.progress.fail(error.failure());
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

// === impl UploadError ===

impl UploadError {
    const fn failure(&self) -> UploadFailure {
        match self {
            Self::Broken(_) => UploadFailure::Broken,
            Self::TooLarge(limit) => UploadFailure::TooLarge(*limit),
            Self::TooSlow(slow) => UploadFailure::TooSlow(*slow),
        }
    }
}

impl fmt::Display for UploadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(error) => error.fmt(f),
            Self::TooLarge(limit) => write!(f, "more than {limit}"),
            Self::TooSlow(_) => f.write_str("too slow"),
        }
    }
}

impl Error for UploadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Broken(error) => error.source(),
            Self::TooLarge(_) | Self::TooSlow(_) => None,
        }
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

    /// Returns why the upload failed.
    pub(super) fn failure(&self) -> Option<UploadFailure> {
        self.failure.get().copied()
    }

    fn fail(&self, failure: UploadFailure) {
        let _ = self.failure.set(failure);
    }
}
