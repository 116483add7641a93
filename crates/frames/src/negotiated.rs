//! Negotiated extensions.

use std::{error, fmt};

use crate::Role;

/// The extensions of a WebSocket, as the server's handshake response grants them.
///
/// # Examples
///
/// ```
/// use gabion_frames::Negotiated;
///
/// let granted = Negotiated::from_header([&b"permessage-deflate"[..]]).unwrap();
/// assert_eq!(granted.deflate().unwrap().client_max_window_bits, 15);
/// assert!(Negotiated::from_header([&b"x-webkit-unknown"[..]]).is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Negotiated {
    deflate: Option<Deflate>,
}

/// The parameters of permessage-deflate (RFC 7692, 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "all that RFC 7692 defines")]
pub struct Deflate {
    /// The server's messages do not refer back to earlier ones.
    pub server_no_context_takeover: bool,
    /// The client's messages do not refer back to earlier ones.
    pub client_no_context_takeover: bool,
    /// The window of the server's messages, as a power of two: 8 to 15.
    pub server_max_window_bits: u8,
    /// The window of the client's messages, as a power of two: 8 to 15.
    pub client_max_window_bits: u8,
}

/// The error for a `Sec-WebSocket-Extensions` response header that grants an unknown or illegal
/// extension.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NegotiationError {
    /// An extension other than permessage-deflate.
    UnknownExtension(String),
    /// permessage-deflate, more than once.
    Twice,
    /// A parameter that permessage-deflate does not have, that is repeated, or that has an illegal
    /// value.
    BadParameter(String),
}

// === impl Negotiated ===

impl Negotiated {
    /// No extension.
    pub const NONE: Self = Self { deflate: None };

    /// Parses the values of all `Sec-WebSocket-Extensions` lines of the handshake response (RFC
    /// 6455, 9.1; RFC 7692, 7.1). It does not check that the client offered them.
    ///
    /// # Errors
    ///
    /// Rejects an extension or parameter that is unknown or not legal in a response: the meaning of
    /// bits in the frames would be unknown.
    pub fn from_header<'v>(
        lines: impl IntoIterator<Item = &'v [u8]>,
    ) -> Result<Self, NegotiationError> {
        let mut negotiated = Self::NONE;
        for extension in lines.into_iter().flat_map(|line| line.split(is(b','))) {
            let mut parts = extension.split(is(b';')).map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            if name.is_empty() && parts.next().is_none() {
                continue;
            }
            if !name.eq_ignore_ascii_case(b"permessage-deflate") {
                return Err(NegotiationError::UnknownExtension(escaped(name)));
            }
            if negotiated.deflate.is_some() {
                return Err(NegotiationError::Twice);
            }
            negotiated.deflate = Some(Deflate::from_parameters(parts)?);
        }
        Ok(negotiated)
    }

    /// The parameters of permessage-deflate, if it was granted.
    pub const fn deflate(self) -> Option<Deflate> {
        self.deflate
    }

    /// Returns `true` if messages may be compressed.
    pub(crate) const fn compresses(self) -> bool {
        self.deflate.is_some()
    }

    /// Returns `true` if messages of `role` may refer back to earlier ones.
    pub(crate) fn refers_back(self, role: Role) -> bool {
        self.deflate.is_some_and(|deflate| match role {
            Role::Client => !deflate.client_no_context_takeover,
            Role::Server => !deflate.server_no_context_takeover,
        })
    }
}

// === impl Deflate ===

impl Deflate {
    fn from_parameters<'v>(
        parameters: impl Iterator<Item = &'v [u8]>,
    ) -> Result<Self, NegotiationError> {
        let (mut server_takes_over, mut client_takes_over) = (None, None);
        let (mut server_bits, mut client_bits) = (None, None);
        for parameter in parameters {
            let bad = || NegotiationError::BadParameter(escaped(parameter));
            let mut halves = parameter.splitn(2, is(b'=')).map(<[u8]>::trim_ascii);
            let name = halves.next().unwrap_or_default().to_ascii_lowercase();
            let (slot, value) = match (&*name, halves.next()) {
                (b"server_no_context_takeover", None) => (&mut server_takes_over, 0),
                (b"client_no_context_takeover", None) => (&mut client_takes_over, 0),
                (b"server_max_window_bits", Some(bits)) => {
                    (&mut server_bits, window_bits(bits).ok_or_else(bad)?)
                }
                (b"client_max_window_bits", Some(bits)) => {
                    (&mut client_bits, window_bits(bits).ok_or_else(bad)?)
                }
                _ => return Err(bad()),
            };
            if slot.replace(value).is_some() {
                return Err(bad());
            }
        }
        Ok(Self {
            server_no_context_takeover: server_takes_over.is_some(),
            client_no_context_takeover: client_takes_over.is_some(),
            server_max_window_bits: server_bits.unwrap_or(15),
            client_max_window_bits: client_bits.unwrap_or(15),
        })
    }
}

/// Parses 8 to 15, without leading zeros, quoted or not (RFC 7692, 7.1.2).
fn window_bits(value: &[u8]) -> Option<u8> {
    let bare = value
        .strip_prefix(b"\"")
        .map_or(Some(value), |rest| rest.strip_suffix(b"\""))?;
    match bare {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

const fn is(byte: u8) -> impl Fn(&u8) -> bool {
    move |other| *other == byte
}

fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

// === impl NegotiationError ===

impl fmt::Display for NegotiationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownExtension(name) => write!(f, "unknown extension `{name}`"),
            Self::Twice => f.write_str("permessage-deflate is granted more than once"),
            Self::BadParameter(parameter) => {
                write!(f, "illegal parameter `{parameter}` of permessage-deflate")
            }
        }
    }
}

impl error::Error for NegotiationError {}
