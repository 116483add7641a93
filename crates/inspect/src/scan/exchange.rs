//! An exchange, and what the client did before.

use gabion_core::{Outcome, RequestState};

/// An exchange, and the recent behavior of its client.
pub(super) struct Exchange<'a> {
    pub(super) state: &'a RequestState,
    /// The signals of the head, as bits.
    pub(super) signals: u64,
    pub(super) outcome: &'a Outcome<'a>,
    /// Includes this exchange.
    pub(super) history: &'a History,
    /// `true` if this exchange added to `missing` or `refused`.
    pub(super) is_new: bool,
}

/// The recent behavior of a client. Counts decay with the score.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// The number of requests.
    pub(super) requests: f32,
    /// The number of different missing paths.
    pub(super) missing: f32,
    /// The number of modifying requests answered with 401 or 403.
    pub(super) refused: f32,
    /// A bit per missing path. Two paths with the same bit count once.
    pub(super) paths: u128,
}

/// The bit of the signals of a head that was judged.
pub(super) const JUDGED: u64 = 1 << 63;
/// The bit of the signals of a head whose path is an asset.
pub(super) const ASSET: u64 = 1 << 62;
