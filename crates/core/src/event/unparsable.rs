//! Events about bytes that are not HTTP.

use std::{fmt, net::IpAddr, time::SystemTime};

use http::StatusCode;

use crate::Redacted;

/// A connection that the HTTP parser of an accept loop ended, because the next bytes are not a request.
///
/// No layer sees such a request, and its client is unknown if the peer is a proxy: the header that names
/// it was not parsed. It is not an [`Offense`](crate::Offense): a link on any page can contain such bytes
/// once a proxy decodes it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UnparsableEvent {
    /// The wall-clock time.
    pub at: SystemTime,
    /// The remote address of the socket.
    pub peer: IpAddr,
    /// The part of the request that the parser rejected.
    pub part: UnparsablePart,
    /// The first line of the request, at most [`UnparsableEvent::MAX_LINE`] bytes. Print it with
    /// [`Redacted`]. Empty for HTTP/2, and for a request that arrived together with one before and one
    /// after it.
    pub line: Box<[u8]>,
}

/// The part of a request that an HTTP parser rejected. Its rule cannot be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnparsablePart {
    /// The method is not a token (RFC 9110, 5.6.2).
    Method,
    /// The target contains bytes that are not valid in one, or is not a URI.
    Target,
    /// The target is longer than the parser accepts.
    LongTarget,
    /// The version is not HTTP/1.0 or HTTP/1.1.
    Version,
    /// An HTTP/2 preface on a port that accepts HTTP/1 only.
    Preface,
    /// A header line is malformed, or a line end is.
    Header,
    /// The head is larger, or has more fields, or announces a longer body, than the parser accepts.
    Size,
    /// `Content-Length` is not one number (RFC 9112, 6.3).
    Length,
    /// `Transfer-Encoding` on HTTP/1.0, or one that does not end in `chunked` (RFC 9112, 6.3).
    Coding,
    /// HTTP/2 frames that violate the protocol (RFC 9113, 5.4.1).
    Frames,
    /// The header of the PROXY protocol, which trusted proxies must send and others must not.
    ProxyHeader,
    /// A part that this version of the library does not know.
    Other,
}

// === impl UnparsableEvent ===

impl UnparsableEvent {
    /// The maximum number of bytes of the first line that are kept.
    pub const MAX_LINE: usize = 256;

    /// Creates an event about bytes from `peer` that begin with `line`.
    pub fn new(at: SystemTime, peer: IpAddr, part: UnparsablePart, line: &[u8]) -> Self {
        let end = line.len().min(Self::MAX_LINE);
        let line = line.get(..end).unwrap_or_default().into();
        Self {
            at,
            peer,
            part,
            line,
        }
    }
}

impl fmt::Display for UnparsableEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} refused (", self.peer)?;
        match self.part.status() {
            Some(status) => write!(f, "{}", status.as_u16()),
            None => f.write_str("closed"),
        }?;
        write!(f, "): rule {}: {}", self.part.id(), self.part)?;
        if self.line.is_empty() {
            return Ok(());
        }
        write!(f, ": `{}`", Redacted(&self.line))
    }
}

// === impl UnparsablePart ===

impl UnparsablePart {
    /// All parts, in the order of the guide.
    pub const ALL: [Self; 12] = [
        Self::Method,
        Self::Target,
        Self::LongTarget,
        Self::Version,
        Self::Preface,
        Self::Header,
        Self::Size,
        Self::Length,
        Self::Coding,
        Self::Frames,
        Self::ProxyHeader,
        Self::Other,
    ];

    /// The id of its rule, as in events.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Method => "unparsable/method",
            Self::Target => "unparsable/target",
            Self::LongTarget => "unparsable/long-target",
            Self::Version => "unparsable/version",
            Self::Preface => "unparsable/preface",
            Self::Header => "unparsable/header",
            Self::Size => "unparsable/size",
            Self::Length => "unparsable/length",
            Self::Coding => "unparsable/coding",
            Self::Frames => "unparsable/frames",
            Self::ProxyHeader => "unparsable/proxy-header",
            Self::Other => "unparsable/other",
        }
    }

    /// The status of the response, which has no body; `None` if the connection is closed without one.
    pub const fn status(self) -> Option<StatusCode> {
        match self {
            Self::Preface | Self::Frames | Self::ProxyHeader | Self::Other => None,
            Self::LongTarget => Some(StatusCode::URI_TOO_LONG),
            Self::Size => Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
            _ => Some(StatusCode::BAD_REQUEST),
        }
    }
}

impl fmt::Display for UnparsablePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "invalid method",
            Self::Target => "invalid target",
            Self::LongTarget => "target too long",
            Self::Version => "invalid version",
            Self::Preface => "HTTP/2 on a port that accepts HTTP/1 only",
            Self::Header => "invalid header or line end",
            Self::Size => "head, number of headers or body length too large",
            Self::Length => "invalid or contradictory Content-Length",
            Self::Coding => "invalid Transfer-Encoding",
            Self::Frames => "invalid HTTP/2 frames",
            Self::ProxyHeader => {
                "missing or invalid PROXY header, which each trusted proxy must send; or one that is sent by \
                 another peer"
            }
            Self::Other => "invalid request",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::RuleId;

    #[test]
    fn line_is_bounded_and_escaped() {
        let long = [b"GET /\x1b[2J\"\r\nbanned `".as_slice(), &[b'x'; 300]].concat();
        let peer = [203, 0, 113, 9].into();
        let event = UnparsableEvent::new(UNIX_EPOCH, peer, UnparsablePart::Target, &long);
        assert_eq!(event.line.len(), UnparsableEvent::MAX_LINE);
        let text = event.to_string();
        let expected = "203.0.113.9 refused (400): rule unparsable/target: invalid target: \
                        `GET /\\x1b[2J\\x22\\x0d\\x0abanned \\x60xxx";
        assert!(text.starts_with(expected), "{text}");

        let event = UnparsableEvent::new(UNIX_EPOCH, peer, UnparsablePart::Frames, b"");
        let expected =
            "203.0.113.9 refused (closed): rule unparsable/frames: invalid HTTP/2 frames";
        assert_eq!(event.to_string(), expected);
    }

    #[test]
    fn rules_are_valid_ids_that_differ() {
        let mut rules = UnparsablePart::ALL.map(UnparsablePart::id);
        for rule in rules {
            assert!(RuleId::new(rule).is_ok(), "{rule}");
        }
        rules.sort_unstable();
        assert!(rules.windows(2).all(|pair| pair[0] != pair[1]), "{rules:?}");
    }
}
