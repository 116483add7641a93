//! One HTTP/1.1 request and the head of its response, read byte by byte: a response that is not
//! HTTP is a result too.

use std::{fmt::Write as _, io, time::Duration};

use http::{HeaderName, HeaderValue};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::{Diagnosis, DoctorArgs, connector::Transport, report::excerpt, target::Origin};

/// The timeout for sending the request, and again for the head of the response.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The timeout for the start of the body.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest head that is read, in bytes.
const MAX_HEAD: usize = 32 << 10;
/// The most that is read of a body, in bytes.
const MAX_BODY: usize = 2 << 10;

/// A response with the start of its body.
#[derive(Debug)]
pub(super) struct HttpResponse {
    pub(super) status: u16,
    headers: Vec<(String, Vec<u8>)>,
    /// The start of the body; after a 101, the bytes that came with the head.
    pub(super) body: Vec<u8>,
}

/// The reason for a missing response.
#[derive(Debug)]
pub(super) enum ResponseError {
    /// The connection failed.
    Broken(io::Error),
    /// The server closed the connection without a response.
    Closed,
    /// The server sent HTTP/2 frames.
    Http2,
    /// The server sent bytes of another protocol.
    Other(Vec<u8>),
    /// The server sent nothing within the timeout.
    Silent,
    /// The server sent a TLS record.
    Tls,
}

/// A request header from the command line.
#[derive(Clone, Debug)]
pub(crate) struct Header(HeaderName, HeaderValue);

/// Returns a plain GET request.
pub(super) fn plain_get(args: &DoctorArgs) -> String {
    request(args, "Connection: close\r\n")
}

/// Returns a WebSocket handshake (RFC 6455, 4.1).
pub(super) fn handshake(args: &DoctorArgs, key: &str, origin: Option<&Origin>) -> String {
    let mut lines = format!(
        "Connection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
    );
    if let Some(origin) = origin {
        // Writing to a string cannot fail.
        let _ = write!(lines, "Origin: {origin}\r\n");
    }
    request(args, &lines)
}

