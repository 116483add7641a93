//! A policy with everything that it needs to act.

use std::{
    fmt, io,
    path::PathBuf,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gabion_core::{ChangeListener, DiagnosisCounters, Event, Inspect, Now, PolicyEvent, Sink};
use gabion_inspect::BanTable;
use gabion_policy::{
    PolicyError, PolicyHandle, PolicyOptions, ShrinkGuard, State, Watch, WatchOptions,
};
use gabion_tower::{Clock, GuardLayer, ObserveOverride, SessionEnforcer, Sessions, SystemClock};
use hyper::rt::Timer;

use crate::{
    sink::{self, Given, Housed, Tallied},
    timer,
};

/// Guards services by one live policy. Clones share everything.
#[derive(Clone)]
pub struct Guard {
    live: PolicyHandle,
    sink: Arc<Tallied>,
    clock: Arc<dyn Clock>,
    observe_override: ObserveOverride,
    enforcer: Arc<SessionEnforcer>,
    /// Whether a truce was held when house was kept last.
    is_overridden: Arc<AtomicBool>,
}

/// Builds a [`Guard`]. Made by [`Guard::builder`].
pub struct GuardBuilder {
    state: State,
    sink: Arc<dyn Housed>,
    clock: Arc<dyn Clock>,
    timer: Option<timer::Shared>,
    own: Vec<Arc<dyn Inspect>>,
    shrink: ShrinkGuard,
    budget: Duration,
}

// === impl Guard ===

impl Guard {
    /// A guard with defaults: events go to `tracing`, 100,000 timed bans.
    pub fn builder() -> GuardBuilder {
        GuardBuilder {
            state: State::default(),
            sink: sink::default(),
            clock: Arc::new(SystemClock::new()),
            timer: timer::default(),
            own: Vec::new(),
            shrink: ShrinkGuard::default(),
            budget: PolicyOptions::BUDGET,
        }
    }

    /// A guard with defaults and this policy.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the policy.
    pub fn from_policy(text: &str) -> Result<Self, PolicyError> {
        Self::builder().with_policy(text, "policy")
    }

    /// Guards a service whose server puts a [`crate::PeerAddr`] into each request's extensions.
    pub fn layer(&self) -> GuardLayer {
        GuardLayer::from_source(self.live.clone())
            .with_bans(self.live.state().arbiter().clone())
            .with_sink(self.sink.clone())
            .with_clock(self.clock.clone())
            .with_observe_override(self.observe_override.clone())
            .with_session_enforcer(Arc::clone(&self.enforcer))
    }

    /// Enforces nothing for `period` from now: every rule only observes, and nobody is banned. An
    /// event says so aloud, and another when [`Guard::maintain`] finds that it is over. No time
    /// at all ends it.
    pub fn observe_for(&self, period: Duration) {
        self.observe_override.start(self.clock.now(), period);
        self.is_overridden
            .store(!period.is_zero(), Ordering::Relaxed);
        self.tell_of_truce(period);
    }

    /// Guards an axum router or one of its routes, nested ones among them.
    #[cfg(feature = "axum")]
    pub fn axum_layer(&self) -> GuardLayer {
        self.layer()
            .with_connection_source(crate::ConnectInfoSource)
    }

    /// The policy in force, to be replaced.
    pub const fn live(&self) -> &PolicyHandle {
        &self.live
    }

    /// Replaces the policy whenever its file, or a list that it names, changes.
    ///
    /// # Errors
    ///
    /// What the system says against watching files or starting a thread.
    pub fn watch(&self) -> io::Result<Watch> {
        Watch::spawn(self.live.clone(), WatchOptions::default())
    }

    /// The timed bans.
    pub fn bans(&self) -> &Arc<BanTable> {
        self.live.state().bans()
    }

    /// The WebSockets that are open.
    pub fn sessions(&self) -> &Arc<Sessions> {
        self.enforcer.sessions()
    }

    /// Why WebSockets did not open or stay open, and how often.
    pub fn diagnosis_counters(&self) -> &DiagnosisCounters {
        self.sink.diagnosis_counters()
    }

    /// Tells `listener` of bans and of policies that come into force, for as long as it lives.
    pub fn subscribe<H: ChangeListener + 'static>(&self, listener: &Arc<H>) {
        let listener: Weak<dyn ChangeListener> = Arc::downgrade(listener) as _;
        self.live.subscribe(listener.clone());
        self.live.state().bans().subscribe(listener);
    }

    /// The time by which bans are placed.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// Where events go: for what else has something to tell, such as a proxy behind this guard.
    pub fn sink(&self) -> Arc<dyn Sink> {
        self.sink.clone()
    }

    /// Ends every open WebSocket within `over`, each at a time of its own, with 1012 ("restart"): before
    /// the server goes. New ones are not refused.
    pub fn drain(&self, over: Duration) {
        self.sessions().drain(over);
    }

    /// Drops bans that are over and tells of events that were held back. For a server to call
    /// about once a second; nothing goes wrong without it, only later.
    pub fn maintain(&self) {
        let now = self.clock.now();
        self.bans().remove_expired(now);
        self.sessions().maintain();
        self.live.maintain();
        self.sink.flush(now.wall());
        if self.observe_override.remaining(now).is_zero()
            && self.is_overridden.swap(false, Ordering::Relaxed)
        {
            self.tell_of_truce(Duration::ZERO);
        }
    }

    fn tell_of_truce(&self, left: Duration) {
        self.sink
            .record(&Event::Policy(PolicyEvent::ObserveOverride { left }));
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("live", &self.live)
            .finish_non_exhaustive()
    }
}

