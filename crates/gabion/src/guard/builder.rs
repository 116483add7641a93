//! Configuration of a [`Guard`].

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use gabion_core::{Event, Inspect, InspectMessage, Sink};
use gabion_inspect::State;
use gabion_policy::{PolicyError, PolicyHandle, PolicyOptions, ShrinkGuard};
#[cfg(feature = "websocket")]
use gabion_tower::Sessions;
use gabion_tower::{Clock, ObserveOverride, SystemClock, guard_layer};

use super::{Guard, Inner, counting::CountingSink, maintenance::Maintenance};
use crate::{bans::Bans, connection::AutoSource, sink};

const UNMAINTAINED: &str =
    "cannot start the thread for periodic maintenance: call `Guard::maintain` about once a second";

#[cfg(feature = "websocket")]
type SharedTimer = Arc<dyn hyper::rt::Timer + Send + Sync>;

/// Builds a [`Guard`]. Created by [`Guard::builder`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use gabion::{Guard, policy::SampleRequest};
///
/// let guard = Guard::builder()
///     .with_compile_budget(Duration::from_secs(2))
///     .with_policy("version = 1\npacks = [\"never\"]\n", "my policy")?;
/// let refused = |request| guard.explain(&SampleRequest::new(request).unwrap()).verdict.refuses();
/// assert!(refused("GET /.env"));
/// assert!(!refused("GET /environment"));
///
/// let error = Guard::builder().with_policy("version = 1\n[alow]\n", "my policy").unwrap_err();
/// assert!(error.to_string().contains("did you mean `allow`?"));
/// # Ok::<(), gabion::policy::PolicyError>(())
/// ```
#[must_use = "a builder does nothing until it is given a policy"]
pub struct GuardBuilder {
    state: State,
    sink: Option<Arc<dyn Sink>>,
    clock: Option<Arc<dyn Clock>>,
    #[cfg(feature = "websocket")]
    timer: Option<SharedTimer>,
    custom: Vec<Arc<dyn Inspect>>,
    custom_messages: Vec<Arc<dyn InspectMessage>>,
    shrink: ShrinkGuard,
    budget: Duration,
}

impl GuardBuilder {
    pub(super) fn new() -> Self {
        Self {
            state: State::default(),
            sink: sink::shared(),
            clock: None,
            #[cfg(feature = "websocket")]
            timer: default_timer(),
            custom: Vec::new(),
            custom_messages: Vec::new(),
            shrink: ShrinkGuard::default(),
            budget: PolicyOptions::BUDGET,
        }
    }

    /// Sends events to `sink`, as they come. The default is `tracing`, bounded per client and second
    /// (feature `tracing`).
    pub fn with_sink(self, sink: Arc<dyn Sink>) -> Self {
        let sink = Some(sink);
        Self { sink, ..self }
    }

