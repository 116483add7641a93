//! The only module that reads clocks.

use std::{
    sync::LazyLock,
    time::{Instant, SystemTime},
};

use gabion_core::Now;

/// A source of the current time.
///
/// [`SystemClock`] is the default. Layers, sessions and tables of bans that belong together need
/// the same clock: set it with [`GuardLayer::with_clock`](crate::GuardLayer::with_clock).
///
/// # Examples
///
/// A clock that stands still, as a test uses it, and an inspector that denies requests in the first
/// minute:
///
/// ```
/// # use std::{convert::Infallible, sync::Arc, time::{Duration, UNIX_EPOCH}};
/// # use bytes::Bytes;
/// # use gabion_core::{ClientRules, Denial, Facts, Inspect, Now, PeerAddr, RequestState, Verdict};
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// # use tower::{Layer, ServiceExt, service_fn};
/// use gabion_tower::{Clock, GuardLayer};
///
/// struct Stopped(Duration);
///
/// impl Clock for Stopped {
///     fn now(&self) -> Now {
///         Now::new(self.0, UNIX_EPOCH + self.0)
///     }
/// }
///
/// # struct WarmUp;
/// # impl Inspect for WarmUp {
/// #     fn name(&self) -> &'static str {
/// #         "warm-up"
/// #     }
/// #     fn inspect(&self, facts: &Facts<'_>, _: &mut RequestState) -> Verdict {
/// #         match facts.now.mono() < Duration::from_secs(60) {
/// #             true => Denial::forbidden("warm-up", "not ready").into(),
/// #             false => Verdict::Pass,
/// #         }
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let peer = PeerAddr::new(([203, 0, 113, 9], 4711).into());
/// for (second, status) in [(59, 403), (60, 200)] {
///     let clock = Arc::new(Stopped(Duration::from_secs(second)));
///     let layer = GuardLayer::new(WarmUp, ClientRules::default()).with_clock(clock);
/// #     let service = service_fn(|_: Request<()>| async {
/// #         Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
/// #     });
///     let request = Request::get("/").extension(peer).body(())?;
///     assert_eq!(layer.layer(service).oneshot(request).await?.status(), status);
/// }
/// # Ok(())
/// # }
/// ```
pub trait Clock: Send + Sync {
    /// Returns the current monotonic and wall-clock time.
    fn now(&self) -> Now;
}

/// The [`Clock`] of the operating system.
///
/// Monotonic time counts from the creation of the first `SystemClock` of the process. All instances
/// share this origin, so that layers that are created separately agree on the end of a ban.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl SystemClock {
    /// Creates a clock. The first call in the process sets the origin of monotonic time.
    pub fn new() -> Self {
        Self { start: *START }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Now {
        Now::new(self.start.elapsed(), SystemTime::now())
    }
}
