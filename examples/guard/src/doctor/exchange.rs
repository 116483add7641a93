//! One request and the head of its answer, byte by byte: what is no HTTP is worth seeing too.

use std::{fmt::Write as _, io, time::Duration};

use http::{HeaderName, HeaderValue};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::{Diagnosis, Doctor, door::Stream, report::excerpt, target::Origin};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// How long its body is waited for.
const BODY: Duration = Duration::from_secs(1);
/// The longest head that is read.
const MAX_HEAD: usize = 32 << 10;
/// How much of a body is read.
const MAX_BODY: usize = 2 << 10;

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, Vec<u8>)>,
    /// The beginning of the body; after a 101, what came with its head.
    pub(super) rest: Vec<u8>,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// The connection failed.
    Broken(io::Error),
    /// The server closed it without a word.
    Closed,
    /// It spoke HTTP/2 without being asked to.
    Http2,
    /// It said something else.
    Other(Vec<u8>),
    /// It said nothing, or did not finish.
    Silent,
    /// It spoke TLS.
    Tls,
}

/// A header that the user adds.
#[derive(Clone, Debug)]
pub(crate) struct Header(HeaderName, HeaderValue);

/// A plain GET.
pub(super) fn page(asked: &Doctor) -> String {
    head(asked, "Connection: close\r\n")
}

/// A WebSocket's handshake (RFC 6455, 4.1).
pub(super) fn handshake(asked: &Doctor, key: &str, origin: Option<&Origin>) -> String {
    let mut lines = format!(
        "Connection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
    );
    if let Some(origin) = origin {
        // Writing to a string cannot fail.
        let _ = write!(lines, "Origin: {origin}\r\n");
    }
    head(asked, &lines)
}

