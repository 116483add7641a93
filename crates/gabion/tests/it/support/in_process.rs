//! A guard around a service in this process: no socket, and a clock that is wound by hand.

use std::{
    convert::Infallible,
    fs,
    future::{Ready, ready},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use gabion::{
    Event, Guard, GuardBuilder, Mode,
    ban::{Offense, OffenseRecorder},
    event::{BanChange, RequestEventKind},
    inspect::RuleId,
    policy::PolicyError,
};
use gabion_testkit::{ManualClock, Recorder, client_at, peer};
use http::{HeaderName, Request, Response, StatusCode, Version, header::HOST};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};

/// A guard around [`inner`], and everything that it tells.
pub(crate) struct Wall {
    pub(crate) guard: Guard,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) told: Arc<Recorder>,
}

/// A request without a body, and who sends it.
#[derive(Clone, Debug)]
pub(crate) struct Ask(pub(crate) Request<()>);

/// What became of a request, and what was told meanwhile.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) events: Vec<Event>,
}

/// A folder that is gone after the test.
pub(crate) struct Folder(PathBuf);

/// `GET target` on HTTP/1.1, with a `Host`, from 203.0.113.9.
pub(crate) fn get(target: &str) -> Ask {
    let request = Request::get(target).header(HOST, "localhost");
    Ask(request.extension(peer("203.0.113.9")).body(()).unwrap())
}

/// The same with a method that no page can make a browser send, so that it is proof.
pub(crate) fn probe(target: &str) -> Ask {
    get(target).method("PUT")
}

/// Answers 200; 404 under `/missing`.
pub(crate) fn inner(request: &Request<()>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from("inner"));
    if request.uri().path().starts_with("/missing") {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}

// === impl Wall ===

impl Wall {
    /// A guard by this document, which errors call `policy.toml`.
    #[track_caller]
    pub(crate) fn of(policy: &str) -> Self {
        Self::built(|guard| guard.with_policy(policy, "policy.toml"))
    }

    /// A guard with more to it than a document.
    #[track_caller]
    pub(crate) fn built(build: impl FnOnce(GuardBuilder) -> Result<Guard, PolicyError>) -> Self {
        let (clock, told) = (
            Arc::new(ManualClock::default()),
            Arc::new(Recorder::default()),
        );
        let builder = Guard::builder()
            .with_clock(clock.clone())
            .with_sink(told.clone());
        let guard = build(builder).unwrap_or_else(|error| panic!("{error}"));
        Self { guard, clock, told }
    }

    /// Sends one request through the wall.
    #[track_caller]
    pub(crate) fn send(&self, ask: impl Into<Ask>) -> Answer {
        let Ask(request) = ask.into();
        let service = service_fn(|request: Request<()>| answer(&request));
        let guarded = self.guard.layer().layer(service);
        let response = guarded.oneshot(request).now_or_never();
        let Ok(response) = response.expect("nothing in the way waits");
        Answer {
            status: response.status().as_u16(),
            events: self.told.take(),
        }
    }

    /// What became of one request: `200`, or `403 rule`.
    #[track_caller]
    pub(crate) fn verdict(&self, ask: impl Into<Ask>) -> String {
        self.send(ask).verdict()
    }

    /// Bans a client for a minute, whoever it is.
    pub(crate) fn ban(&self, client: &str) {
        let offense = Offense::certain(RuleId::builtin("by-hand"), Duration::from_mins(1));
        let now = gabion::inspect::Clock::now(&*self.clock);
        let bans = self.guard.policy_handle().state().bans();
        bans.record_offense(&client_at(client), &offense, now);
    }

    /// Who is banned for a time, the one nearest its end first.
    pub(crate) fn banned(&self) -> Vec<String> {
        let bans = self.guard.bans().list().into_iter();
        bans.map(|(network, _)| network.to_string()).collect()
    }
}

fn answer(request: &Request<()>) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    ready(Ok(inner(request)))
}

// === impl Ask ===

impl Ask {
    /// From another peer.
    pub(crate) fn from(mut self, addr: &str) -> Self {
        self.0.extensions_mut().insert(peer(addr));
        self
    }

    /// With one more header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.0.headers_mut().append(name, value.parse().unwrap());
        self
    }

    /// With one more line of `X-Forwarded-For`.
    pub(crate) fn xff(self, line: &str) -> Self {
        self.header("x-forwarded-for", line)
    }

    /// Without its `Host`.
    pub(crate) fn without_host(mut self) -> Self {
        self.0.headers_mut().remove(HOST);
        self
    }

    /// For another host.
    pub(crate) fn host(mut self, host: &str) -> Self {
        self.0.headers_mut().insert(HOST, host.parse().unwrap());
        self
    }

    /// With another method.
    pub(crate) fn method(mut self, method: &str) -> Self {
        *self.0.method_mut() = method.parse().unwrap();
        self
    }

    /// Over HTTP/2.
    pub(crate) fn http2(mut self) -> Self {
        *self.0.version_mut() = Version::HTTP_2;
        self
    }
}

impl From<&str> for Ask {
    fn from(target: &str) -> Self {
        get(target)
    }
}

// === impl Answer ===

impl Answer {
    /// `200`, or `403 rule` with the rule that decided. What only observes is not named.
    pub(crate) fn verdict(&self) -> String {
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

    /// The events, each in the words that a person reads.
    pub(crate) fn words(&self) -> Vec<String> {
        self.events.iter().map(ToString::to_string).collect()
    }

    /// What happened to bans.
    pub(crate) fn bans(&self) -> Vec<BanChange> {
        let of = |event: &Event| match event {
            Event::Ban(event) => Some(event.change.clone()),
            _ => None,
        };
        self.events.iter().filter_map(of).collect()
    }
}

// === impl Folder ===

impl Folder {
    /// An empty folder for the test of that name.
    pub(crate) fn new(test: &str) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let made = MADE.fetch_add(1, Ordering::Relaxed);
        let unique = format!("{test}-{}-{made}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test writes what the guard reads"
    )]
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind lies in cargo's own folder for it.
        let _ = fs::remove_dir_all(&self.0);
    }
}
