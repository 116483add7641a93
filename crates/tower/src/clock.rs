//! The only module that reads clocks.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
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
///
/// Wall-clock time is read once a second and otherwise derived from monotonic time: after the
/// system's clock was set, it is wrong for at most a second.
///
/// # Cost
///
/// One read of the monotonic clock: 25 to 35 ns where the kernel provides it without a system call.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

/// The wall-clock time at the origin of monotonic time, as it was read in one second.
struct WallTime {
    /// The second of monotonic time in which it was read, counted from 1.
    second: AtomicU64,
    /// In nanoseconds since the epoch.
    origin: AtomicU64,
}

static WALL: WallTime = WallTime::new();

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
        let mono = self.start.elapsed();
        Now::new(mono, WALL.at(mono, SystemTime::now))
    }
}

// === impl WallTime ===

impl WallTime {
    const fn new() -> Self {
        Self {
            second: AtomicU64::new(0),
            origin: AtomicU64::new(0),
        }
    }

    /// Returns the wall-clock time at the monotonic time `mono`. Calls `read` for the first time in
    /// each second.
    fn at(&self, mono: Duration, read: impl FnOnce() -> SystemTime) -> SystemTime {
        let second = mono.as_secs().wrapping_add(1);
        if self.second.load(Ordering::Acquire) == second {
            let origin = Duration::from_nanos(self.origin.load(Ordering::Relaxed));
            return UNIX_EPOCH + origin + mono;
        }
        let now = read();
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let origin = since_epoch.saturating_sub(mono).as_nanos();
        let origin = u64::try_from(origin).unwrap_or(u64::MAX);
        self.origin.store(origin, Ordering::Relaxed);
        self.second.store(second, Ordering::Release);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_is_read_once_a_second_and_follows_monotonic_time() {
        let wall = WallTime::new();
        let read = |seconds| move || UNIX_EPOCH + Duration::from_secs(seconds);
        let unread = || -> SystemTime { panic!("read twice in a second") };
        let millis = Duration::from_millis;
        assert_eq!(wall.at(millis(5_200), read(1_000)), read(1_000)());
        assert_eq!(wall.at(millis(5_900), unread), read(1_000)() + millis(700));
        // The system's clock was set back meanwhile.
        assert_eq!(wall.at(millis(6_100), read(500)), read(500)());
        assert_eq!(wall.at(millis(6_600), unread), read(500)() + millis(500));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "compares with the system")]
    fn system_clock_agrees_with_the_system() {
        let clock = SystemClock::new();
        for _ in 0..1_000 {
            let (before, now, after) = (SystemTime::now(), clock.now(), SystemTime::now());
            let slack = Duration::from_millis(50);
            assert!(before <= now.wall() + slack && now.wall() <= after + slack);
        }
    }
}