fn head(asked: &Doctor, lines: &str) -> String {
    let (path, host) = (asked.url.path(), asked.url.authority());
    let agent = concat!("gabion-guard-doctor/", env!("CARGO_PKG_VERSION"));
    let mut head = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nAccept: */*\r\n{lines}"
    );
    for Header(name, value) in &asked.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head + "\r\n"
}

/// Sends a request and reads what comes of it.
pub(super) async fn ask(
    stream: &mut (impl Stream + ?Sized),
    request: &str,
) -> Result<Answer, NoAnswer> {
    let asking = async {
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await
    };
    if let Err(error) = timeout(ANSWER, asking)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    {
        return Err(NoAnswer::Broken(error));
    }
    let mut read = Vec::new();
    let answer = timeout(ANSWER, read_head(stream, &mut read)).await;
    let Ok(answer) = answer else {
        return Err(if read.is_empty() {
            NoAnswer::Silent
        } else {
            NoAnswer::of(read)
        });
    };
    let mut answer = answer?;
    if answer.status != 101 {
        // What has come by then is enough of it.
        let _ = timeout(BODY, answer.read_body(stream)).await;
    }
    Ok(answer)
}

async fn read_head(
    stream: &mut (impl Stream + ?Sized),
    read: &mut Vec<u8>,
) -> Result<Answer, NoAnswer> {
    while read.len() < MAX_HEAD {
        match stream.read_buf(read).await {
            Ok(0) if read.is_empty() => return Err(NoAnswer::Closed),
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if read.is_empty() => return Err(NoAnswer::Broken(error)),
            Err(_) => break,
        }
        let mut headers = [httparse::EMPTY_HEADER; 100];
        let mut head = httparse::Response::new(&mut headers);
        match head.parse(read) {
            Ok(httparse::Status::Complete(length)) => {
                let headers = head.headers.iter();
                return Ok(Answer {
                    status: head.code.unwrap_or_default(),
                    headers: headers
                        .map(|header| (header.name.to_ascii_lowercase(), header.value.into()))
                        .collect(),
                    rest: read.split_off(length),
                });
            }
            Ok(httparse::Status::Partial) => {}
            Err(_) => break,
        }
    }
    Err(NoAnswer::of(std::mem::take(read)))
}

// === impl Answer ===

impl Answer {
    /// The first header of this name, without the white space around it.
    pub(super) fn header(&self, name: &str) -> Option<&[u8]> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(named, _)| named == name)?;
        Some(value.trim_ascii())
    }

    /// Whether a header of this name lists `token`.
    pub(super) fn lists(&self, name: &str, token: &str) -> bool {
        let lines = self.headers.iter().filter(|(named, _)| named == name);
        lines
            .flat_map(|(_, value)| value.split(|&byte| byte == b','))
            .any(|listed| listed.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Whether the body is a page.
    pub(super) fn is_html(&self) -> bool {
        let kind = self.header("content-type").unwrap_or_default();
        kind.to_ascii_lowercase().starts_with(b"text/html")
    }

    /// The status, and what the server says with it.
    pub(super) fn shown(&self) -> String {
        let status = self.status;
        let phrase = http::StatusCode::from_u16(status).ok();
        let phrase = phrase
            .and_then(|status| status.canonical_reason())
            .unwrap_or("unknown status");
        match self.words() {
            [] => format!("{status} {phrase}"),
            words => format!("{status} {phrase}, saying {}", excerpt(words)),
        }
    }

    /// What a guard that refuses says is wrong, on a line of its own.
    pub(super) fn told(&self) -> Option<Diagnosis> {
        let said = str::from_utf8(&self.rest)
            .ok()
            .filter(|_| self.status >= 400)?;
        let mut lines = said.lines();
        let reason = http::StatusCode::from_u16(self.status)
            .ok()?
            .canonical_reason();
        lines.next().filter(|first| Some(*first) == reason)?;
        let named = |line| {
            Diagnosis::ALL
                .into_iter()
                .find(|each| each.to_string() == line)
        };
        let mut told = lines.filter_map(|line| {
            let denied = line.starts_with("event ").then_some(Diagnosis::Denied);
            named(line).or(denied)
        });
        told.next()
    }

    /// What a person would read of the body: the title of a page, else all of it.
    fn words(&self) -> &[u8] {
        let at = |from: &[u8], tag: &[u8]| {
            from.windows(tag.len())
                .position(|window| window.eq_ignore_ascii_case(tag))
        };
        let titled = || {
            let (_, title) = self
                .rest
                .split_at_checked(at(&self.rest, b"<title>")? + 7)?;
            title.get(..at(title, b"</title>")?)
        };
        match titled() {
            Some(title) if self.is_html() => title.trim_ascii(),
            _ => self.rest.trim_ascii(),
        }
    }

    async fn read_body(&mut self, stream: &mut (impl Stream + ?Sized)) {
        let declared = self
            .header("content-length")
            .and_then(|length| str::from_utf8(length).ok()?.parse().ok());
        let enough = declared.map_or(MAX_BODY, |length: usize| length.min(MAX_BODY));
        while self.rest.len() < enough {
            match stream.read_buf(&mut self.rest).await {
                Ok(1..) => {}
                _ => break,
            }
        }
        if self.lists("transfer-encoding", "chunked") {
            // The first chunk will do.
            if let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') {
                self.rest.drain(..=end);
            }
            if let Some(end) = self.rest.windows(2).position(|pair| pair == b"\r\n") {
                self.rest.truncate(end);
            }
        }
        self.rest.truncate(MAX_BODY);
    }
}

// === impl NoAnswer ===

impl NoAnswer {
    /// What bytes that are no HTTP/1 are.
    fn of(bytes: Vec<u8>) -> Self {
        match *bytes {
            // An alert or a handshake record (RFC 8446, 5.1).
            [0x15 | 0x16, 3, ..] => Self::Tls,
            // SETTINGS, with which every HTTP/2 server begins, on stream 0 (RFC 9113, 6.5).
            [_, _, _, 4, 0, 0, 0, 0, 0, ..] => Self::Http2,
            _ => Self::Other(bytes),
        }
    }

    /// What happened, for a person.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Broken(error) => format!("the connection broke: {error}"),
            Self::Closed => {
                "the server took the connection and closed it without a word".to_owned()
            }
            Self::Http2 => {
                "the server speaks HTTP/2 only; a WebSocket is opened with HTTP/1.1".to_owned()
            }
            Self::Other(bytes) => format!(
                "what answers is no valid HTTP; it begins with {}",
                excerpt(bytes)
            ),
            Self::Silent => format!(
                "the server took the connection and said nothing for {} s",
                ANSWER.as_secs()
            ),
            Self::Tls => "the server answers with TLS".to_owned(),
        }
    }
}

// === impl Header ===

impl Header {
    /// Whether it is a `name` that lists `token`.
    pub(super) fn lists(&self, name: &str, token: &[u8]) -> bool {
        let mut listed = self.1.as_bytes().split(|&byte| byte == b',');
        self.0 == *name && listed.any(|listed| listed.trim_ascii() == token)
    }
}

impl std::str::FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unlike = || format!("`{text}` is not NAME: VALUE");
        let (name, value) = text.split_once(':').ok_or_else(unlike)?;
        let name = name.trim().parse().map_err(|_| unlike())?;
        let value = value.trim().parse().map_err(|_| unlike())?;
        Ok(Self(name, value))
    }
}
