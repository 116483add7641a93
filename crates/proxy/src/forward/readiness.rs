//! The answer to health checks about the proxy itself.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::{HeaderValue, Method, Response, StatusCode, Uri, header};

/// A path at which the proxy itself answers if it should receive new requests: 200 `ready`, or 503 `draining`
/// after [`Self::set_draining`]. A load balancer that checks it sends no more requests to a proxy that is about to
/// stop. A clone is another handle on the same state.
///
/// Requests for the path are not forwarded. It is compared as it was sent.
///
/// # Examples
///
/// ```
/// use gabion_proxy::{ProxyOptions, Readiness};
///
/// let readiness = Readiness::at("/healthz");
/// let options = ProxyOptions::default().with_readiness(readiness.clone());
/// // Before the accept loop stops:
/// readiness.set_draining();
/// assert!(readiness.is_draining());
/// ```
#[derive(Clone, Debug)]
pub struct Readiness(Arc<State>);

#[derive(Debug)]
struct State {
    path: Box<str>,
    is_draining: AtomicBool,
}

// === impl Readiness ===

impl Readiness {
    /// Answers at `path`.
    pub fn at(path: impl Into<Box<str>>) -> Self {
        Self(Arc::new(State {
            path: path.into(),
            is_draining: AtomicBool::new(false),
        }))
    }

    /// Answers 503 from now on.
    pub fn set_draining(&self) {
        self.0.is_draining.store(true, Ordering::Relaxed);
    }

    /// Returns `true` after [`Self::set_draining`].
    pub fn is_draining(&self) -> bool {
        self.0.is_draining.load(Ordering::Relaxed)
    }

    /// The answer to a request for the path; `None` for any other request.
    pub(super) fn answer(&self, method: &Method, uri: &Uri) -> Option<Response<&'static str>> {
        if uri.path() != &*self.0.path || !matches!(*method, Method::GET | Method::HEAD) {
            return None;
        }
        let (status, text) = if self.is_draining() {
            (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
        } else {
            (StatusCode::OK, "ready\n")
        };
        let mut response = Response::new(text);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, plain);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Some(response)
    }
}
