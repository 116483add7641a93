//! The redirect of plain requests to HTTPS, and `Strict-Transport-Security`.

#[cfg(test)]
mod tests;

use std::{
    fmt::{self, Write as _},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use gabion_core::{Claim, ClientIp, PeerAddr, Scheme};
use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_TYPE, HOST, LOCATION, STRICT_TRANSPORT_SECURITY, UPGRADE},
};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    answer::{AnsweredBody, AnsweredFuture},
    host,
};

/// A tower layer that redirects plain requests to HTTPS, and sets `Strict-Transport-Security` (RFC 6797).
///
/// The scheme of a request is that of its connection, or that in `X-Forwarded-Proto` if a trusted proxy wrote it. The
/// layer reads the [`ClientIp`] in the extensions, so it belongs inside the layer that guards the service: rules apply
/// to requests before they are redirected, too.
///
/// The redirect is 308 (RFC 9110, 15.4.9), which keeps method and body. Not redirected are
///
/// - requests of a trusted proxy itself, such as its health checks, and those that it forwards without
///   `X-Forwarded-Proto`, whose scheme is unknown;
/// - [exempt paths](Self::with_exempt_paths);
/// - requests to open a WebSocket or to leave HTTP otherwise, which are refused (403): such clients follow no
///   redirect, and have sent their cookies in plain text.
///
/// # Examples
///
/// ```
/// use std::{convert::Infallible, time::Duration};
///
/// use bytes::Bytes;
/// use gabion_core::{PeerAddr, Scheme};
/// use gabion_proxy::HttpsLayer;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = HttpsLayer::default()
///     .with_redirect(443)
///     .with_hsts(Duration::from_hours(24))
///     .layer(service_fn(|_: Request<()>| async {
///         Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
///     }));
/// let peer = PeerAddr::new(([203, 0, 113, 9], 4711).into());
/// let request = || Request::get("/a?b").header("host", "shop.example").extension(peer);
///
/// let plain = service.clone().oneshot(request().body(())?).await?;
/// assert_eq!(plain.status(), 308);
/// assert_eq!(plain.headers()["location"], "https://shop.example/a?b");
///
/// let secure = service.oneshot(request().extension(Scheme::Secure).body(())?).await?;
/// assert_eq!(secure.status(), 200);
/// assert_eq!(secure.headers()["strict-transport-security"], "max-age=86400");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct HttpsLayer {
    /// The port of HTTPS.
    redirect: Option<u16>,
    /// Returns `true` for paths that are not redirected.
    exempt: Option<Arc<PathPredicate>>,
    hsts: Option<HeaderValue>,
}

type PathPredicate = dyn Fn(&str) -> bool + Send + Sync;

/// The service of [`HttpsLayer`].
#[derive(Clone, Debug)]
pub struct HttpsService<S> {
    inner: S,
    layer: HttpsLayer,
}

/// The scheme between the client and the hop nearest to it, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClientScheme {
    Plain,
    Secure,
    /// Plain on one hop, secure on another.
    Mixed,
    Unknown,
}

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

const UPGRADE_REFUSAL: &str =
    "403 Forbidden: this server accepts WebSockets over TLS only: open wss:// instead of ws://.\n";
const HOST_REFUSAL: &str = "400 Bad Request: the redirect to HTTPS needs a valid Host header.\n";

// === impl HttpsLayer ===

impl HttpsLayer {
    /// Redirects plain requests to HTTPS on this port. 443 is not written.
    pub fn with_redirect(self, port: u16) -> Self {
        let redirect = Some(port);
        Self { redirect, ..self }
    }

