//! Options of a [`PolicyHandle`](crate::PolicyHandle), which apply to every document that it loads.

use std::{fmt, sync::Arc, time::Duration};

use gabion_core::{Inspect, InspectMessage, MessageKinds, Sink};

use crate::{ShrinkGuard, State};

/// Options of a [`PolicyHandle`](crate::PolicyHandle), which apply to every document that it loads:
/// the event sink, shared [`State`], the user's own rules, the [`ShrinkGuard`] and the time limit.
///
/// # Examples
///
/// ```
/// # use std::{sync::Arc, time::{Duration, SystemTime}};
/// # use gabion_core::{Event, Now, PolicySource, Sink};
/// use gabion_core::{Denial, Facts, Inspect, RequestState, Verdict};
/// use gabion_policy::{PolicyHandle, PolicyOptions, SampleRequest, ShrinkGuard, State, explain};
/// # struct NoEvents;
/// # impl Sink for NoEvents {
/// #     fn record(&self, _: &Event) {}
/// # }
///
/// struct NoDelete;
///
/// impl Inspect for NoDelete {
///     fn name(&self) -> &'static str {
///         "no-delete"
///     }
///
///     fn inspect(&self, facts: &Facts<'_>, _: &mut RequestState) -> Verdict {
///         match *facts.method == http::Method::DELETE {
///             true => Denial::forbidden("no-delete", "DELETE is not offered").into(),
///             false => Verdict::Pass,
///         }
///     }
/// }
///
/// let options = PolicyOptions::new(Arc::new(NoEvents))
///     .with_state(State::with_capacity(1024))
///     .with_shrink_guard(ShrinkGuard::Accept)
///     .with_budget(Duration::from_secs(5))
///     .add_rule(Arc::new(NoDelete));
/// let policy = PolicyHandle::from_document(
///     "version = 1\n[protocol]\nmethods = ['GET', 'DELETE']\n",
///     "policy.toml",
///     options,
/// )?;
/// let denies = |request| {
///     let now = Now::new(Duration::ZERO, SystemTime::UNIX_EPOCH);
///     explain(&policy.current(), &SampleRequest::new(request).unwrap(), now).verdict.refuses()
/// };
/// assert!(denies("DELETE /item") && !denies("GET /item"));
/// # Ok::<(), gabion_policy::PolicyError>(())
/// ```
#[derive(Clone)]
pub struct PolicyOptions {
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) state: State,
    pub(crate) custom: CustomRules,
    pub(crate) shrink: ShrinkGuard,
    pub(crate) budget: Duration,
}

/// The user's own rules, in the order in which they were added.
#[derive(Clone, Default)]
pub(crate) struct CustomRules {
    pub(crate) requests: Vec<Arc<dyn Inspect>>,
    pub(crate) messages: Vec<Arc<dyn InspectMessage>>,
}

impl PolicyOptions {
    /// The default time limit for reading and compiling a policy: 10 s.
    pub const BUDGET: Duration = Duration::from_secs(10);

    /// Default options, with a sink for events about policies that come into force or are refused.
    pub fn new(sink: Arc<dyn Sink>) -> Self {
        Self {
            sink,
            state: State::default(),
            custom: CustomRules::default(),
            shrink: ShrinkGuard::default(),
            budget: Self::BUDGET,
        }
    }

    /// Sets the state that all policies share: bans, limits, scores.
    pub fn with_state(self, state: State) -> Self {
        Self { state, ..self }
    }

    /// Adds a rule of the user's own, which judges after `ban` and `hosts`, and before `deny`.
    pub fn add_rule(mut self, rule: Arc<dyn Inspect>) -> Self {
        self.custom.requests.push(rule);
        self
    }

    /// Adds a rule of the user's own about WebSocket messages, which judges before `[[message]]`.
    pub fn add_message_rule(mut self, rule: Arc<dyn InspectMessage>) -> Self {
        self.custom.messages.push(rule);
        self
    }

    /// Sets if a new policy may remove many entries of the previous one; refused by default.
    pub fn with_shrink_guard(self, shrink: ShrinkGuard) -> Self {
        Self { shrink, ..self }
    }

    /// Sets the time limit for reading and compiling a policy, after which it is refused;
    /// [`PolicyOptions::BUDGET`] by default.
    pub fn with_budget(self, budget: Duration) -> Self {
        Self { budget, ..self }
    }
}

impl CustomRules {
    /// The kinds of messages that the rules judge.
    pub(crate) fn message_kinds(&self) -> MessageKinds {
        let kinds = self.messages.iter().map(|rule| rule.message_kinds());
        kinds.max().unwrap_or_default()
    }
}

impl fmt::Debug for PolicyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let custom = self.custom.requests.iter();
        let custom: Vec<_> = custom.map(|rule| rule.name()).collect();
        f.debug_struct("PolicyOptions")
            .field("state", &self.state)
            .field("custom", &custom)
            .field("shrink", &self.shrink)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}
