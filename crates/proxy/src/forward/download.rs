//! The response body on its way from the upstream.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{response_connection::ResponseConnection, trailers::strip_trailers};

/// A response body, streamed frame by frame, with head-only fields removed from its trailers.
///
/// It owns the connection it arrives on and drives it, if it is an HTTP/1.1 connection. It returns to the pool after the
/// last frame. If the body is dropped earlier, the connection is closed.
#[derive(Debug)]
pub(super) struct Download {
    body: Incoming,
    connection: Option<ResponseConnection>,
}

// === impl Download ===

impl Download {
    /// Wraps the body of a response that arrived on `connection`. While the request body is still
    /// being sent (`is_uploading`), the connection is released at once, so that the pool drives the
    /// upload even if the client does not read the response.
    pub(super) fn new(body: Incoming, connection: ResponseConnection, is_uploading: bool) -> Self {
        let mut download = Self {
            body,
            connection: Some(connection),
        };
        if is_uploading || download.body.is_end_stream() {
            download.release();
        }
        download
    }

    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let body = &mut self.body;
        match &mut self.connection {
            Some(connection) => connection.poll_body(cx, body),
            None => Pin::new(body).poll_frame(cx),
        }
    }

    fn release(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.release();
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let mut polled = this.poll_body(cx);
        let is_last = match &mut polled {
            Poll::Pending => false,
            Poll::Ready(Some(Ok(frame))) => {
                frame.trailers_mut().map(strip_trailers);
                frame.is_trailers() || this.body.is_end_stream()
            }
            Poll::Ready(_) => true,
        };
        if is_last {
            this.release();
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
