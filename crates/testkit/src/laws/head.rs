//! Parsing and formatting of request heads, as hyper does on HTTP/1.

use gabion_core::Framing;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Version,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use httparse::{EMPTY_HEADER, Header, Status};

use crate::OwnedHead;

/// The maximum number of header lines that hyper reads.
const MAX_HEADERS: usize = 100;

/// Parses a head as hyper 1.12 does on HTTP/1 (`proto/h1/role.rs`): the bytes, then the types of `http`,
/// then the framing. Returns `None` for an incomplete head and for one that hyper rejects.
pub fn read(bytes: &[u8]) -> Option<Request<()>> {
    let mut room = [EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut room);
    let Ok(Status::Complete(_)) = head.parse(bytes) else {
        return None;
    };
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(head.method?.as_bytes()).ok()?;
    *request.uri_mut() = head.path?.parse().ok()?;
    *request.version_mut() = match head.version? {
        1 => Version::HTTP_11,
        _ => Version::HTTP_10,
    };
    *request.headers_mut() = headers(head.headers)?;
    frame(&mut request)?;
    Some(request)
}

/// Parses header lines without a request line.
pub(super) fn read_headers(lines: &[u8]) -> Option<HeaderMap> {
    let mut room = [EMPTY_HEADER; MAX_HEADERS];
    match httparse::parse_headers(lines, &mut room) {
        Ok(Status::Complete((_, found))) => headers(found),
        _ => None,
    }
}

/// Formats a head as hyper sends it to an upstream server.
pub(super) fn write(request: &Request<()>) -> Vec<u8> {
    let (method, uri) = (request.method(), request.uri());
    let mut bytes = format!("{method} {uri} {:?}\r\n", request.version()).into_bytes();
    for (name, value) in request.headers() {
        let line = [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"];
        bytes.extend(line.concat());
    }
    bytes.extend(b"\r\n");
    bytes
}

/// Parses a head into an [`OwnedHead`] for inspectors.
pub(super) fn owned(bytes: &[u8]) -> Option<OwnedHead> {
    read(bytes).map(OwnedHead::from_request)
}

fn headers(lines: &[Header<'_>]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_bytes(line.value).ok()?);
    }
    Some(headers)
}

/// Normalizes the framing as hyper does: keeps one of several equal `Content-Length` lines, and removes
/// `Content-Length` next to `Transfer-Encoding`, which it records as [`Framing::Both`] like guard's accept
/// loop. Returns `None` if hyper cannot determine the length of the body.
fn frame(request: &mut Request<()>) -> Option<()> {
    let is_http_10 = request.version() == Version::HTTP_10;
    let headers = request.headers_mut();
    let last = headers.get_all(TRANSFER_ENCODING).iter().next_back();
    if let Some(last) = last {
        let coding = last.to_str().ok()?.rsplit(',').next()?.trim();
        let is_read = !is_http_10 && coding.eq_ignore_ascii_case("chunked");
        if headers.remove(CONTENT_LENGTH).is_some() {
            request.extensions_mut().insert(Framing::Both);
        }
        return is_read.then_some(());
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next().cloned() else {
        return Some(());
    };
    let length = digits(&first)?;
    let agree = lengths.all(|other| digits(other) == Some(length));
    headers.insert(CONTENT_LENGTH, first);
    agree.then_some(())
}

fn digits(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    let all = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| all)
}