// === impl GuardBuilder ===

impl GuardBuilder {
    /// Sends events to `sink`, unbounded.
    pub fn with_sink(self, sink: Arc<dyn Sink>) -> Self {
        let sink = Arc::new(Given(sink));
        Self { sink, ..self }
    }

    /// Reads the time from `clock`.
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Waits by `timer` when a session is to end and the end of a frame, or of its client, does not
    /// come. With the feature `axum` it is tokio's unless another is given; without one, such a session
    /// ends when it is next read or written, and no client is pinged.
    pub fn with_timer(self, timer: impl Timer + Send + Sync + 'static) -> Self {
        let timer: Option<timer::Shared> = Some(Arc::new(timer));
        Self { timer, ..self }
    }

    /// Keeps bans in `state`.
    pub fn with_state(self, state: State) -> Self {
        Self { state, ..self }
    }

    /// Adds a rule of one's own. It is asked after `ban`, before `deny`, under every policy.
    pub fn add_rule(mut self, rule: impl Inspect + 'static) -> Self {
        self.own.push(Arc::new(rule));
        self
    }

    /// Sets whether a new policy may lose much of what the old one holds.
    pub fn with_shrink_guard(self, shrink: ShrinkGuard) -> Self {
        Self { shrink, ..self }
    }

    /// Sets how long a policy may take to compile.
    pub fn with_budget(self, budget: Duration) -> Self {
        Self { budget, ..self }
    }

    /// Begins with the policy in the file at `path`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the policy.
    pub fn with_policy_file(self, path: impl Into<PathBuf>) -> Result<Guard, PolicyError> {
        self.begin(|options| PolicyHandle::open(path, options))
    }

    /// Begins with this policy; errors call it `name`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the policy.
    pub fn with_policy(self, text: &str, name: &str) -> Result<Guard, PolicyError> {
        self.begin(|options| PolicyHandle::from_document(text, name, options))
    }

    fn begin(
        self,
        open: impl FnOnce(PolicyOptions) -> Result<PolicyHandle, PolicyError>,
    ) -> Result<Guard, PolicyError> {
        let sink = Arc::new(Tallied::new(self.sink));
        let options = PolicyOptions::new(sink.clone())
            .with_state(self.state)
            .with_shrink_guard(self.shrink)
            .with_budget(self.budget);
        let options = self.own.into_iter().fold(options, PolicyOptions::add_rule);
        let (live, observe_override) = (open(options)?, ObserveOverride::default());
        let sessions = Sessions::new(self.clock.clone()).with_sink(sink.clone());
        let sessions = match self.timer {
            Some(timer) => sessions.with_timer(timer),
            None => sessions,
        };
        let clock = self.clock;
        let enforcer = SessionEnforcer::new(
            sessions,
            live.clone(),
            clock.clone(),
            observe_override.clone(),
        );
        let enforcer = Arc::new(enforcer.with_bans(live.state().arbiter().clone()));
        let guard = Guard {
            live,
            sink,
            clock,
            observe_override,
            enforcer: Arc::clone(&enforcer),
            is_overridden: Arc::default(),
        };
        guard.subscribe(&enforcer);
        Ok(guard)
    }
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