    /// Sets the [`Clock`]. With one of your own, call [`Guard::maintain`] yourself.
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        let clock = Some(clock);
        Self { clock, ..self }
    }

    /// Sets the timer by which idle WebSockets are pinged and closing ones are ended in time, and starts
    /// periodic maintenance ([`Guard::maintain`]). With feature `axum` the default is tokio's; without a timer
    /// a session whose time is up ends at its next read or write, and clients are not pinged.
    #[cfg(feature = "websocket")]
    pub fn with_timer(self, timer: impl hyper::rt::Timer + Send + Sync + 'static) -> Self {
        let timer: Option<SharedTimer> = Some(Arc::new(timer));
        Self { timer, ..self }
    }

    /// Keeps bans, limits and scores in `state`.
    pub fn with_state(self, state: State) -> Self {
        Self { state, ..self }
    }

    /// Adds a custom rule. It judges after `[ban]` and before `[[deny]]`, under every policy.
    pub fn add_rule(mut self, rule: impl Inspect + 'static) -> Self {
        self.custom.push(Arc::new(rule));
        self
    }

    /// Adds a custom rule about WebSocket messages. It judges before `[[message]]`, under every policy.
    pub fn add_message_rule(mut self, rule: impl InspectMessage + 'static) -> Self {
        self.custom_messages.push(Arc::new(rule));
        self
    }

    /// Sets whether a reload may drop much of what the policy in force holds.
    pub fn with_shrink_guard(self, shrink: ShrinkGuard) -> Self {
        Self { shrink, ..self }
    }

    /// Sets the longest time that a policy may take to compile. The default is 10 s.
    pub fn with_compile_budget(self, budget: Duration) -> Self {
        Self { budget, ..self }
    }

    /// Builds a guard by the policy in the file at `path`, which is where [`Guard::reload`] reads it again.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the policy.
    pub fn with_policy_file(self, path: impl Into<PathBuf>) -> Result<Guard, PolicyError> {
        self.build(|options| PolicyHandle::open(path, options))
    }

    /// Builds a guard by the policy in `text`; its errors call the document `name`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the policy.
    pub fn with_policy(self, text: &str, name: &str) -> Result<Guard, PolicyError> {
        self.build(|options| PolicyHandle::from_document(text, name, options))
    }

    fn build(
        self,
        open: impl FnOnce(PolicyOptions) -> Result<PolicyHandle, PolicyError>,
    ) -> Result<Guard, PolicyError> {
        #[cfg(feature = "websocket")]
        let is_maintained = self.timer.is_some() && self.clock.is_none();
        #[cfg(not(feature = "websocket"))]
        let is_maintained = false;
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let sink = Arc::new(CountingSink::new(self.sink, Arc::clone(&clock)));
        let options = PolicyOptions::new(sink.clone())
            .with_state(self.state)
            .with_shrink_guard(self.shrink)
            .with_budget(self.budget);
        let options = self
            .custom
            .into_iter()
            .fold(options, PolicyOptions::add_rule);
        let options = self
            .custom_messages
            .into_iter()
            .fold(options, PolicyOptions::add_message_rule);
        let (policy, observe_override) = (open(options)?, ObserveOverride::default());
        let arbiter = policy.state().arbiter().clone();
        let limits = policy.state().limits().clone();
        let layer = guard_layer(policy.clone())
            .with_connection_source(AutoSource)
            .with_bans(arbiter.clone())
            .with_sink(sink.clone())
            .with_clock(clock.clone())
            .with_observe_override(observe_override.clone());
        #[cfg(feature = "websocket")]
        let sessions = Arc::new(match self.timer {
            Some(timer) => Sessions::new().with_timer(timer),
            None => Sessions::new(),
        });
        #[cfg(feature = "websocket")]
        let layer = layer.with_sessions(Arc::clone(&sessions));
        let layer = Arc::new(layer);
        let guard = Guard(Arc::new_cyclic(|guard| {
            let maintenance = is_maintained.then(|| Maintenance::spawn(guard.clone()));
            let maintenance = maintenance.transpose().unwrap_or_else(|_| {
                sink.record(&Event::Setup(UNMAINTAINED));
                None
            });
            Inner {
                bans: Bans::from_arbiter(arbiter, clock),
                limits,
                policy,
                sink,
                observe_override,
                layer,
                #[cfg(feature = "websocket")]
                sessions,
                is_overridden: AtomicBool::new(false),
                _maintenance: maintenance,
            }
        }));
        #[cfg(feature = "websocket")]
        guard.subscribe(&guard.0.layer);
        Ok(guard)
    }
}

#[cfg(all(feature = "websocket", feature = "axum"))]
#[expect(clippy::unnecessary_wraps, reason = "there is none without axum")]
fn default_timer() -> Option<SharedTimer> {
    Some(Arc::new(hyper_util::rt::TokioTimer::new()))
}

#[cfg(all(feature = "websocket", not(feature = "axum")))]
fn default_timer() -> Option<SharedTimer> {
    None
}

impl fmt::Debug for GuardBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardBuilder")
            .field("state", &self.state)
            .field("shrink", &self.shrink)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}
