//! A policy with everything that it needs to act.

mod builder;
mod counting;
mod crawlers;
mod limits;
mod maintenance;
mod operator;

use std::{
    fmt, io,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gabion_core::{
    ChangeListener, DiagnosisCounters, Event, Now, PolicyEvent, PolicySource as _, Sink,
};
use gabion_inspect::{LimitTable, TableUsage};
use gabion_policy::{
    Candidate, Diagnostic, Document, Explained, PolicyError, PolicyHandle, Replaced, Report,
    RequestExplanation, RuleSelection, SampleRequest, Watch, WatchOptions, explain,
};
#[cfg(feature = "websocket")]
use gabion_tower::Sessions;
use gabion_tower::{GuardLayer, ObserveOverride};

use crate::bans::Bans;

pub use builder::GuardBuilder;
use counting::CountingSink;
pub use counting::RejectedPolicy;
use maintenance::Maintenance;
pub use operator::Imported;

/// A firewall by one policy document, which can be replaced while it runs. Clones share everything.
///
/// [`Self::layer`] makes tower layers of it; [`Self::watch`] reloads the policy when its file changes. Bans,
/// limits and scores outlive reloads.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use gabion::{Guard, ban::BanOutcome, policy::SampleRequest};
///
/// let guard = Guard::from_policy("version = 1\n[[deny]]\nid = \"php\"\nextensions = [\"php\"]\n")?;
/// let refused = |request| guard.explain(&SampleRequest::new(request).unwrap()).verdict.refuses();
/// assert!(refused("GET /index.ph%70"));
/// assert!(!refused("GET /index.html"));
///
/// // A sample request comes from 192.0.2.1.
/// guard.ban("192.0.2.1".parse()?, Duration::from_secs(60), "too many forms");
/// assert!(refused("GET /index.html"));
/// assert!(guard.unban("192.0.2.1".parse()?));
/// assert!(!refused("GET /index.html"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    policy: PolicyHandle,
    bans: Bans,
    limits: Arc<LimitTable>,
    sink: Arc<CountingSink>,
    observe_override: ObserveOverride,
    layer: Arc<GuardLayer>,
    #[cfg(feature = "websocket")]
    sessions: Arc<Sessions>,
    /// Set while an observe override is in force, until its end was reported.
    is_overridden: AtomicBool,
    _maintenance: Option<Maintenance>,
}

// === impl Guard ===

impl Guard {
    /// Creates a builder with the defaults: events to `tracing`, 100,000 timed bans.
    pub fn builder() -> GuardBuilder {
        GuardBuilder::new()
    }

    /// Creates a guard with the defaults by the policy in `text`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the policy.
    pub fn from_policy(text: &str) -> Result<Self, PolicyError> {
        Self::builder().with_policy(text, "policy")
    }

    /// Makes a layer for a service, a router or one route. Layers of one guard share all state.
    ///
    /// The peer address is found by [`AutoSource`](crate::client::AutoSource); without one a request is answered with 503.
    pub fn layer(&self) -> GuardLayer {
        GuardLayer::clone(&self.0.layer)
    }

    /// Puts the policy in `text` in force for every request from now on.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it. The old policy stays in force, and an event reports the error.
    pub fn replace(&self, text: &str) -> Result<Replaced, PolicyError> {
        self.0.policy.replace(text)
    }

    /// Reads the policy file and its lists again, and puts them in force.
    ///
    /// # Errors
    ///
    /// As [`Self::replace`]; also if the policy did not come from a file.
    pub fn reload(&self) -> Result<Replaced, PolicyError> {
        self.0.policy.reload()
    }

    /// Compiles a document as a reload would, without putting it in force. What a reload would refuse to lose of the
    /// policy in force is among the warnings ([`Report::shrinks`]).
    ///
    /// # Errors
    ///
    /// As [`Self::reload`]. No event is recorded.
    ///
    /// # Cost
    ///
    /// That of a reload; call it outside of async tasks.
    pub fn check_reload(&self, candidate: Candidate<'_>) -> Result<Report, PolicyError> {
        self.0.policy.check(candidate)
    }

    /// The number of policies that were in force before the present one.
    pub fn generation(&self) -> u64 {
        self.0.policy.current().generation
    }

    /// The last document that was rejected, if none came into force since.
    pub fn rejected_policy(&self) -> Option<RejectedPolicy> {
        self.0.sink.rejected_policy()
    }

    /// Reloads the policy when its file, or a list that it names, changes. Dropping the handle ends that.
    ///
    /// # Errors
    ///
    /// The operating system's error, if files cannot be watched or a thread cannot be started.
    pub fn watch(&self) -> io::Result<Watch> {
        self.watch_with(WatchOptions::default())
    }

    /// Watches as [`Self::watch`] does, with other intervals.
    ///
    /// # Errors
    ///
    /// As [`Self::watch`].
    pub fn watch_with(&self, options: WatchOptions) -> io::Result<Watch> {
        self.0.policy.watch(options)
    }

