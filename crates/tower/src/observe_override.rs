//! A temporary switch to observe mode.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gabion_core::{Mode, Now, Verdict};

/// Switches every [`GuardLayer`](crate::GuardLayer) that shares it to observe mode for a period,
/// whatever the policy: an emergency switch for a rule that denies real users. Denials are reported
/// as events, and the requests pass. Clones share the same period.
///
/// Set it with [`GuardLayer::with_observe_override`](crate::GuardLayer::with_observe_override). The
/// [`Clock`](crate::Clock) of the layers must be
/// the clock of the `now` that is passed to [`ObserveOverride::start`].
///
/// # Examples
///
/// ```
/// # use std::{convert::Infallible, time::Duration};
/// # use bytes::Bytes;
/// # use gabion_core::{ClientRules, Denial, Facts, Inspect, PeerAddr, RequestState, Verdict};
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// # use tower::{Layer, ServiceExt, service_fn};
/// use gabion_tower::{Clock, GuardLayer, ObserveOverride, SystemClock};
///
/// # struct DenyAll;
/// # impl Inspect for DenyAll {
/// #     fn name(&self) -> &'static str {
/// #         "all"
/// #     }
/// #     fn inspect(&self, _: &Facts<'_>, _: &mut RequestState) -> Verdict {
/// #         Denial::forbidden("all", "closed").into()
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let service = service_fn(|_: Request<()>| async {
/// #     Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
/// # });
/// # let peer = PeerAddr::new(([203, 0, 113, 9], 4711).into());
/// # let get = || Request::get("/").extension(peer).body(()).unwrap();
/// let (observe, clock) = (ObserveOverride::default(), SystemClock::new());
/// let guarded = GuardLayer::new(DenyAll, ClientRules::default())
///     .with_observe_override(observe.clone())
///     .layer(service);
/// assert_eq!(guarded.clone().oneshot(get()).await?.status(), 403);
/// observe.start(clock.now(), Duration::from_secs(600));
/// assert_eq!(guarded.clone().oneshot(get()).await?.status(), 200, "denied in observe mode only");
/// observe.start(clock.now(), Duration::ZERO);
/// assert_eq!(guarded.oneshot(get()).await?.status(), 403);
/// # Ok(())
/// # }
/// ```
///
/// # Cost
///
/// An atomic load per denial.
#[derive(Clone, Debug, Default)]
pub struct ObserveOverride {
    /// The end of the period, in milliseconds of monotonic time. In the past if the override is
    /// inactive.
    ends_at: Arc<AtomicU64>,
}

impl ObserveOverride {
    /// Starts the override, or changes its end to `period` after `now`. Pass zero to end it.
    pub fn start(&self, now: Now, period: Duration) {
        let ends_at = now.mono().saturating_add(period);
        self.ends_at.store(millis(ends_at), Ordering::Relaxed);
    }

    /// Returns the remaining time, or zero if the override is inactive.
    pub fn remaining(&self, now: Now) -> Duration {
        let ends_at = Duration::from_millis(self.ends_at.load(Ordering::Relaxed));
        ends_at.saturating_sub(now.mono())
    }

    /// Turns a denial into an observed one while the override is active.
    pub(crate) fn apply(&self, verdict: Verdict, now: Now) -> Verdict {
        match verdict {
            Verdict::Deny(denial) if !self.remaining(now).is_zero() => {
                denial.with_mode(Mode::Observe).into()
            }
            verdict => verdict,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