    /// Does not redirect requests for paths for which `is_exempt` returns `true`, such as health checks.
    pub fn with_exempt_paths(
        self,
        is_exempt: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            exempt: Some(Arc::new(is_exempt)),
            ..self
        }
    }

    /// Sets `Strict-Transport-Security` on responses over HTTPS that have none: browsers then refuse plain HTTP to
    /// this host for so long, rounded down to seconds. It cannot be taken back before.
    pub fn with_hsts(self, max_age: Duration) -> Self {
        let hsts = HeaderValue::from_str(&format!("max-age={}", max_age.as_secs())).ok();
        Self { hsts, ..self }
    }

    /// Returns the answer to a request that does not pass.
    fn answer<B>(&self, request: &Request<B>, scheme: ClientScheme) -> Option<Response<Bytes>> {
        let port = self.redirect.filter(|_| scheme == ClientScheme::Plain)?;
        let path = request.uri().path();
        if self
            .exempt
            .as_ref()
            .is_some_and(|is_exempt| is_exempt(path))
        {
            return None;
        }
        if *request.method() == Method::CONNECT || request.headers().contains_key(UPGRADE) {
            return Some(refusal(StatusCode::FORBIDDEN, UPGRADE_REFUSAL));
        }
        let location = https_url(request, port);
        let location = location.and_then(|location| HeaderValue::from_str(&location).ok());
        let Some(location) = location else {
            return Some(refusal(StatusCode::BAD_REQUEST, HOST_REFUSAL));
        };
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        response.headers_mut().insert(LOCATION, location);
        Some(response)
    }
}

impl fmt::Debug for HttpsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpsLayer")
            .field("redirect", &self.redirect)
            .field("hsts", &self.hsts)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for HttpsLayer {
    type Service = HttpsService<S>;

    fn layer(&self, inner: S) -> HttpsService<S> {
        HttpsService {
            inner,
            layer: self.clone(),
        }
    }
}

fn refusal(status: StatusCode, text: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Returns the URL of a request over HTTPS; `None` if its host is missing or invalid.
fn https_url<B>(request: &Request<B>, port: u16) -> Option<String> {
    let uri = request.uri();
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => hosts
            .next()?
            .to_str()
            .ok()
            .filter(|_| hosts.next().is_none())?,
    };
    let name = host::name(host)?;
    let mut url = format!("https://{name}");
    if port != 443 {
        // Writing to memory does not fail.
        let _ = write!(url, ":{port}");
    }
    url.push_str(uri.path_and_query().map_or("/", |target| target.as_str()));
    Some(url)
}

// === impl ClientScheme ===

impl ClientScheme {
    fn of<B>(request: &Request<B>) -> Self {
        let extensions = request.extensions();
        let client = extensions
            .get::<ClientIp>()
            .filter(|client| client.via_trusted());
        let Some(client) = client else {
            return match extensions.get() {
                Some(Scheme::Secure) => Self::Secure,
                _ => Self::Plain,
            };
        };
        let is_own = extensions
            .get()
            .is_some_and(|peer: &PeerAddr| peer.addr() == client.addr());
        if is_own || !client.trusted_claims().contains(Claim::XForwardedProto) {
            return Self::Unknown;
        }
        let lines = request.headers().get_all(FORWARDED_PROTO).iter();
        let values = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        let is_secure = |value: &[u8]| {
            let value = value.trim_ascii();
            value.eq_ignore_ascii_case(b"https") || value.eq_ignore_ascii_case(b"wss")
        };
        let (mut secure, mut plain) = (false, false);
        for value in values {
            secure |= is_secure(value);
            plain |= !is_secure(value);
        }
        match (secure, plain) {
            (true, false) => Self::Secure,
            (false, true) => Self::Plain,
            (true, true) => Self::Mixed,
            (false, false) => Self::Unknown,
        }
    }
}

// === impl HttpsService ===

impl<S, B, R> Service<Request<R>> for HttpsService<S>
where
    S: Service<Request<R>, Response = Response<B>>,
{
    type Response = Response<AnsweredBody<B>>;
    type Error = S::Error;
    type Future = AnsweredFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let scheme = ClientScheme::of(&request);
        if let Some(answer) = self.layer.answer(&request, scheme) {
            return AnsweredFuture::answered(answer);
        }
        let future = AnsweredFuture::passed(self.inner.call(request));
        match &self.layer.hsts {
            Some(hsts) if scheme == ClientScheme::Secure => {
                future.with_header(STRICT_TRANSPORT_SECURITY, hsts.clone())
            }
            _ => future,
        }
    }
}
