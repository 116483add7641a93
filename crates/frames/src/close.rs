//! Close codes.

use std::fmt;

/// The code of a close frame (RFC 6455, 7.4, and the IANA registry).
///
/// # Examples
///
/// ```
/// use gabion_frames::CloseCode;
///
/// assert!(CloseCode::RESTART.may_be_sent());
/// assert!(!CloseCode::ABNORMAL.may_be_sent());
/// assert_eq!(CloseCode::TOO_BIG.meaning(), "a message was too big");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// Normal closure.
    pub const NORMAL: Self = Self(1000);
    /// The server shuts down, or the browser left the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// Protocol error.
    pub const PROTOCOL: Self = Self(1002);
    /// Unsupported kind of data.
    pub const UNSUPPORTED: Self = Self(1003);
    /// The connection ended without a close frame. Never sent.
    pub const ABNORMAL: Self = Self(1006);
    /// Data that does not match its type, such as text that is not UTF-8.
    pub const INVALID: Self = Self(1007);
    /// Policy violation.
    pub const POLICY: Self = Self(1008);
    /// Message too big.
    pub const TOO_BIG: Self = Self(1009);
    /// The client requires an extension that the server did not grant.
    pub const EXTENSION: Self = Self(1010);
    /// Internal server error.
    pub const INTERNAL: Self = Self(1011);
    /// The server restarts; reconnect after a random delay.
    pub const RESTART: Self = Self(1012);
    /// The server is overloaded; reconnect later.
    pub const TRY_LATER: Self = Self(1013);
    /// A gateway received an invalid response from its upstream.
    pub const BAD_GATEWAY: Self = Self(1014);

    /// Wraps a number, whether or not it may be sent.
    pub const fn new(code: u16) -> Self {
        Self(code)
    }

    /// The number.
    pub const fn value(self) -> u16 {
        self.0
    }

    /// Returns `true` for codes allowed in a close frame: 1000 to 1003, 1007 to 1014, and 3000 to
    /// 4999.
    pub const fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// A description for logs.
    pub const fn meaning(self) -> &'static str {
        match self.0 {
            1000 => "normal closure",
            1001 => "going away: the browser left the page, or the server shuts down",
            1002 => "protocol error of the other side",
            1003 => "unsupported kind of data",
            1005 => "closed without a code",
            1006 => "ended without a close frame: a timeout, a crash or a network failure",
            1007 => "data that does not match its type, such as text that is not UTF-8",
            1008 => "policy violation",
            1009 => "a message was too big",
            1010 => "the server did not grant an extension that the client requires",
            1011 => "internal server error",
            1012 => "the server restarts: reconnect after a random delay",
            1013 => "the server is overloaded: reconnect later",
            1014 => "a gateway received an invalid response from its upstream",
            1015 => "the TLS handshake failed",
            3000..=3999 => "a code registered by a library or framework",
            4000..=4999 => "a code defined by the application",
            _ => "an undefined code",
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
