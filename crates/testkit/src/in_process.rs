//! A guarded service in this process, without sockets.

use std::{convert::Infallible, future::ready, sync::Arc};

use bytes::Bytes;
use futures_util::FutureExt as _;
use gabion_core::{BanChange, Event, Mode, RequestEventKind, stable_hash};
use gabion_tower::GuardLayer;
use http::{HeaderName, Request, Response, StatusCode, Version, header::HOST};
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::{ManualClock, Recorder, peer};

/// A [`GuardLayer`] around [`InProcess::inner`], with a manual clock and recorded events.
#[derive(Debug)]
pub struct InProcess<G> {
    /// The guard behind the layer, for tests that reload its policy or read its bans.
    pub guard: G,
    /// The clock of the layer.
    pub clock: Arc<ManualClock>,
    /// The sink of the layer.
    pub events: Arc<Recorder>,
    layer: GuardLayer,
}

/// A request without a body, with the peer address in its extensions.
#[derive(Clone, Debug)]
pub struct TestRequest(pub Request<()>);

/// The response to a [`TestRequest`] and the events it caused.
#[derive(Debug)]
pub struct TestResponse {
    /// The status.
    pub status: u16,
    /// The events recorded since the last response.
    pub events: Vec<Event>,
}

// === impl InProcess ===

impl<G> InProcess<G> {
    /// Wraps the service in `layer`, which must use `clock` and `events`.
    pub const fn new(
        guard: G,
        layer: GuardLayer,
        clock: Arc<ManualClock>,
        events: Arc<Recorder>,
    ) -> Self {
        Self {
            guard,
            clock,
            events,
            layer,
        }
    }

    /// The guarded service: answers 200, or 404 under `/missing`, with a body whose length depends on the
    /// path.
    pub fn inner(request: &Request<()>) -> Response<Full<Bytes>> {
        let path = stable_hash(request.uri().path().as_bytes());
        let length = usize::from(u16::try_from(path % 1000).unwrap_or_default());
        let mut response = Response::new(Full::from("x".repeat(length)));
        if request.uri().path().starts_with("/missing") {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        response
    }

    /// Sends one request.
    ///
    /// # Panics
    ///
    /// If the response is not ready at once.
    #[track_caller]
    pub fn send(&self, request: impl Into<TestRequest>) -> TestResponse {
        let TestRequest(request) = request.into();
        let inner = |request: Request<()>| ready(Ok::<_, Infallible>(Self::inner(&request)));
        let response = self.layer.layer(service_fn(inner)).oneshot(request);
        let Ok(response) = response.now_or_never().expect("a response at once");
        TestResponse {
            status: response.status().as_u16(),
            events: self.events.take(),
        }
    }

    /// Sends one request and returns [`TestResponse::verdict`].
    #[track_caller]
    pub fn verdict(&self, request: impl Into<TestRequest>) -> String {
        self.send(request).verdict()
    }
}

// === impl TestRequest ===

impl TestRequest {
    /// `GET target` on HTTP/1.1, with a `Host`, from 203.0.113.9.
    pub fn get(target: &str) -> Self {
        let request = Request::get(target).header(HOST, "localhost");
        Self(request.extension(peer("203.0.113.9")).body(()).unwrap())
    }

    /// Sets the peer address.
    pub fn from(mut self, addr: &str) -> Self {
        self.0.extensions_mut().insert(peer(addr));
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.0.headers_mut().append(name, value.parse().unwrap());
        self
    }

    /// Adds an `X-Forwarded-For` line.
    pub fn xff(self, line: &str) -> Self {
        self.header("x-forwarded-for", line)
    }

    /// Removes `Host`.
    pub fn without_host(mut self) -> Self {
        self.0.headers_mut().remove(HOST);
        self
    }

    /// Sets `Host`.
    pub fn host(mut self, host: &str) -> Self {
        self.0.headers_mut().insert(HOST, host.parse().unwrap());
        self
    }

    /// Sets the method.
    pub fn method(mut self, method: &str) -> Self {
        *self.0.method_mut() = method.parse().unwrap();
        self
    }

    /// Sets the version to HTTP/2.
    pub fn http2(mut self) -> Self {
        *self.0.version_mut() = Version::HTTP_2;
        self
    }
}

impl From<&str> for TestRequest {
    fn from(target: &str) -> Self {
        Self::get(target)
    }
}

// === impl TestResponse ===

impl TestResponse {
    /// `200`, or `403 rule` with the rule that decided. Rules in observe mode are not included.
    pub fn verdict(&self) -> String {
        let rule = self.events.iter().find_map(|event| match event {
            Event::Request(event) => match &event.kind {
                RequestEventKind::Allowed(cause) => Some(&cause.rule),
                RequestEventKind::Denied(denial) if denial.mode == Mode::Enforce => {
                    Some(&denial.cause.rule)
                }
                _ => None,
            },
            _ => None,
        });
        let status = self.status;
        rule.map_or_else(|| status.to_string(), |rule| format!("{status} {rule}"))
    }

    /// The text of each event.
    pub fn event_texts(&self) -> Vec<String> {
        self.events.iter().map(ToString::to_string).collect()
    }

    /// The ban changes among the events.
    pub fn bans(&self) -> Vec<BanChange> {
        let change = |event: &Event| match event {
            Event::Ban(event) => Some(event.change.clone()),
            _ => None,
        };
        self.events.iter().filter_map(change).collect()
    }
}