    /// The path of the policy's file, or the name that was given for its text.
    pub fn policy_name(&self) -> &str {
        self.0.policy.name()
    }

    /// Returns the document in force.
    pub fn document(&self) -> Arc<Document> {
        self.0.policy.document()
    }

    /// Returns what in the document in force is valid, but perhaps not intended.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        self.0.policy.warnings()
    }

    /// Judges a sample request by the policy in force, as if it came now, and returns every step.
    pub fn explain(&self, request: &SampleRequest) -> Explained {
        explain(&self.0.policy.current(), request, self.now())
    }

    /// Judges a sample request as [`Self::explain`] does, and explains it in full: the derivation of the
    /// client, the views of the path, the deny rules, and the exception that would let it pass.
    ///
    /// # Cost
    ///
    /// That of several reloads: not for the request path.
    pub fn explain_request(
        &self,
        request: &SampleRequest,
        selection: &RuleSelection,
    ) -> RequestExplanation {
        self.0.policy.explain(request, self.now(), selection)
    }

    /// Observes for `period` from now: no rule denies or bans until it is over. An event reports its
    /// beginning, and another its end. Pass zero to end it.
    pub fn observe_for(&self, period: Duration) {
        self.0.observe_override.start(self.now(), period);
        let is_overridden = !period.is_zero();
        self.0.is_overridden.store(is_overridden, Ordering::Relaxed);
        self.0.report_override(period);
    }

    /// The remaining time of [`Self::observe_for`]; zero if rules are enforced.
    pub fn observes_for(&self) -> Duration {
        self.0.observe_override.remaining(self.now())
    }

    /// The timed bans.
    pub fn bans(&self) -> &Bans {
        &self.0.bans
    }

    /// The open WebSockets and event streams.
    #[cfg(feature = "websocket")]
    pub fn sessions(&self) -> &Arc<Sessions> {
        &self.0.sessions
    }

    /// Ends every open WebSocket within `over`, each at its own random time, with close code 1012 (service
    /// restart). New ones are not refused.
    #[cfg(feature = "websocket")]
    pub fn drain(&self, over: Duration) {
        self.sessions().drain(self.now(), over);
    }

    /// The number of WebSockets that did not open or stay open, by diagnosis.
    pub fn diagnosis_counters(&self) -> &DiagnosisCounters {
        self.0.sink.counters()
    }

    /// Calls `listener` for each ban and each policy that comes into force, while the caller keeps it alive.
    pub fn subscribe<L: ChangeListener + 'static>(&self, listener: &Arc<L>) {
        let policy_listener: Weak<dyn ChangeListener> = Arc::downgrade(listener) as _;
        self.0.policy.subscribe(policy_listener);
        self.0.bans.subscribe(listener);
    }

    /// The use of each bounded table: `bans`, `limits`, `sessions` and others.
    ///
    /// # Cost
    ///
    /// Reads every slot of the limits, about a millisecond. Not for the request path.
    pub fn tables(&self) -> Vec<TableUsage> {
        let tables = self.0.policy.state().tables().into_iter();
        #[cfg(feature = "websocket")]
        let tables = {
            let (open, capacity) = (self.sessions().len(), self.sessions().capacity());
            tables.chain([TableUsage::new("sessions", open, capacity, 0)])
        };
        tables.collect()
    }

    /// The current time by the guard's clock.
    pub fn now(&self) -> Now {
        self.0.bans.clock().now()
    }

    /// The destination of events, for other parts of a server to report to.
    pub fn sink(&self) -> Arc<dyn Sink> {
        self.0.sink.clone()
    }

    /// Drops expired bans and policies no longer in use, ends sessions whose time is up, and reports events
    /// that were held back.
    ///
    /// Called once a second by a thread of the guard's own if it has a timer and the system's clock
    /// ([`GuardBuilder::with_timer`]). Without it everything still works, but later.
    pub fn maintain(&self) {
        self.0.maintain();
    }

    /// The policy in force, for the other crates of gabion. Not part of the stable API.
    #[doc(hidden)]
    pub fn policy_handle(&self) -> &PolicyHandle {
        &self.0.policy
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("policy", &self.0.policy)
            .finish_non_exhaustive()
    }
}

// === impl Inner ===

impl Inner {
    fn maintain(&self) {
        let now = self.bans.clock().now();
        self.bans.maintain();
        #[cfg(feature = "websocket")]
        self.sessions.maintain(now);
        self.policy.maintain();
        self.sink.flush(now.wall());
        let is_over = self.observe_override.remaining(now).is_zero();
        if is_over && self.is_overridden.swap(false, Ordering::Relaxed) {
            self.report_override(Duration::ZERO);
        }
    }

    fn report_override(&self, left: Duration) {
        let event = PolicyEvent::ObserveOverride { left };
        self.sink.record(&Event::Policy(event));
    }
}
