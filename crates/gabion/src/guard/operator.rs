//! Bans and exemptions by an operator, a store and other instances.

use std::{
    net::IpAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use gabion_core::{
    AllowRecord, BanChange, BanEvent, BanOutcome, BanRecord, BanSnapshot, BanSource, BanUpdate,
    ClientIp, Event, Offense, PeerAddr, PolicySource as _, Protected, Sink as _, UpdateOrigin,
};
use gabion_inspect::ActiveBan;
use http::HeaderMap;
use ipnet::IpNet;

use super::{Guard, Inner};
use crate::bans::{self, Bans};

/// The result of [`Guard::import`]: the number of bans by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// Networks that were not banned before.
    pub placed: usize,
    /// Networks that were banned already; the later end counts.
    pub already_banned: usize,
    /// Bans that have ended.
    pub ended: usize,
    /// Networks that the policy exempts from bans, or that are wider than a /24 or /48.
    pub exempt: usize,
}

impl Guard {
    /// Bans the client at `client` for `duration`, at once and beyond the ban budget; its WebSockets end. The
    /// `reason` is reported in events and in the list of bans.
    ///
    /// Addresses that the policy exempts (loopback, private networks, trusted proxies) are not banned:
    /// [`BanOutcome::Withheld`]. IPv6 clients are banned by their network (`[client] ipv6_prefix`).
    pub fn ban(
        &self,
        client: IpAddr,
        duration: Duration,
        reason: impl Into<Arc<str>>,
    ) -> BanOutcome {
        let client = self.resolve(client);
        let reason = reason.into();
        let outcome = self.0.bans.place(&client, duration, Arc::clone(&reason));
        let (at, sink) = (self.now().wall(), &self.0.sink);
        let offense = Offense::certain(Bans::OPERATOR, duration).with_reason(reason);
        match &outcome {
            BanOutcome::Banned(placement) => {
                let events = BanEvent::placed(at, client, offense, placement);
                events.for_each(|event| sink.record(&Event::Ban(event)));
            }
            BanOutcome::Withheld(why) => {
                let event = BanEvent::new(at, client, offense, BanChange::Withheld(why));
                sink.record(&Event::Ban(event));
            }
            _ => {}
        }
        outcome
    }

    /// Lifts every ban that covers `client`. Returns `true` if there was one. Its offenses still lengthen
    /// its next ban; [`Self::forget`] erases those, too.
    pub fn unban(&self, client: IpAddr) -> bool {
        self.0.bans.unban(client)
    }

    /// Returns the ban of the client at `client`, or that of the network around it.
    pub fn find_ban(&self, client: IpAddr) -> Option<ActiveBan> {
        let client = self.resolve(client);
        self.0.bans.arbiter().table().active(&client, self.now())
    }

    /// The network by which the client at `client` is banned and exempted: one IPv4 address, or an IPv6 network of the
    /// policy's prefix length.
    pub fn client_network(&self, client: IpAddr) -> IpNet {
        self.resolve(client).network()
    }

    /// Exempts the client at `client` from denials by rules, limits and bans for `duration`, and lifts the bans
    /// that this covers. Returns the networks whose bans were lifted.
    ///
    /// Heads that servers would read differently are still refused, as for clients in `[allow]`.
    pub fn allow(
        &self,
        client: IpAddr,
        duration: Duration,
        reason: impl Into<Arc<str>>,
    ) -> Vec<IpNet> {
        let now = self.now();
        let record = AllowRecord {
            network: self.resolve(client).network(),
            reason: Some(reason.into()).filter(|reason: &Arc<str>| !reason.is_empty()),
            since: now.wall(),
            until: now.wall_after(duration),
        };
        let arbiter = self.0.bans.arbiter();
        arbiter.allow(&record, UpdateOrigin::Operator, now)
    }

    /// Ends the exemption of the client at `client`. Returns `true` if there was one.
    pub fn disallow(&self, client: IpAddr) -> bool {
        let network = self.resolve(client).network();
        let allows = self.0.bans.arbiter().allows();
        allows.remove(network, UpdateOrigin::Operator)
    }

    /// Erases what is known of the client at `client`: bans, exemption, offenses, suspicion, standing.
    /// Listeners that keep records erase theirs ([`BanUpdate::Forgotten`]). Counters of limits expire by
    /// themselves.
    pub fn forget(&self, client: IpAddr) {
        let network = self.resolve(client).network();
        let arbiter = self.0.bans.arbiter();
        arbiter.forget(network, UpdateOrigin::Operator);
    }

    /// Returns all bans, exemptions and offenses, as a store keeps them.
    pub fn ban_snapshot(&self) -> BanSnapshot {
        self.0.ban_snapshot()
    }

    /// The source of snapshots for a listener that missed updates. Held weakly.
    pub fn ban_source(&self) -> Weak<dyn BanSource> {
        let inner: Weak<Inner> = Arc::downgrade(&self.0);
        inner
    }

