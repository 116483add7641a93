//! Laws of heads.

use gabion_core::{ClientRules, Inspect as _, Mode, Trace, Verdict};
use gabion_inspect::Sanity;
use http::{
    Method, Request, Version,
    header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
};

use super::head;
use crate::HeadOf;

/// Judging any head that hyper reads ends without a panic, and
/// 1. one that passes is framed in one way at most: by `Content-Length`, or by `Transfer-Encoding`
///    that ends in `chunked` (RFC 9112, 6.1);
/// 2. it has one `Host`, which HTTP/1.0 may leave out (RFC 9112, 3.2);
/// 3. its path begins with `/`, or is the `*` of OPTIONS;
/// 4. written again, as the server behind reads it, it is judged alike, passed or not.
///
/// # Panics
///
/// Where a law is broken.
pub fn sanity_heads(bytes: &[u8]) {
    let Some(request) = head::read(bytes) else {
        return;
    };
    let verdict = judge(&request);
    if verdict == Verdict::Pass {
        is_one_message(&request);
    }
    let written = head::write(&request);
    let again = head::read(&written).map(|request| judge(&request));
    assert_eq!(again, Some(verdict), "4: {}", written.escape_ascii());
}

fn judge(request: &Request<()>) -> Verdict {
    let head = HeadOf::of(request.clone());
    let facts = head.facts(&ClientRules::default());
    Sanity::new(Mode::Enforce).inspect(&facts, &mut Trace::new(&facts))
}

fn is_one_message(request: &Request<()>) {
    let lines = |name| request.headers().get_all(name).iter();
    let framings =
        lines(CONTENT_LENGTH).count() + usize::from(lines(TRANSFER_ENCODING).count() > 0);
    assert!(framings <= 1, "1: {framings} framings");
    if let Some(codings) = lines(TRANSFER_ENCODING).next_back() {
        let last = codings.as_bytes().rsplit(|&byte| byte == b',').next();
        let last = last.unwrap_or_default().trim_ascii();
        assert!(last.eq_ignore_ascii_case(b"chunked"), "1: {codings:?}");
    }

    let hosts = lines(HOST).count();
    let least = usize::from(request.version() == Version::HTTP_11);
    assert!((least..=1).contains(&hosts), "2: {hosts} hosts");

    let path = request.uri().path();
    let asks_the_server = path == "*" && request.method() == Method::OPTIONS;
    assert!(path.starts_with('/') || asks_the_server, "3: {path:?}");
}