fn request(args: &DoctorArgs, lines: &str) -> String {
    let (path, host) = (args.url.path(), args.url.authority());
    let agent = concat!("gabion-guard-doctor/", env!("CARGO_PKG_VERSION"));
    let mut head = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nAccept: */*\r\n{lines}"
    );
    for Header(name, value) in &args.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head + "\r\n"
}

/// Sends a request and reads the response.
pub(super) async fn send(
    stream: &mut (impl Transport + ?Sized),
    request: &str,
) -> Result<HttpResponse, ResponseError> {
    let sending = async {
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await
    };
    if let Err(error) = timeout(HEAD_TIMEOUT, sending)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    {
        return Err(ResponseError::Broken(error));
    }
    let mut received = Vec::new();
    let response = timeout(HEAD_TIMEOUT, read_head(stream, &mut received)).await;
    let Ok(response) = response else {
        return Err(if received.is_empty() {
            ResponseError::Silent
        } else {
            ResponseError::from_bytes(received)
        });
    };
    let mut response = response?;
    if response.status != 101 {
        // After the timeout, the part that has arrived is enough.
        let _ = timeout(BODY_TIMEOUT, response.read_body(stream)).await;
    }
    Ok(response)
}

async fn read_head(
    stream: &mut (impl Transport + ?Sized),
    received: &mut Vec<u8>,
) -> Result<HttpResponse, ResponseError> {
    while received.len() < MAX_HEAD {
        match stream.read_buf(received).await {
            Ok(0) if received.is_empty() => return Err(ResponseError::Closed),
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if received.is_empty() => return Err(ResponseError::Broken(error)),
            Err(_) => break,
        }
        let mut headers = [httparse::EMPTY_HEADER; 100];
        let mut head = httparse::Response::new(&mut headers);
        match head.parse(received) {
            Ok(httparse::Status::Complete(length)) => {
                let headers = head.headers.iter();
                return Ok(HttpResponse {
                    status: head.code.unwrap_or_default(),
                    headers: headers
                        .map(|header| (header.name.to_ascii_lowercase(), header.value.into()))
                        .collect(),
                    body: received.split_off(length),
                });
            }
            Ok(httparse::Status::Partial) => {}
            Err(_) => break,
        }
    }
    Err(ResponseError::from_bytes(std::mem::take(received)))
}

// === impl HttpResponse ===

impl HttpResponse {
    /// Returns the first header of this name, without the white space around it.
    pub(super) fn header(&self, name: &str) -> Option<&[u8]> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(other, _)| other == name)?;
        Some(value.trim_ascii())
    }

    /// Returns `true` if a header of this name lists `token`.
    pub(super) fn lists(&self, name: &str, token: &str) -> bool {
        let lines = self.headers.iter().filter(|(other, _)| other == name);
        lines
            .flat_map(|(_, value)| value.split(|&byte| byte == b','))
            .any(|listed| listed.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Returns `true` if the body is HTML.
    pub(super) fn is_html(&self) -> bool {
        let media_type = self.header("content-type").unwrap_or_default();
        media_type.to_ascii_lowercase().starts_with(b"text/html")
    }

    /// Describes the status and the text of the body.
    pub(super) fn describe(&self) -> String {
        let status = self.status;
        let reason = http::StatusCode::from_u16(status).ok();
        let reason = reason
            .and_then(|status| status.canonical_reason())
            .unwrap_or("unknown status");
        match self.visible_text() {
            [] => format!("{status} {reason}"),
            text => format!("{status} {reason} ({})", excerpt(text)),
        }
    }

    /// Returns the diagnosis in the denial of a guard, which has a line of its own in the body.
    pub(super) fn guard_diagnosis(&self) -> Option<Diagnosis> {
        let body = str::from_utf8(&self.body)
            .ok()
            .filter(|_| self.status >= 400)?;
        let mut lines = body.lines();
        let reason = http::StatusCode::from_u16(self.status)
            .ok()?
            .canonical_reason();
        lines.next().filter(|first| Some(*first) == reason)?;
        let on_line = |line| {
            Diagnosis::ALL
                .into_iter()
                .find(|each| each.to_string() == line)
        };
        let mut found = lines.filter_map(|line| {
            let denied = line.starts_with("event ").then_some(Diagnosis::Denied);
            on_line(line).or(denied)
        });
        found.next()
    }

    /// Returns the title of an HTML body, otherwise the whole body.
    fn visible_text(&self) -> &[u8] {
        let find = |bytes: &[u8], tag: &[u8]| {
            bytes
                .windows(tag.len())
                .position(|window| window.eq_ignore_ascii_case(tag))
        };
        let title = || {
            let start = find(&self.body, b"<title>")? + 7;
            let (_, title) = self.body.split_at_checked(start)?;
            title.get(..find(title, b"</title>")?)
        };
        match title() {
            Some(title) if self.is_html() => title.trim_ascii(),
            _ => self.body.trim_ascii(),
        }
    }

    async fn read_body(&mut self, stream: &mut (impl Transport + ?Sized)) {
        let declared = self
            .header("content-length")
            .and_then(|length| str::from_utf8(length).ok()?.parse().ok());
        let wanted = declared.map_or(MAX_BODY, |length: usize| length.min(MAX_BODY));
        while self.body.len() < wanted {
            match stream.read_buf(&mut self.body).await {
                Ok(1..) => {}
                _ => break,
            }
        }
        if self.lists("transfer-encoding", "chunked") {
            // The first chunk is enough for an excerpt.
            if let Some(end) = self.body.iter().position(|&byte| byte == b'\n') {
                self.body.drain(..=end);
            }
            if let Some(end) = self.body.windows(2).position(|pair| pair == b"\r\n") {
                self.body.truncate(end);
            }
        }
        self.body.truncate(MAX_BODY);
    }
}

// === impl ResponseError ===

impl ResponseError {
    /// Recognizes the protocol of bytes that are not an HTTP/1 response.
    fn from_bytes(bytes: Vec<u8>) -> Self {
        match *bytes {
            // An alert or a handshake record (RFC 8446, 5.1).
            [0x15 | 0x16, 3, ..] => Self::Tls,
            // SETTINGS on stream 0, the first frame of every HTTP/2 server (RFC 9113, 6.5).
            [_, _, _, 4, 0, 0, 0, 0, 0, ..] => Self::Http2,
            _ => Self::Other(bytes),
        }
    }

    /// Describes the error in a sentence.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Broken(error) => format!("the connection broke: {error}"),
            Self::Closed => {
                "the server accepted the connection and closed it without a response".to_owned()
            }
            Self::Http2 => "the server accepts only HTTP/2; a WebSocket needs HTTP/1.1".to_owned(),
            Self::Other(bytes) => format!(
                "the response is not valid HTTP; it begins with {}",
                excerpt(bytes)
            ),
            Self::Silent => format!(
                "the server accepted the connection and sent nothing for {} s",
                HEAD_TIMEOUT.as_secs()
            ),
            Self::Tls => "the server responds with TLS".to_owned(),
        }
    }
}

// === impl Header ===

impl Header {
    /// Returns `true` if the header has this name and lists `token`.
    pub(super) fn lists(&self, name: &str, token: &[u8]) -> bool {
        let mut listed = self.1.as_bytes().split(|&byte| byte == b',');
        self.0 == *name && listed.any(|listed| listed.trim_ascii() == token)
    }
}

impl std::str::FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("invalid header `{text}`: write `NAME: VALUE`");
        let (name, value) = text.split_once(':').ok_or_else(invalid)?;
        let name = name.trim().parse().map_err(|_| invalid())?;
        let value = value.trim().parse().map_err(|_| invalid())?;
        Ok(Self(name, value))
    }
}