    /// Takes over bans, exemptions and offenses: of a store at the start, or of an import. Bans that have ended
    /// and bans of clients that the policy exempts by now are left out. Returns the number of bans placed.
    ///
    /// # Cost
    ///
    /// About a microsecond per ban. Call it before the first request.
    pub fn restore(&self, snapshot: &BanSnapshot) -> usize {
        self.0.restore(snapshot.clone())
    }

    /// Places the bans of an operator's list, beyond the ban budget. Open WebSockets of banned clients end. One event
    /// for each ban is not recorded.
    ///
    /// # Cost
    ///
    /// About a microsecond per ban.
    pub fn import(&self, bans: &[BanRecord]) -> Imported {
        let mut imported = Imported::default();
        for ban in bans {
            let count = if self.0.exemption(ban.network).is_some() {
                &mut imported.exempt
            } else {
                match self.0.bans.add(ban, UpdateOrigin::Operator) {
                    BanOutcome::Banned(_) => &mut imported.placed,
                    BanOutcome::AlreadyBanned => &mut imported.already_banned,
                    _ => &mut imported.ended,
                }
            };
            *count = count.saturating_add(1);
        }
        imported
    }

    /// Applies a change that another instance made. Bans are within the ban budget, and never of clients that
    /// this instance exempts or allows.
    ///
    /// Returns the reason why a ban is not applied, at most once a minute for each limit of the budget.
    ///
    /// # Errors
    ///
    /// The reason, if a ban was withheld, or if the network of a ban or an exemption is wider than a /24 or /48.
    pub fn apply_from_peer(&self, update: &BanUpdate) -> Result<(), &'static str> {
        let (arbiter, now) = (self.0.bans.arbiter(), self.now());
        match update {
            BanUpdate::Banned(ban) => {
                if let Some(why) = self.0.exemption(ban.network) {
                    return Err(why);
                }
                let client = self.resolve(ban.network.addr());
                match arbiter.add_from_peer(&client, ban, now) {
                    BanOutcome::Withheld(why) => return Err(why),
                    _ => return Ok(()),
                }
            }
            BanUpdate::Lifted(network) => {
                arbiter.table().unban(*network, UpdateOrigin::Peer);
            }
            BanUpdate::Allowed(allow) if is_too_wide(allow.network) => return Err(TOO_WIDE),
            BanUpdate::Allowed(allow) => {
                arbiter.allow(allow, UpdateOrigin::Peer, now);
            }
            BanUpdate::Disallowed(network) => {
                arbiter.allows().remove(*network, UpdateOrigin::Peer);
            }
            BanUpdate::Forgotten(network) => arbiter.forget(*network, UpdateOrigin::Peer),
        }
        Ok(())
    }

    /// Resolves the client of a request by the `[client]` section of the policy in force, as the layer does.
    pub fn resolve_client(&self, peer: PeerAddr, headers: &HeaderMap) -> ClientIp {
        self.0.policy.current().client.resolve(peer, headers)
    }

    fn resolve(&self, client: IpAddr) -> ClientIp {
        self.0.resolve(client)
    }
}

impl Inner {
    fn restore(&self, mut snapshot: BanSnapshot) -> usize {
        snapshot
            .bans
            .retain(|ban| self.exemption(ban.network).is_none());
        let now = self.bans.clock().now();
        self.bans.arbiter().restore(&snapshot, now)
    }

    /// Returns the reason why a network of a record must not be banned: it is wider than any that is banned
    /// here, or the policy exempts its clients.
    fn exemption(&self, network: IpNet) -> Option<&'static str> {
        if is_too_wide(network) {
            return Some(TOO_WIDE);
        }
        let protected = self.policy.current().client.protects(network);
        protected.map(|protected| match protected {
            Protected::TrustedProxy => "the ban would hit a trusted proxy",
            Protected::ThisHost => "the ban would hit this host",
            Protected::Private => "the ban would hit private addresses",
            _ => "the policy protects the network",
        })
    }

    fn resolve(&self, client: IpAddr) -> ClientIp {
        bans::resolve(client, &self.policy.current().client)
    }
}

const TOO_WIDE: &str = "the network is wider than a /24 or /48";

/// Returns `true` if a network is wider than any that is banned or exempted by its own.
fn is_too_wide(network: IpNet) -> bool {
    let widest = match network {
        IpNet::V4(_) => 24,
        IpNet::V6(_) => 48,
    };
    network.prefix_len() < widest
}

impl BanSource for Inner {
    fn ban_snapshot(&self) -> BanSnapshot {
        self.bans.arbiter().snapshot(self.bans.clock().now())
    }

    fn restore_bans(&self, snapshot: BanSnapshot) {
        self.restore(snapshot);
    }
}
