//! A guarded site in this process, whose answers depend on the target.

use std::{convert::Infallible, sync::atomic::AtomicU32, sync::atomic::Ordering};

use futures_util::FutureExt as _;
use gabion::event::{BanChange, Event};
use gabion_testkit::TestRequest;
use http::{Method, Request, Response, header::CONTENT_LENGTH};
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::in_process::{InProcess, get, guarded};

/// Status and body for a target.
pub(crate) type Answers = fn(&str) -> (u16, String);

/// A guarded site.
pub(crate) struct Site {
    pub(crate) server: InProcess,
    answers: Answers,
    /// The number of requests that reached the service.
    reached: AtomicU32,
}

/// The result of one request.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u64>,
    pub(crate) bans: Vec<BanChange>,
}

impl Site {
    pub(crate) fn new(policy: &str, answers: Answers) -> Self {
        let reached = AtomicU32::new(0);
        Self {
            server: guarded(policy),
            answers,
            reached,
        }
    }

    pub(crate) fn send(&self, request: TestRequest) -> Answered {
        let service = service_fn(|request: Request<()>| async move {
            self.reached.fetch_add(1, Ordering::Relaxed);
            let target = request.uri().path_and_query().unwrap().as_str();
            let (status, mut body) = (self.answers)(target);
            let mut response = Response::builder().status(status);
            if request.method() == Method::HEAD {
                response = response.header(CONTENT_LENGTH, body.len());
                body.clear();
            }
            Ok::<_, Infallible>(response.body(Full::<bytes::Bytes>::from(body)).unwrap())
        });
        let guarded = self.server.guard.layer().layer(service);
        let Ok(response) = guarded.oneshot(request.0).now_or_never().unwrap();
        let retry_after = response.headers().get("retry-after");
        let events = self.server.events.take().into_iter();
        let bans = events.filter_map(|event| match event {
            Event::Ban(event) => Some(event.change),
            _ => None,
        });
        Answered {
            status: response.status().as_u16(),
            retry_after: retry_after.map(|wait| wait.to_str().unwrap().parse().unwrap()),
            bans: bans.collect(),
        }
    }

    /// Sends all requests. Returns the number that reached the service.
    pub(crate) fn reached(&self, requests: impl IntoIterator<Item = TestRequest>) -> u32 {
        let before = self.reached.load(Ordering::Relaxed);
        for request in requests {
            self.send(request);
        }
        self.reached.load(Ordering::Relaxed) - before
    }

    /// Returns `true` if the client 203.0.113.9 is banned.
    pub(crate) fn has_ban(&self) -> bool {
        !self.server.guard.bans().list().is_empty()
    }
}

/// A request as a current browser sends it.
pub(crate) fn browser(target: &str) -> TestRequest {
    program(
        target,
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    )
    .header("accept-language", "en")
}

/// A request with this `User-Agent`, as programs send it.
pub(crate) fn program(target: &str, agent: &str) -> TestRequest {
    get(target)
        .header("user-agent", agent)
        .header("accept", "*/*")
}

/// A request of a scanner that names a browser's agent.
pub(crate) fn disguised(target: &str) -> TestRequest {
    program(
        target,
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0 Safari/537.36",
    )
}
