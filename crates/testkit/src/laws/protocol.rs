//! Laws of the protocol rules for request heads.

use gabion_core::{ClientRules, Framing, Inspect as _, Mode, RequestState, Verdict};
use gabion_inspect::ProtocolRules;
use http::{
    HeaderValue, Method, Request, Version,
    header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
};

use super::head;
use crate::OwnedHead;

/// Checks that judging any head that hyper accepts does not panic, and that a head that passes
/// 1. has at most one framing: one `Content-Length` of digits, or one `Transfer-Encoding` with the value
///    `chunked` (RFC 9112, 6);
/// 2. has one `Host`, which is optional in HTTP/1.0 (RFC 9112, 3.2);
/// 3. has a path that begins with `/`, or is the `*` of OPTIONS;
/// 4. passes again as an upstream server reads it, after formatting and parsing.
///
/// # Panics
///
/// Panics if a law is broken.
pub fn protocol_heads(bytes: &[u8]) {
    let Some(request) = head::read(bytes) else {
        return;
    };
    if judge(&request) != Verdict::Pass {
        return;
    }
    is_one_message(&request);
    let written = head::write(&request);
    let again = head::read(&written).map(|request| judge(&request));
    assert_eq!(again, Some(Verdict::Pass), "4: {}", written.escape_ascii());
}

fn judge(request: &Request<()>) -> Verdict {
    let head = OwnedHead::from_request(request.clone());
    let facts = head.facts(&ClientRules::default());
    ProtocolRules::new(Mode::Enforce).inspect(&facts, &mut RequestState::new(&facts))
}

fn is_one_message(request: &Request<()>) {
    let lines = |name| request.headers().get_all(name).iter();
    let framings = lines(CONTENT_LENGTH).count() + lines(TRANSFER_ENCODING).count();
    let both = request.extensions().get() == Some(&Framing::Both);
    assert!(framings <= 1 && !both, "1: {framings} framings");
    let chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    let digits = |length: &HeaderValue| length.as_bytes().iter().all(u8::is_ascii_digit);
    assert!(lines(TRANSFER_ENCODING).all(chunked), "1: not chunked");
    assert!(lines(CONTENT_LENGTH).all(digits), "1: not digits");

    let hosts = lines(HOST).count();
    let least = usize::from(request.version() == Version::HTTP_11);
    assert!((least..=1).contains(&hosts), "2: {hosts} hosts");

    let path = request.uri().path();
    let is_asterisk_form = path == "*" && request.method() == Method::OPTIONS;
    assert!(path.starts_with('/') || is_asterisk_form, "3: {path:?}");
}
