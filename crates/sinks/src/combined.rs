//! The combined log format of Apache and nginx.

use std::{
    fmt::{self, Write as _},
    io::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use gabion_core::{AccessRecord, Escaped, Redacted, WebSocketPhase};
use http::Version;

use crate::{Pseudonyms, pseudonym::client_network};

/// Formats requests in the combined log format, which every log analyzer reads.
///
/// ```text
/// 203.0.113.9 - - [01/Dec/2026:02:43:27 +0000] "GET /a?b=*** HTTP/1.1" 200 512 "-" "curl/8.5"
/// ```
///
/// Times are in UTC. Quotes, backslashes, control characters and bytes outside of ASCII are written as `\xNN`, as in
/// nginx, so that one request is one line. Redacted values are `***`. A WebSocket has one line, when it opens: the
/// format has no field for the other.
#[derive(Clone, Debug, Default)]
pub struct Combined {
    pseudonyms: Option<Pseudonyms>,
}

/// Replaces the mark of redacted values, which is not ASCII.
struct Ascii<'o>(&'o mut Vec<u8>);

/// A time as `01/Dec/2026:02:43:27 +0000`.
struct LogTime(SystemTime);

// === impl Combined ===

impl Combined {
    /// Creates a format that redacts secrets and shows addresses.
    pub const fn new() -> Self {
        Self { pseudonyms: None }
    }

    /// Replaces addresses of clients by pseudonyms.
    pub fn with_pseudonyms(mut self, pseudonyms: Pseudonyms) -> Self {
        self.pseudonyms = Some(pseudonyms);
        self
    }

    /// Appends the line of a request, if it has one.
    pub fn write_access(&self, request: &AccessRecord<'_>, out: &mut Vec<u8>) {
        if request.websocket == Some(WebSocketPhase::Close) {
            return;
        }
        // Writing to a vector does not fail.
        let _ = self.try_write(request, out);
    }

    fn try_write(&self, request: &AccessRecord<'_>, out: &mut Vec<u8>) -> std::io::Result<()> {
        let client = request.client.as_ref();
        let addr = client.map(gabion_core::ClientIp::addr).or(request.peer);
        match (&self.pseudonyms, addr) {
            (_, None) => out.push(b'-'),
            (None, Some(addr)) => write!(out, "{addr}")?,
            (Some(pseudonyms), Some(addr)) => {
                let network =
                    client.map_or_else(|| client_network(addr), gabion_core::ClientIp::network);
                write!(out, "{}", pseudonyms.of(network))?;
            }
        }
        write!(out, " - - [{}] \"", LogTime(request.at))?;
        write!(out, "{} ", Escaped(request.method.as_str().as_bytes()))?;
        ascii(out, Redacted(request.target));
        let version = match request.version {
            Version::HTTP_10 => "1.0",
            Version::HTTP_2 => "2.0",
            Version::HTTP_3 => "3.0",
            _ => "1.1",
        };
        let status = request.status.as_u16();
        write!(out, " HTTP/{version}\" {status} {} \"", request.bytes)?;
        let (referer, agent) = (request.referer, request.user_agent);
        if referer.is_empty() {
            out.push(b'-');
        }
        ascii(out, Redacted(referer));
        out.extend_from_slice(b"\" \"");
        if agent.is_empty() {
            out.push(b'-');
        }
        writeln!(out, "{}\"", Escaped(agent))
    }
}

fn ascii(out: &mut Vec<u8>, text: impl fmt::Display) {
    // Writing to a vector does not fail.
    let _ = write!(Ascii(out), "{text}");
}

// === impl Ascii ===

impl fmt::Write for Ascii<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.is_ascii() {
            self.0.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        text.chars()
            .try_for_each(|character| self.write_char(character))
    }

    fn write_char(&mut self, character: char) -> fmt::Result {
        match u8::try_from(character) {
            Ok(byte) if byte.is_ascii() => self.0.push(byte),
            _ => self.0.extend_from_slice(b"***"),
        }
        Ok(())
    }
}

// === impl LogTime ===

impl fmt::Display for LogTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let at = UNIX_EPOCH + Duration::from_secs(since.as_secs());
        // `2026-12-01T02:43:27Z`
        let date = humantime::format_rfc3339_seconds(at).to_string();
        let part = |range| date.get(range).unwrap_or_default();
        let month = part(5..7).parse::<usize>().unwrap_or(1);
        let month = MONTHS.get(month.saturating_sub(1)).unwrap_or(&"Jan");
        write!(
            f,
            "{}/{month}/{}:{} +0000",
            part(8..10),
            part(0..4),
            part(11..19)
        )
    }
}

#[cfg(test)]
mod tests {
    use http::{Method, StatusCode};

    use super::*;

    #[test]
    fn one_request_is_one_line_of_ascii() {
        let at = UNIX_EPOCH + Duration::from_secs(1_796_093_007);
        let method = Method::GET;
        let target = b"/a\"\x1b[2J\xc3\xa9\n?token=5ecret";
        let mut request = AccessRecord::new(at, &method, target, StatusCode::OK);
        request.peer = Some([203, 0, 113, 9].into());
        request.referer = b"https://me:pa55@a.example/?q=5ecret";
        request.user_agent = b"x\" 200 \"\r\ny";
        request.bytes = 12;
        let mut out = Vec::new();
        Combined::new().write_access(&request, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "203.0.113.9 - - [01/Dec/2026:02:43:27 +0000] \"GET /a\\x22\\x1b[2J\\xc3\\xa9\\x0a?token=*** \
             HTTP/1.1\" 200 12 \"https://***@a.example/?q=***\" \"x\\x22 200 \\x22\\x0d\\x0ay\"\n"
        );
    }
}
