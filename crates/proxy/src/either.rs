//! One of two services.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_service::Service;

/// One of two services whose responses may have different bodies. [`Router`](crate::Router) needs services of one
/// type; only some may have a layer.
///
/// ```
/// use std::{convert::Infallible, future::{Ready, ready}};
///
/// use bytes::Bytes;
/// use gabion_proxy::Either;
/// use http::{Request, Response};
/// use http_body_util::{BodyExt as _, Empty, Full};
/// use tower::{ServiceExt as _, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hello = |_: Request<()>| ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("hello"))));
/// let nothing = |_: Request<()>| ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));
/// let mut services = vec![Either::Left(service_fn(hello)), Either::Right(service_fn(nothing))];
/// for expected in ["", "hello"] {
///     let response = services.pop().unwrap().oneshot(Request::new(())).await?;
///     assert_eq!(response.into_body().collect().await?.to_bytes(), expected);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "one of two")]
pub enum Either<L, R> {
    /// The first kind of service.
    Left(L),
    /// The second kind.
    Right(R),
}

pin_project! {
    /// The response future of an [`Either`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct EitherFuture<L, R> {
        #[pin]
        kind: Kind<L, R>,
    }
}

pin_project! {
    /// The response body of an [`Either`].
    #[derive(Debug)]
    pub struct EitherBody<L, R> {
        #[pin]
        kind: Kind<L, R>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = KindProjection]
    enum Kind<L, R> {
        Left { #[pin] left: L },
        Right { #[pin] right: R },
    }
}

// === impl Either ===

impl<B, L, R, BL, BR> Service<Request<B>> for Either<L, R>
where
    L: Service<Request<B>, Response = Response<BL>>,
    R: Service<Request<B>, Response = Response<BR>, Error = L::Error>,
{
    type Response = Response<EitherBody<BL, BR>>;
    type Error = L::Error;
    type Future = EitherFuture<L::Future, R::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), L::Error>> {
        match self {
            Self::Left(service) => service.poll_ready(cx),
            Self::Right(service) => service.poll_ready(cx),
        }
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self {
            Self::Left(service) => EitherFuture {
                kind: Kind::Left {
                    left: service.call(request),
                },
            },
            Self::Right(service) => EitherFuture {
                kind: Kind::Right {
                    right: service.call(request),
                },
            },
        }
    }
}

// === impl EitherFuture ===

impl<L, R, BL, BR, E> Future for EitherFuture<L, R>
where
    L: Future<Output = Result<Response<BL>, E>>,
    R: Future<Output = Result<Response<BR>, E>>,
{
    type Output = Result<Response<EitherBody<BL, BR>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Left { left } => {
                let response = ready!(left.poll(cx))?;
                let left = |left| EitherBody {
                    kind: Kind::Left { left },
                };
                Poll::Ready(Ok(response.map(left)))
            }
            KindProjection::Right { right } => {
                let response = ready!(right.poll(cx))?;
                let right = |right| EitherBody {
                    kind: Kind::Right { right },
                };
                Poll::Ready(Ok(response.map(right)))
            }
        }
    }
}

// === impl EitherBody ===

impl<L, R> Body for EitherBody<L, R>
where
    L: Body,
    R: Body<Data = L::Data, Error = L::Error>,
{
    type Data = L::Data;
    type Error = L::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<L::Data>, L::Error>>> {
        match self.project().kind.project() {
            KindProjection::Left { left } => left.poll_frame(cx),
            KindProjection::Right { right } => right.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Left { left } => left.is_end_stream(),
            Kind::Right { right } => right.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Left { left } => left.size_hint(),
            Kind::Right { right } => right.size_hint(),
        }
    }
}
