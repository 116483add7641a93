//! Classes of events, for budgets.

use std::{net::IpAddr, time::SystemTime};

use ipnet::IpNet;

use super::{BanChange, Event, RequestEventKind};

/// The classes of events that have separate budgets in a sink that limits events, so that events
/// of one class never hide those of another ([`Event::class`]).
///
/// # Examples
///
/// ```
/// use gabion_core::{Event, EventClass};
///
/// assert_eq!(Event::Setup("set a sink").class(), EventClass::Policy);
/// assert_eq!(EventClass::ALL[EventClass::Policy as usize], EventClass::Policy);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a sink must have a budget for every class"
)]
pub enum EventClass {
    /// Requests, sessions and connections: a client can cause any number of them.
    Traffic,
    /// Bans that came into force.
    Ban,
    /// Bans that did not come into force: withheld, observed, or not enough evidence yet.
    WithheldBan,
    /// Probes that the server answered.
    ProbeHit,
    /// Panics.
    Fault,
    /// Changes of the state of upstream servers.
    Upstream,
    /// Changes of the policy, of the store, of log files and by operators, setup errors, and reports of other sinks.
    Policy,
}

// === impl EventClass ===

impl EventClass {
    /// All classes, each at the index of its discriminant.
    pub const ALL: [Self; 7] = [
        Self::Traffic,
        Self::Ban,
        Self::WithheldBan,
        Self::ProbeHit,
        Self::Fault,
        Self::Upstream,
        Self::Policy,
    ];
}

// === impl Event ===

impl Event {
    /// The class whose budget the event uses.
    pub const fn class(&self) -> EventClass {
        match self {
            Self::Request(event) => match event.kind {
                RequestEventKind::Allowed(_) | RequestEventKind::Denied(_) => EventClass::Traffic,
                RequestEventKind::Fault(_) => EventClass::Fault,
            },
            Self::Ban(event) => match event.change {
                BanChange::Placed | BanChange::Evicted(_) | BanChange::Surrounding(_) => {
                    EventClass::Ban
                }
                BanChange::Withheld(_)
                | BanChange::Suspected { .. }
                | BanChange::Observed
                | BanChange::SurroundingObserved(_) => EventClass::WithheldBan,
            },
            Self::Session(_)
            | Self::Diagnosis(_)
            | Self::Unparsable(_)
            | Self::ConnectionRefused(_)
            | Self::ProxyFailure(_) => EventClass::Traffic,
            Self::ProbeHit(_) => EventClass::ProbeHit,
            Self::Fault(_) => EventClass::Fault,
            Self::Upstream(_) => EventClass::Upstream,
            // Of claims the first removal of each, which asks for a setting.
            Self::Audit(_)
            | Self::ClaimRemoved(_)
            | Self::Log(_)
            | Self::Policy(_)
            | Self::Store(_)
            | Self::UntrustedProxy(_)
            | Self::Setup(_)
            | Self::Suppressed(_) => EventClass::Policy,
        }
    }

    /// The wall-clock time; `None` for events that do not depend on traffic.
    pub const fn at(&self) -> Option<SystemTime> {
        match self {
            Self::Request(event) => Some(event.at),
            Self::Ban(event) => Some(event.at),
            Self::Audit(event) => Some(event.at),
            Self::Fault(event) => Some(event.at),
            Self::ProbeHit(event) => Some(event.at),
            Self::Session(event) => Some(event.at),
            Self::Diagnosis(event) => Some(event.at),
            Self::ClaimRemoved(event) => Some(event.at),
            Self::Unparsable(event) => Some(event.at),
            Self::ConnectionRefused(event) => Some(event.at),
            Self::ProxyFailure(event) => Some(event.at),
            Self::Store(event) => Some(event.at),
            Self::Upstream(event) => Some(event.at),
            Self::Log(event) => Some(event.at),
            Self::Policy(_) | Self::UntrustedProxy(_) | Self::Setup(_) | Self::Suppressed(_) => {
                None
            }
        }
    }

    /// The network of the client that caused the event, or of the peer if no request was read. An IPv6
    /// address of which the policy's prefix is not known counts by its /64, which one client can use as a
    /// whole.
    pub fn client(&self) -> Option<IpNet> {
        match self {
            Self::Request(event) => Some(event.client.network()),
            Self::Ban(event) => Some(event.client.network()),
            Self::Fault(event) => Some(event.client.network()),
            Self::ProbeHit(event) => Some(event.client.network()),
            Self::Session(event) => Some(event.client.network()),
            Self::Diagnosis(event) => Some(network(event.client)),
            Self::ClaimRemoved(event) => Some(network(event.peer)),
            Self::Unparsable(event) => Some(network(event.peer)),
            Self::ConnectionRefused(event) => Some(network(event.peer)),
            Self::ProxyFailure(event) => event.client.map(network),
            Self::UntrustedProxy(peer) => Some(network(*peer)),
            // An operator's work has no budget per client.
            Self::Audit(_)
            | Self::Log(_)
            | Self::Policy(_)
            | Self::Setup(_)
            | Self::Store(_)
            | Self::Suppressed(_)
            | Self::Upstream(_) => None,
        }
    }
}

fn network(addr: IpAddr) -> IpNet {
    const PREFIX: u8 = 64;
    let network = IpNet::from(addr);
    match addr {
        IpAddr::V6(_) => IpNet::new(addr, PREFIX).map_or(network, |network| network.trunc()),
        IpAddr::V4(_) => network,
    }
}
