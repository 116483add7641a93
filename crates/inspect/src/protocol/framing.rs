//! Where the body ends.

use gabion_core::{Denial, Facts, Framing};
use http::{
    HeaderName, HeaderValue, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING},
};

use super::{bad, refuse};

/// Refuses a body that another server would end elsewhere, and expectations that nobody meets.
///
/// Nothing that follows such a head on its connection can be trusted, so that the answer ends it
/// (RFC 9112, 6.1).
pub(super) fn check(facts: &Facts<'_>) -> Option<Denial> {
    let unclear = watched(facts)
        .or_else(|| both(facts))
        .or_else(|| coding(facts))
        .or_else(|| length(facts));
    match unclear {
        Some(denial) if facts.version <= Version::HTTP_11 => {
            Some(denial.with_header(CONNECTION, HeaderValue::from_static("close")))
        }
        None => expectation(facts),
        unclear => unclear,
    }
}

/// What was seen on the wire and no longer stands in the headers.
fn watched(facts: &Facts<'_>) -> Option<Denial> {
    match facts.framing {
        Framing::AsShown => None,
        Framing::Both => Some(bad("framing/both", BOTH, b"")),
        _ => {
            let why = "nobody can say where the body ends";
            Some(bad("framing/unknown", why, b""))
        }
    }
}

/// RFC 9112, 6.1: a server may refuse it, and a proxy that does not has to mend it.
fn both(facts: &Facts<'_>) -> Option<Denial> {
    let length = facts.headers.get(CONTENT_LENGTH)?;
    let both = facts.headers.contains_key(TRANSFER_ENCODING);
    both.then(|| bad("framing/both", BOTH, length.as_bytes()))
}

const BOTH: &str = "Content-Length beside Transfer-Encoding";

/// Takes `chunked`, once and alone, on HTTP/1.1.
///
/// Another coding in front of it is not implemented (501); where it does not come last, or comes
/// twice, the body has no end that all agree on (400). RFC 9112, 6.1 and 6.3.
fn coding(facts: &Facts<'_>) -> Option<Denial> {
    let mut lines = values(facts, &TRANSFER_ENCODING);
    let line = lines.next()?;
    if facts.version != Version::HTTP_11 {
        let why = "Transfer-Encoding on a version of HTTP that has none";
        return Some(bad("framing/version", why, line));
    }
    if lines.next().is_none() && line.eq_ignore_ascii_case(b"chunked") {
        return None;
    }
    let codings = || {
        let all = values(facts, &TRANSFER_ENCODING).flat_map(|line| line.split(|&b| b == b','));
        all.map(<[u8]>::trim_ascii)
    };
    let chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let ends = codings().last().is_some_and(|last| chunked(&last));
    let once = codings().filter(chunked).count() == 1;
    let other = codings().find(|coding| !chunked(coding) && !coding.is_empty());
    match other {
        Some(other) if ends && once => {
            let why = "a transfer coding that is not implemented";
            let status = StatusCode::NOT_IMPLEMENTED;
            Some(refuse("framing/coding", why, status).with_evidence(other))
        }
        _ => {
            let why = "Transfer-Encoding is not one chunked";
            Some(bad("framing/chunked", why, line))
        }
    }
}

/// Takes one `Content-Length` of digits (RFC 9110, 8.6), also where a server would merge equal ones.
fn length(facts: &Facts<'_>) -> Option<Denial> {
    let mut lines = values(facts, &CONTENT_LENGTH);
    let line = lines.next()?;
    if let Some(second) = lines.next() {
        let why = "more than one Content-Length";
        return Some(bad("framing/doubled", why, second));
    }
    let digits = !line.is_empty() && line.iter().all(u8::is_ascii_digit);
    (!digits).then(|| bad("framing/length", "Content-Length is no number", line))
}

/// RFC 9110, 10.1.1.
fn expectation(facts: &Facts<'_>) -> Option<Denial> {
    let other = values(facts, &EXPECT).find(|line| !line.eq_ignore_ascii_case(b"100-continue"))?;
    let why = "an expectation other than 100-continue";
    Some(refuse("expect/unknown", why, StatusCode::EXPECTATION_FAILED).with_evidence(other))
}

fn values<'f>(facts: &'f Facts<'_>, name: &HeaderName) -> impl Iterator<Item = &'f [u8]> {
    facts
        .headers
        .get_all(name)
        .iter()
        .map(HeaderValue::as_bytes)
}
