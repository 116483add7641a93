//! Offenses, and the trait of the store that holds timed bans.

use std::{sync::Arc, time::Duration};

use ipnet::IpNet;

use crate::{Attribution, ClientIp, Mode, Now, RuleId};

/// A ban request: the rule that a client broke, the length of the ban, and how certain it is that
/// the client is responsible.
///
/// Carried by [`Denial::offense`](crate::Denial::offense) or returned by
/// [`Inspect::on_response`](crate::Inspect::on_response), and passed to
/// [`OffenseRecorder::record_offense`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use gabion_core::{Attribution, Mode, Offense, RuleId};
///
/// let offense = Offense::certain(RuleId::builtin("dotfiles"), Duration::from_secs(600));
/// assert_eq!(offense.attribution, Attribution::Certain);
/// assert_eq!(offense.with_mode(Mode::Observe).mode, Mode::Observe);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offense {
    /// The rule that bans.
    pub rule: RuleId,
    /// The length of the ban.
    pub ban_for: Duration,
    /// The degree to which the client itself is responsible.
    pub attribution: Attribution,
    /// The mode: the offense bans, or only produces an event.
    pub mode: Mode,
    /// The reason: that of an operator who placed the ban, or the signals of a scan. `None` for other
    /// rules, since their denial contains the reason.
    pub reason: Option<Arc<str>>,
}

/// The result of [`OffenseRecorder::record_offense`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BanOutcome {
    /// The client is banned from now on.
    Banned(Placement),
    /// The client was banned already; the later end counts.
    AlreadyBanned,
    /// The request is counted and does not ban yet: any page could have caused it. The client is
    /// banned once it requested `needed` different such paths.
    Suspected {
        /// The number of different paths so far.
        paths: u32,
        /// The number of different paths that ban.
        needed: u32,
    },
    /// The client is not banned, for the given reason.
    Withheld(&'static str),
    /// The client is not banned, for a reason that was given lately. No event is made of it.
    OverBudget,
}

/// A placed ban.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Placement {
    /// The length of the ban: at least that of the offense, longer for repeated offenses.
    pub ban_for: Duration,
    /// The number of offenses of the client that count, this one included.
    pub offenses: u32,
    /// The client whose ban was removed early to make room: the one nearest its end. `None`
    /// while there is room.
    pub evicted: Option<IpNet>,
    /// The /24 or /48 around the client, if it is banned too because several of its clients are, or would be
    /// in observe mode.
    pub surrounding: Option<(IpNet, Mode)>,
}

// === impl Placement ===

impl Placement {
    /// Creates the placement of a first ban, with room in the table.
    pub const fn new(ban_for: Duration) -> Self {
        Self {
            ban_for,
            offenses: 1,
            evicted: None,
            surrounding: None,
        }
    }

    /// Sets the client whose ban was removed to make room.
    pub fn with_evicted(self, evicted: Option<IpNet>) -> Self {
        Self { evicted, ..self }
    }

    /// Sets the number of offenses that led to the length of the ban.
    pub fn with_offenses(self, offenses: u32) -> Self {
        Self { offenses, ..self }
    }

    /// Sets the network around the client that is banned too, or would be.
    pub fn with_surrounding(self, surrounding: Option<(IpNet, Mode)>) -> Self {
        Self {
            surrounding,
            ..self
        }
    }
}

// === impl Offense ===

impl Offense {
    /// Creates an enforced offense with [`Attribution::Certain`].
    pub const fn certain(rule: RuleId, ban_for: Duration) -> Self {
        Self {
            rule,
            ban_for,
            attribution: Attribution::Certain,
            mode: Mode::Enforce,
            reason: None,
        }
    }

    /// Sets how certain it is that the client is responsible.
    pub fn with_attribution(self, attribution: Attribution) -> Self {
        Self {
            attribution,
            ..self
        }
    }

    /// Sets the reason that an operator gives.
    pub fn with_reason(self, reason: impl Into<Arc<str>>) -> Self {
        let reason = Some(reason.into());
        Self { reason, ..self }
    }

    /// Sets whether the offense bans or only produces an event.
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }
}

/// A store of timed bans.
///
/// An implementation is bounded, never blocks on IO, and is shared by all threads.
///
/// # Examples
///
/// A store that bans each client at its second offense:
///
/// ```
/// use std::{collections::HashSet, sync::Mutex};
/// use gabion_core::{BanOutcome, ClientIp, Now, Offense, OffenseRecorder, Placement};
/// use ipnet::IpNet;
///
/// struct SecondOffense(Mutex<HashSet<IpNet>>);
///
/// impl OffenseRecorder for SecondOffense {
///     fn record_offense(&self, client: &ClientIp, offense: &Offense, _now: Now) -> BanOutcome {
///         if self.0.lock().unwrap().insert(client.network()) {
///             return BanOutcome::Withheld("first offense");
///         }
///         BanOutcome::Banned(Placement::new(offense.ban_for))
///     }
/// }
///
/// # use std::time::{Duration, UNIX_EPOCH};
/// # use gabion_core::{ClientRules, PeerAddr, RuleId};
/// # let peer = PeerAddr::new(([203, 0, 113, 9], 4000).into());
/// # let client = ClientRules::default().resolve(peer, &http::HeaderMap::new());
/// # let offense = Offense::certain(RuleId::builtin("dotfiles"), Duration::from_secs(600));
/// # let now = Now::new(Duration::ZERO, UNIX_EPOCH);
/// let bans = SecondOffense(Mutex::default());
/// assert_eq!(bans.record_offense(&client, &offense, now), BanOutcome::Withheld("first offense"));
/// let placed = BanOutcome::Banned(Placement::new(Duration::from_secs(600)));
/// assert_eq!(bans.record_offense(&client, &offense, now), placed);
/// ```
pub trait OffenseRecorder: Send + Sync {
    /// Bans `client` from `now` on for [`Offense::ban_for`].
    ///
    /// The caller checks first that the client may be banned at all
    /// ([`ClientIp::exempt_from_bans`]).
    fn record_offense(&self, client: &ClientIp, offense: &Offense, now: Now) -> BanOutcome;
}
