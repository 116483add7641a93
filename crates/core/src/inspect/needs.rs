//! The calls and data that an inspector uses.

use std::ops::{BitOr, BitOrAssign};

/// The calls of an [`Inspect`](crate::Inspect), and the data, that an inspector uses, as a set.
///
/// # Examples
///
/// ```
/// use gabion_core::Needs;
///
/// let needs = Needs::REQUESTS | Needs::RESPONSES;
/// assert!(needs.contains(Needs::RESPONSES));
/// assert!(!needs.contains(Needs::ELAPSED));
/// assert!(Needs::ALL.contains(needs) && needs.contains(Needs::NONE));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs(u8);

impl Needs {
    /// No call: the inspector never denies and reports nothing, for example because it has no rules.
    pub const NONE: Self = Self(0);

    /// [`Inspect::inspect`](crate::Inspect::inspect), for each request.
    pub const REQUESTS: Self = Self(1);

    /// [`Inspect::recheck`](crate::Inspect::recheck), for open sessions.
    pub const RECHECKS: Self = Self(1 << 1);

    /// [`Inspect::on_response`](crate::Inspect::on_response), for each exchange.
    pub const RESPONSES: Self = Self(1 << 2);

    /// [`Outcome::elapsed`](crate::Outcome::elapsed), which costs a read of the clock per exchange.
    pub const ELAPSED: Self = Self(1 << 3);

    /// Several headers of each request, or [`RequestState::attribution`], which is derived from
    /// headers: then all are found in one pass ([`HeaderIndex::new`]). Without this need they can be
    /// read nevertheless ([`HeaderIndex::direct`]).
    ///
    /// [`RequestState::attribution`]: crate::RequestState::attribution
    /// [`HeaderIndex::new`]: crate::HeaderIndex::new
    /// [`HeaderIndex::direct`]: crate::HeaderIndex::direct
    pub const HEADERS: Self = Self(1 << 4);

    /// Everything.
    pub const ALL: Self = Self(
        Self::REQUESTS.0 | Self::RECHECKS.0 | Self::RESPONSES.0 | Self::ELAPSED.0 | Self::HEADERS.0,
    );

    /// Returns `true` if this set contains all of `other`.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns this set if `is_needed`, else [`Self::NONE`].
    pub const fn only_if(self, is_needed: bool) -> Self {
        if is_needed { self } else { Self::NONE }
    }
}

impl BitOr for Needs {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Needs {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}
