//! Counts of rate limits, as instances exchange them.

use std::time::Duration;

/// The units that requests took from one quota of a rate limit.
///
/// It contains neither an address nor a token: the key is a hash with a secret of the instances that exchange
/// counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a record of plain data")]
pub struct LimitCount {
    /// A hash of the rule's id, key, rate and burst, equal in every instance. An instance whose rule has
    /// others does not know the quota. For a [`RemoteCheck`](crate::RemoteCheck), of the rule's id and key.
    pub quota: u64,
    /// The keyed hash of the client, or of the other parts of the rule's key.
    pub key: u64,
    /// The number of units.
    pub units: u32,
}

/// The counters of rate limits of one instance, which others add to, and which are added to those of others.
///
/// No request waits for the exchange: requests are judged by the counters of the instance, to which
/// [`Self::add_counts`] adds what the others counted.
pub trait LimitCounts: Send + Sync {
    /// Returns the secret of the instances that exchange counts; `None` before [`Self::share_by`].
    fn secret(&self) -> Option<[u64; 2]>;

    /// Starts to count for other instances, with keys hashed by `secret`, which all of them have. A secret
    /// other than before makes every quota full again.
    fn share_by(&self, secret: [u64; 2]);

    /// Moves what was counted since the last call to the end of `counts`.
    ///
    /// # Cost
    ///
    /// Reads a table of fixed size, about 0.1 ms. Not for the request path.
    fn take_counts(&self, counts: &mut Vec<LimitCount>);

    /// Adds what another instance counted in the last `age`. Returns the number of counts that belong to a
    /// quota of the policies in use; others are ignored.
    fn add_counts(&self, counts: &[LimitCount], age: Duration) -> usize;

    /// Returns the number of requests that were not counted for others, because too many keys were in use at
    /// once.
    fn uncounted(&self) -> u64;
}
