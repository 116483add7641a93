//! The future of a logged response.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{Extensions, Response, StatusCode};
use pin_project_lite::pin_project;

use super::{body::AccessLogBody, exchange::OpenResponse};

pin_project! {
    /// The future of an [`AccessLogService`](super::AccessLogService)'s response.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct AccessLogFuture<F> {
        #[pin]
        pub(super) inner: F,
        // `None` once there is a response.
        pub(super) response: Option<OpenResponse>,
    }
}

// === impl AccessLogFuture ===

impl<F, R, E> Future for AccessLogFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<AccessLogBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Poll::Ready(result) = this.inner.poll(cx) else {
            return Poll::Pending;
        };
        let Some(mut open) = this.response.take() else {
            // Not polled again after its end.
            return Poll::Pending;
        };
        Poll::Ready(match result {
            Ok(response) => {
                open.set_head(response.status(), response.extensions());
                Ok(response.map(|inner| AccessLogBody {
                    inner,
                    response: open,
                }))
            }
            Err(error) => {
                open.set_head(StatusCode::INTERNAL_SERVER_ERROR, &Extensions::new());
                Err(error)
            }
        })
    }
}
