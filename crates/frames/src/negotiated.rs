//! What the handshake agreed on.

use std::{error, fmt};

use crate::Role;

/// The extensions of a socket, as the server's answer grants them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Negotiated {
    deflate: Option<Deflate>,
}

/// The terms of permessage-deflate (RFC 7692, 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "all that RFC 7692 defines")]
pub struct Deflate {
    /// The server's messages do not refer back to those before.
    pub server_no_context_takeover: bool,
    /// The client's messages do not.
    pub client_no_context_takeover: bool,
    /// How far back the server's messages may refer: so many bits, 8 to 15.
    pub server_max_window_bits: u8,
    /// How far back the client's may.
    pub client_max_window_bits: u8,
}

/// A `Sec-WebSocket-Extensions` of an answer that grants what is not known or not legal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NegotiationError {
    /// An extension other than permessage-deflate.
    UnknownExtension(String),
    /// permessage-deflate, more than once.
    Twice,
    /// A parameter that permessage-deflate does not have, has already, or has with another value.
    BadParameter(String),
}

// === impl Negotiated ===

impl Negotiated {
    /// No extension.
    pub const NONE: Self = Self { deflate: None };

    /// Reads the values of all `Sec-WebSocket-Extensions` lines of the answer that opened the
    /// socket (RFC 6455, 9.1; RFC 7692, 7.1). Whether the client offered them is not asked here.
    ///
    /// # Errors
    ///
    /// Where an extension or a parameter is not known or not legal in an answer: bits of its frames
    /// would have a meaning that nobody here knows.
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

    /// The terms of permessage-deflate, where it was granted.
    pub const fn deflate(self) -> Option<Deflate> {
        self.deflate
    }

    /// Messages of this side may be compressed.
    pub(crate) const fn compresses(self) -> bool {
        self.deflate.is_some()
    }

    /// Messages of this side may refer back to those before.
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
            let (place, value) = match (&*name, halves.next()) {
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
            if place.replace(value).is_some() {
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

/// 8 to 15, without leading zeros, quoted or not (RFC 7692, 7.1.2).
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
            Self::UnknownExtension(name) => write!(f, "the extension \"{name}\" is not known"),
            Self::Twice => f.write_str("permessage-deflate is granted twice"),
            Self::BadParameter(parameter) => {
                write!(
                    f,
                    "\"{parameter}\" is not a legal parameter of permessage-deflate"
                )
            }
        }
    }
}

impl error::Error for NegotiationError {}
