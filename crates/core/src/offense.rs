//! What counts toward a ban, and who keeps the bans.

use std::{sync::Arc, time::Duration};

use ipnet::IpNet;

use crate::{ClientIp, Mode, Now, RuleId};

/// Something a client did that bans it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offense {
    /// The rule that bans.
    pub rule: RuleId,
    /// How long the ban lasts.
    pub ban_for: Duration,
    /// Whether the client itself must have done it.
    pub attribution: Attribution,
    /// Whether it bans, or is only told.
    pub mode: Mode,
    /// The words of the operator who placed the ban; `None` for rules, whose denial holds the reason.
    pub reason: Option<Arc<str>>,
}

/// Whether a client can be held to what it sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "it can be held to it, or not, or not alone"
)]
pub enum Attribution {
    /// Nobody else can have made it send this.
    Certain,
    /// Any page that it visits could have made its browser send this: a link, an image, a form. It
    /// counts together with others, told apart by path.
    Forgeable {
        /// A hash of the path.
        path: u64,
    },
    /// By the browser's own word a page of another origin made it send this. It never counts.
    CrossSite,
}

/// What became of a ban.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BanOutcome {
    /// The client is banned from now on.
    Banned {
        /// Who was let go early to make room: the one nearest its end. `None` while there is room.
        evicted: Option<IpNet>,
    },
    /// The client was banned already; the later end counts.
    AlreadyBanned,
    /// It is remembered: so many different paths that any page could have made it send. Together
    /// with others it will be proof.
    Suspected {
        /// How many different paths so far.
        paths: u32,
    },
    /// Not banned, for the reason given.
    Withheld(&'static str),
    /// Not banned, for a reason that was given lately and is not worth repeating.
    OverBudget,
}

impl Offense {
    /// An offense that is proven.
    pub const fn certain(rule: RuleId, ban_for: Duration) -> Self {
        Self {
            rule,
            ban_for,
            attribution: Attribution::Certain,
            mode: Mode::Enforce,
            reason: None,
        }
    }

    /// Sets what the client can be held to.
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

    /// Sets whether it bans.
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }
}

/// Keeps timed bans.
///
/// An implementation is bounded, never blocks on IO, and is shared by every thread.
pub trait OffenseRecorder: Send + Sync {
    /// Bans `client` from `now` on for as long as `offense` says.
    ///
    /// Who may be banned at all is the caller's question ([`crate::ClientRules::exempts`]).
    fn record_offense(&self, client: &ClientIp, offense: &Offense, now: Now) -> BanOutcome;
}
