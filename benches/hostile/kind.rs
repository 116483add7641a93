//! The kinds of hostile clients.

use std::{fmt, time::Duration};

/// A number of clients that do the same.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The name on the command line.
    pub(crate) name: &'static str,
    pub(crate) attack: Attack,
    /// The number of clients, each with one connection.
    pub(crate) clients: u32,
    /// The number of their addresses.
    pub(crate) addresses: u8,
    /// The actions of each client per second.
    pub(crate) rate: u32,
    /// The rest of the description in the table, with `RATE` for the rate.
    pub(crate) does: &'static str,
    /// The time after which the last connection must be gone; `None` if its client makes progress, however
    /// slowly, so that it is not cut.
    pub(crate) deadline: Option<Duration>,
    /// The protocol of the connections.
    pub(crate) protocol: Protocol,
    /// The limit of open files of the proxy.
    pub(crate) descriptors: u32,
}

/// The action of each client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attack {
    SlowHead,
    SlowBody,
    Unread,
    SlowReader,
    Idle,
    PartialHead,
    DeniedTargets,
    FailedUpstream,
    UnreadStreams,
    StalledStreams,
    IdleStreams,
    Settings,
    Pings,
    WindowUpdates,
    RapidReset,
    Continuation,
    Headers,
    EmptyData,
    Inflation,
    Fragments,
}

/// The protocol of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    /// nginx forwards frames unread, so that an attack on the parser of messages does not apply to it.
    WebSocket,
}

/// guard's timeout for a head and for an idle connection (75 s), and for a client that sends or takes nothing
/// (60 s), both with 5 s for a busy machine.
const IDLE: Option<Duration> = Some(Duration::from_secs(80));
const STALL: Option<Duration> = Some(Duration::from_secs(65));

/// The usual limit of open files.
const DESCRIPTORS: u32 = 20_000;

const fn http1(name: &'static str, attack: Attack, clients: u32, does: &'static str) -> Kind {
    Kind {
        name,
        attack,
        clients,
        addresses: 10,
        rate: 1,
        does,
        deadline: IDLE,
        protocol: Protocol::Http1,
        descriptors: DESCRIPTORS,
    }
}

const fn http2(name: &'static str, attack: Attack, clients: u32, does: &'static str) -> Kind {
    Kind {
        protocol: Protocol::Http2,
        ..http1(name, attack, clients, does)
    }
}

const fn flood(name: &'static str, attack: Attack, rate: u32, does: &'static str) -> Kind {
    Kind {
        rate,
        ..http2(name, attack, 10, does)
    }
}

/// Each kind, in the order of the table.
pub(crate) const KINDS: [Kind; 22] = [
    http1(
        "slow-head",
        Attack::SlowHead,
        1_000,
        "RATE byte of a head per second",
    ),
    Kind {
        deadline: STALL,
        ..http1(
            "slow-body",
            Attack::SlowBody,
            1_000,
            "RATE byte of an announced body per second",
        )
    },
    Kind {
        deadline: STALL,
        ..http1(
            "unread",
            Attack::Unread,
            1_000,
            "a response of 512 KiB, never read",
        )
    },
    Kind {
        rate: 64,
        deadline: None,
        ..http1(
            "slow-reader",
            Attack::SlowReader,
            1_000,
            "RATE bytes of a response read per second",
        )
    },
    http1("idle", Attack::Idle, 1_000, "idle after a request"),
    http1(
        "partial-heads",
        Attack::PartialHead,
        2_000,
        "60 KB of a head",
    ),
    Kind {
        rate: 50,
        ..http1(
            "log-denied",
            Attack::DeniedTargets,
            10,
            "RATE denied targets of 50 KB per second",
        )
    },
    Kind {
        rate: 50,
        ..http1(
            "log-failed",
            Attack::FailedUpstream,
            10,
            "RATE failing targets of 50 KB per second",
        )
    },
    Kind {
        addresses: 1,
        descriptors: 256,
        ..http1(
            "descriptors",
            Attack::Idle,
            300,
            "idle after a request, from one address, with 256 descriptors",
        )
    },
    Kind {
        descriptors: 256,
        ..http1(
            "descriptors-10",
            Attack::Idle,
            300,
            "the same from ten addresses",
        )
    },
    http2(
        "h2-idle",
        Attack::IdleStreams,
        1_000,
        "idle after a request, pings answered",
    ),
    Kind {
        deadline: STALL,
        ..http2(
            "h2-unread",
            Attack::UnreadStreams,
            20,
            "100 responses of 128 KiB, the window 0",
        )
    },
    Kind {
        deadline: STALL,
        ..http2(
            "h2-stall",
            Attack::StalledStreams,
            20,
            "100 responses of 128 KiB, the window never updated",
        )
    },
    flood(
        "h2-settings",
        Attack::Settings,
        5_000,
        "RATE SETTINGS per second",
    ),
    flood("h2-ping", Attack::Pings, 5_000, "RATE PING per second"),
    flood(
        "h2-window-update",
        Attack::WindowUpdates,
        5_000,
        "RATE WINDOW_UPDATE per second",
    ),
    flood(
        "h2-reset",
        Attack::RapidReset,
        500,
        "RATE requests per second, each reset at once",
    ),
    flood(
        "h2-continuation",
        Attack::Continuation,
        1_000,
        "RATE CONTINUATION of 1 KB per second, without end",
    ),
    flood(
        "h2-headers",
        Attack::Headers,
        500,
        "RATE HEADERS per second, no request ended",
    ),
    flood(
        "h2-empty-data",
        Attack::EmptyData,
        5_000,
        "RATE empty DATA per second",
    ),
    Kind {
        protocol: Protocol::WebSocket,
        deadline: STALL,
        ..http1(
            "fragments",
            Attack::Fragments,
            1_000,
            "a fragment of 60 KB of a message, pings answered",
        )
    },
    // The last one, as it goes on at its full rate until it is cut.
    Kind {
        protocol: Protocol::WebSocket,
        rate: 10_000,
        ..http1(
            "inflation",
            Attack::Inflation,
            4,
            "RATE messages per second that inflate from 86 bytes to 64 KiB",
        )
    },
];

// === impl Kind ===

impl Kind {
    /// Returns the kind with this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let does = self.does.replace("RATE", &thousands(self.rate));
        write!(f, "`{}`: {} × {does}", self.name, thousands(self.clients))
    }
}

/// Formats a number below a million with a comma.
fn thousands(number: u32) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    }
}
