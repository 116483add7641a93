//! Measurements of the request path.

use std::time::Duration;

/// A destination for the counts and times of judged requests. Events ([`Sink`](crate::Sink)) report single
/// requests, and none that passes; a meter gets every request.
///
/// Called on the request path: an implementation takes no lock and allocates nothing.
///
/// # Examples
///
/// A meter that counts, and measures the time of every request:
///
/// ```
/// use std::{sync::atomic::{AtomicU64, Ordering}, time::Duration};
/// use gabion_core::{Judgment, Meter};
///
/// #[derive(Default)]
/// struct Totals {
///     refused: AtomicU64,
///     micros: AtomicU64,
/// }
///
/// impl Meter for Totals {
///     fn is_timed(&self) -> bool {
///         true
///     }
///
///     fn count(&self, judgment: Judgment) {
///         if judgment == Judgment::Refused {
///             self.refused.fetch_add(1, Ordering::Relaxed);
///         }
///     }
///
///     fn add_time(&self, _: Judgment, added: Duration) {
///         let micros = u64::try_from(added.as_micros()).unwrap_or(u64::MAX);
///         self.micros.fetch_add(micros, Ordering::Relaxed);
///     }
/// }
///
/// let totals = Totals::default();
/// totals.count(Judgment::Passed);
/// totals.count(Judgment::Refused);
/// assert_eq!(totals.refused.into_inner(), 1);
/// ```
pub trait Meter: Send + Sync {
    /// Returns `true` if the time of the request that arrives now is measured, which takes three or four
    /// reads of the clock.
    fn is_timed(&self) -> bool;

    /// Counts a request.
    fn count(&self, judgment: Judgment);

    /// Records the time that was added to an exchange for which [`Self::is_timed`] returned `true`: that of
    /// the judgment, and of the processing of the response. The time of the service is not in it. An exchange
    /// that ends without a response of the service is not recorded.
    fn add_time(&self, judgment: Judgment, added: Duration);
}

/// The result of the judgment of a request, as a [`Meter`] counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a meter must have a count for each"
)]
pub enum Judgment {
    /// The service received the request.
    Passed,
    /// The layer responded itself: with a denial, or with 503 because it could not judge the request.
    Refused,
    /// The service received the request although the judgment failed
    /// ([`OnFault::Pass`](crate::OnFault::Pass)).
    Unjudged,
}

// === impl Judgment ===

impl Judgment {
    /// All results, each at the index of its discriminant.
    pub const ALL: [Self; 3] = [Self::Passed, Self::Refused, Self::Unjudged];

    /// Returns the name: `passed`, `refused` or `unjudged`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Refused => "refused",
            Self::Unjudged => "unjudged",
        }
    }
}
