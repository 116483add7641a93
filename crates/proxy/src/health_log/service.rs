//! The tower service that measures requests.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use super::{HealthLog, hourly_files::Hour, line::RequestFields};
use crate::event_sink::wall_clock;

/// A tower service that writes a line of the [`HealthLog`] for each request.
///
/// The line is written when the body of the response ends or is dropped, as nginx does. A request
/// whose client leaves before there is a response has the status 499, as with nginx. A WebSocket is
/// logged when it opens: nginx logs it when it closes, with its whole life as its latency. What never
/// becomes a request of the service, such as a head that hyper refuses, has no line.
///
/// # Cost
///
/// Two reads of a clock, and one line of text. Without the service there is no cost.
///
/// # Examples
///
/// ```
/// # use std::{convert::Infallible, fs};
/// # use bytes::Bytes;
/// # use http::{Request, Response};
/// # use http_body_util::{BodyExt, Full};
/// # use tower::{Service, service_fn};
/// use gabion_proxy::{HealthLog, HealthLogService};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("gabion-health-{}", std::process::id()));
/// # fs::create_dir_all(&folder)?;
/// let log = HealthLog::start(folder.clone())?;
/// # let page = service_fn(|_: Request<()>| async {
/// #     Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("hello")))
/// # });
/// let mut service = HealthLogService::new(page, log);
/// let request = Request::get("/page?id=7").header("x-forwarded-for", "203.0.113.9").body(())?;
/// service.call(request).await?.collect().await?;
/// # let text = (0..500).find_map(|_| {
/// #     std::thread::sleep(std::time::Duration::from_millis(10));
/// #     let file = fs::read_dir(&folder).ok()?.next()?.ok()?;
/// #     fs::read_to_string(file.path()).ok().filter(|text| !text.is_empty())
/// # });
/// # let text = text.ok_or("no line")?;
/// assert!(text.ends_with("\"/page\"200\"0.000\"0.000\"203.0.113.9\n"));
/// # fs::remove_dir_all(folder)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HealthLogService<S> {
    inner: S,
    log: HealthLog,
}

pin_project! {
    /// The future of a [`HealthLogService`]'s response.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct HealthLogFuture<F> {
        #[pin]
        inner: F,
        exchange: Option<Exchange>,
    }
}

pin_project! {
    /// The response body of a [`HealthLogService`]: that of the inner service, unchanged.
    #[derive(Debug)]
    pub struct HealthLogBody<B> {
        #[pin]
        inner: B,
        // Dropped with the body.
        exchange: Option<Exchange>,
    }
}

/// A request that is not completed. Dropping it writes its line.
#[derive(Debug)]
struct Exchange {
    log: HealthLog,
    fields: RequestFields,
    is_connect: bool,
    status: StatusCode,
    arrived: Instant,
}

/// The status that nginx logs if the client closes its connection before there is a response.
const CLIENT_CLOSED: u16 = 499;

// === impl HealthLogService ===

impl<S> HealthLogService<S> {
    /// Writes the requests to `inner` to `log`.
    pub const fn new(inner: S, log: HealthLog) -> Self {
        Self { inner, log }
    }
}

impl<S, B, R> Service<Request<B>> for HealthLogService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<HealthLogBody<R>>;
    type Error = S::Error;
    type Future = HealthLogFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let exchange = Exchange::new(&request, self.log.clone());
        HealthLogFuture {
            inner: self.inner.call(request),
            exchange: Some(exchange),
        }
    }
}

// === impl HealthLogFuture ===

impl<F, R, E> Future for HealthLogFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<HealthLogBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Poll::Ready(result) = this.inner.poll(cx) else {
            return Poll::Pending;
        };
        let mut exchange = this.exchange.take();
        if let Some(exchange) = &mut exchange {
            exchange.status = match &result {
                Ok(response) => response.status(),
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
        }
        let exchange = exchange.filter(|exchange| !exchange.is_upgraded());
        Poll::Ready(result.map(|response| response.map(|inner| HealthLogBody { inner, exchange })))
    }
}

// === impl HealthLogBody ===

impl<B: Body> Body for HealthLogBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

// === impl Exchange ===

impl Exchange {
    fn new<B>(request: &Request<B>, log: HealthLog) -> Self {
        Self {
            log,
            fields: RequestFields::new(request.uri(), request.headers()),
            is_connect: request.method() == Method::CONNECT,
            status: StatusCode::from_u16(CLIENT_CLOSED).unwrap_or(StatusCode::BAD_REQUEST),
            arrived: Instant::now(),
        }
    }

    /// Returns `true` if the response opened a WebSocket.
    fn is_upgraded(&self) -> bool {
        self.status == StatusCode::SWITCHING_PROTOCOLS
            || self.is_connect && self.status.is_success()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let completed = wall_clock();
        let elapsed = self.arrived.elapsed();
        let line = self.fields.line(completed, self.status, elapsed);
        self.log.push(Hour::of(completed), line);
    }
}
