//! The tower service that records requests.

use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::{
    AccessRecorder,
    exchange::{LoggedExchange, OpenResponse},
    future::AccessLogFuture,
};

/// A tower service that records each request at the end of its response: the outermost one, so that denied requests
/// are recorded as well.
///
/// The record is made when the body of the response ends or is dropped. A request whose client leaves before there is a
/// response has the status 499, as with nginx. A WebSocket is recorded when it opens, and when the
/// [`Proxy`](crate::Proxy) inside closes it. What never becomes a request of the service, such as a head that hyper
/// refuses, has no record; events report it.
///
/// # Cost
///
/// Two allocations per request, two reads of a clock, and the resolution of the client. Without the service there is no
/// cost.
///
/// # Examples
///
/// ```
/// # use std::{convert::Infallible, sync::{Arc, Mutex}};
/// # use bytes::Bytes;
/// # use http::{Request, Response};
/// # use http_body_util::{BodyExt, Full};
/// # use tower::{Service, service_fn};
/// use gabion_core::{AccessRecord, AccessSink, ClientRules};
/// use gabion_proxy::{AccessLogService, AccessRecorder};
///
/// #[derive(Default)]
/// struct Lines(Mutex<Vec<String>>);
///
/// impl AccessSink for Lines {
///     fn record(&self, request: &AccessRecord<'_>) {
///         let line = format!("{} {} {}", request.method, request.status, request.bytes);
///         self.0.lock().unwrap().push(line);
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let page = service_fn(|_: Request<()>| async {
/// #     Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("hello")))
/// # });
/// let lines = Arc::new(Lines::default());
/// let rules = ClientRules::default();
/// let recorder = AccessRecorder::new(lines.clone(), move |peer, headers| rules.resolve(peer, headers));
/// let mut service = AccessLogService::new(page, recorder);
/// service.call(Request::get("/page").body(())?).await?.collect().await?;
/// assert_eq!(*lines.0.lock().unwrap(), ["GET 200 OK 5"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AccessLogService<S> {
    inner: S,
    recorder: AccessRecorder,
}

// === impl AccessLogService ===

impl<S> AccessLogService<S> {
    /// Records the requests to `inner`.
    pub const fn new(inner: S, recorder: AccessRecorder) -> Self {
        Self { inner, recorder }
    }
}

impl<S, B, R> Service<Request<B>> for AccessLogService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<super::AccessLogBody<R>>;
    type Error = S::Error;
    type Future = AccessLogFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let exchange = LoggedExchange::new(&request, self.recorder.clone());
        request.extensions_mut().insert(exchange.clone());
        AccessLogFuture {
            inner: self.inner.call(request),
            response: Some(OpenResponse::new(exchange)),
        }
    }
}
