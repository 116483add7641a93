//! Bodies that count their bytes.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Buf as _;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::exchange::OpenResponse;

pin_project! {
    /// The response body of an [`AccessLogService`](super::AccessLogService): that of the inner service, unchanged.
    #[derive(Debug)]
    pub struct AccessLogBody<B> {
        #[pin]
        pub(super) inner: B,
        // Dropped with the body.
        pub(super) response: OpenResponse,
    }
}

// === impl AccessLogBody ===

impl<B: Body> Body for AccessLogBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let polled = this.inner.poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            let bytes = u64::try_from(data.remaining()).unwrap_or(u64::MAX);
            this.response.bytes = this.response.bytes.saturating_add(bytes);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
