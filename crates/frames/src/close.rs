//! Why a socket was closed, as the two sides tell each other.

use std::fmt;

/// The code of a close frame (RFC 6455, 7.4, and the registry of IANA).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// The server goes down, or the page was left.
    pub const GOING_AWAY: Self = Self(1001);
    /// A rule of the protocol was broken.
    pub const PROTOCOL: Self = Self(1002);
    /// A kind of data that is not accepted here.
    pub const UNSUPPORTED: Self = Self(1003);
    /// The socket ended without a close frame; never sent.
    pub const ABNORMAL: Self = Self(1006);
    /// Data that is not what its kind promises, such as text that is not UTF-8.
    pub const INVALID: Self = Self(1007);
    /// A policy was broken.
    pub const POLICY: Self = Self(1008);
    /// A message is too big.
    pub const TOO_BIG: Self = Self(1009);
    /// The client wanted an extension that the server did not grant.
    pub const EXTENSION: Self = Self(1010);
    /// The server could not go on.
    pub const INTERNAL: Self = Self(1011);
    /// The server restarts; come again after a pause of random length.
    pub const RESTART: Self = Self(1012);
    /// The server is overloaded; come again later.
    pub const TRY_LATER: Self = Self(1013);
    /// A gateway got a bad answer from behind it.
    pub const BAD_GATEWAY: Self = Self(1014);

    /// The code of this number, whether or not it may be sent.
    pub const fn new(code: u16) -> Self {
        Self(code)
    }

    /// Its number.
    pub const fn value(self) -> u16 {
        self.0
    }

    /// May stand in a close frame: 1000 to 1003, 1007 to 1014, and 3000 to 4999.
    pub const fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// What it says, for a log.
    pub const fn words(self) -> &'static str {
        match self.0 {
            1000 => "done",
            1001 => "going away: the page was left, or the server goes down",
            1002 => "the other side broke the protocol",
            1003 => "this kind of data is not accepted",
            1005 => "closed without a code",
            1006 => "cut without a close frame: by a timeout, a crash or the network",
            1007 => "data that is not what it claims to be, such as text that is not UTF-8",
            1008 => "refused by a policy",
            1009 => "a message was too big",
            1010 => "an extension that the client needs is missing",
            1011 => "the server failed",
            1012 => "the server restarts: connect again after a random pause",
            1013 => "the server is overloaded: connect again later",
            1014 => "a gateway got a bad answer from the server behind it",
            1015 => "the TLS handshake failed",
            3000..=3999 => "a code registered by a library or framework",
            4000..=4999 => "a code of the application's own",
            _ => "a code that nobody defined",
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
