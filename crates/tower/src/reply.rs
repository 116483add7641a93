//! Responses to denied requests.

use bytes::Bytes;
use gabion_core::{Denial, Diagnosis, EventId, Facts, HeaderIndex, KnownHeader};
use http::{
    HeaderValue, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
};

/// Turns a [`Denial`] into the response to the client. Implemented for closures.
///
/// Set it with [`GuardLayer::with_reply`](crate::GuardLayer::with_reply); the default is
/// [`BriefReply`]. The layer adds the headers that the denial requires, such as `Retry-After`.
/// After every denied upgrade it closes the connection (RFC 9931), so that bytes that the client
/// has already sent are not parsed as its next request.
///
/// # Examples
///
/// ```
/// # use std::convert::Infallible;
/// # use bytes::Bytes;
/// # use gabion_core::{ClientRules, Inspect, PeerAddr, RequestState, Verdict};
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// # use tower::{Layer, ServiceExt, service_fn};
/// use gabion_core::{Denial, Facts};
/// use gabion_tower::GuardLayer;
///
/// # struct NoDebug;
/// # impl Inspect for NoDebug {
/// #     fn name(&self) -> &'static str {
/// #         "no-debug"
/// #     }
/// #     fn inspect(&self, facts: &Facts<'_>, _: &mut RequestState) -> Verdict {
/// #         match facts.path.raw() == b"/debug" {
/// #             true => Denial::forbidden("no-debug", "path is for developers").into(),
/// #             false => Verdict::Pass,
/// #         }
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let service = service_fn(|_: Request<()>| async {
/// #     Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
/// # });
/// # let peer = PeerAddr::new(([203, 0, 113, 9], 4711).into());
/// # let get = |path| Request::get(path).extension(peer).body(()).unwrap();
/// let guarded = GuardLayer::new(NoDebug, ClientRules::default())
///     .with_reply(|denial: &Denial, _: &Facts<'_>| {
///         let mut response = Response::new(Bytes::from_static(b"access denied"));
///         *response.status_mut() = denial.status;
///         response
///     })
///     .layer(service);
/// assert_eq!(guarded.clone().oneshot(get("/")).await?.status(), 200);
/// assert_eq!(guarded.oneshot(get("/debug")).await?.status(), 403);
/// # Ok(())
/// # }
/// ```
pub trait Reply: Send + Sync {
    /// Returns the response to the request that `facts` describe.
    fn reply(&self, denial: &Denial, facts: &Facts<'_>) -> Response<Bytes>;
}

/// The default [`Reply`]: the status and the event id, and for a failed WebSocket handshake its
/// [`Diagnosis`] and the URL to use. It names no rule, so that it is of no help to a scanner.
///
/// The format is JSON if `Accept` lists JSON and no `text/*`, and plain text otherwise. The body
/// has at most one kilobyte.
///
/// # Examples
///
/// ```
/// # use bytes::Bytes;
/// # use gabion_core::{ClientRules, Denial, Facts, Framing, Head, Now, PeerAddr, Scheme};
/// # use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, header::ACCEPT};
/// # use std::time::{Duration, UNIX_EPOCH};
/// use gabion_tower::{BriefReply, Reply};
///
/// # fn reply(accept: &'static str) -> Bytes {
/// #     let (method, uri) = (Method::GET, Uri::from_static("/.env"));
/// #     let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
/// #     let head = Head {
/// #         method: &method,
/// #         uri: &uri,
/// #         version: Version::HTTP_11,
/// #         headers: &headers,
/// #         protocol: None,
/// #         framing: Framing::AsShown,
/// #         scheme: Scheme::Plain,
/// #     };
/// #     let peer = PeerAddr::new(([203, 0, 113, 9], 4711).into());
/// #     let now = Now::new(Duration::ZERO, UNIX_EPOCH);
/// #     let facts = &Facts::resolve(head, peer, &ClientRules::default(), now);
/// #     let denial = &Denial::forbidden("dotfiles", "path contains .env");
/// let response = BriefReply.reply(denial, facts);
/// assert_eq!(response.status(), StatusCode::FORBIDDEN);
/// #     response.into_body()
/// # }
/// assert_eq!(reply("text/html"), "Forbidden\n");
/// assert_eq!(reply("application/json"), r#"{"error":"Forbidden"}"#);
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has no configuration")]
pub struct BriefReply;

impl<F> Reply for F
where
    F: Fn(&Denial, &Facts<'_>) -> Response<Bytes> + Send + Sync,
{
    fn reply(&self, denial: &Denial, facts: &Facts<'_>) -> Response<Bytes> {
        self(denial, facts)
    }
}

impl Reply for BriefReply {
    fn reply(&self, denial: &Denial, facts: &Facts<'_>) -> Response<Bytes> {
        let mut response = plain(denial.status);
        let json = accepts_json(&facts.index);
        *response.body_mut() = body(denial, facts, json).into();
        if json {
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
        }
        response
    }
}

/// Returns the body in one allocation, unless it has a diagnosis.
fn body(denial: &Denial, facts: &Facts<'_>, json: bool) -> Vec<u8> {
    let [start, before_event, end] = if json {
        [r#"{"error":""#, r#"","event":""#, "\"}"]
    } else {
        ["", "\nevent ", "\n"]
    };
    let status = denial.status.canonical_reason().unwrap_or(REFUSED);
    let diagnosis = (denial.diagnosis).map(|diagnosis| diagnosis_text(diagnosis, facts, json));
    let diagnosis = diagnosis.unwrap_or_default();
    let digits = denial.event.map(EventId::digits);
    let (before_event, event) = match &digits {
        Some(digits) => (before_event, &digits[..]),
        None => ("", &[][..]),
    };
    [
        start.as_bytes(),
        status.as_bytes(),
        diagnosis.as_bytes(),
        before_event.as_bytes(),
        event,
        end.as_bytes(),
    ]
    .concat()
}

/// Returns the part of the body about a failed WebSocket handshake.
fn diagnosis_text(diagnosis: Diagnosis, facts: &Facts<'_>, json: bool) -> String {
    let separator = if json { r#"","diagnosis":""# } else { "\n" };
    let mut text = format!("{separator}{diagnosis}");
    if diagnosis == Diagnosis::PlainGet
        && let Some(url) = facts.websocket_url()
    {
        let separator = if json { r#"","use":""# } else { "\nuse " };
        // JSON requires an escaped backslash.
        let url = url.replace('\\', if json { r"\\" } else { r"\" });
        text.push_str(separator);
        text.push_str(&url);
    }
    text
}

/// Returns `true` if `Accept` lists JSON and no `text/*` type.
fn accepts_json(headers: &HeaderIndex<'_>) -> bool {
    let mut json = false;
    for range in headers.tokens(KnownHeader::Accept) {
        let text = range
            .get(..5)
            .is_some_and(|head| head.eq_ignore_ascii_case(b"text/"));
        if text {
            return false;
        }
        let kind = range.split(|&byte| byte == b';').next();
        let kind = kind.unwrap_or_default().trim_ascii();
        let start = kind.len().saturating_sub(4);
        json |= kind
            .get(start..)
            .is_some_and(|tail| tail.eq_ignore_ascii_case(b"json"));
    }
    json
}

const REFUSED: &str = "Refused";

/// Creates a plain-text response whose body is the reason phrase of the status.
pub(crate) fn plain(status: StatusCode) -> Response<Bytes> {
    let text = status.canonical_reason().unwrap_or(REFUSED);
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(CONTENT_TYPE, text);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        // RFC 9110, 15.5.6: a 405 response must list the allowed methods.
        let methods = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        headers.insert(ALLOW, methods);
    }
    response
}
