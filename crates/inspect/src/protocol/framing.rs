//! Checks of the message framing.

use gabion_core::{Denial, Facts, Framing, KnownHeader};
use http::{HeaderValue, StatusCode, Version, header::CONNECTION};

use super::{deny, deny_400, headers, rules::RuleSet};

/// Denies a request whose body another server would end elsewhere, and unknown expectations.
pub(super) fn check(facts: &Facts<'_>, skipped: RuleSet) -> Option<Denial> {
    ambiguity(facts, skipped)
        .or_else(|| expectation(facts).and_then(|denial| skipped.unless_in(denial)))
}

/// Adds `Connection: close` to the denial of a request whose body another server would end elsewhere,
/// whichever rule denies it: nothing after such a head on its connection can be trusted (RFC 9112,
/// section 6.1).
#[cold]
pub(super) fn close_if_ambiguous(denial: Denial, facts: &Facts<'_>) -> Denial {
    let is_ambiguous =
        || ambiguity(facts, RuleSet::NONE).is_some() || headers::imitates_framing(facts);
    if facts.version <= Version::HTTP_11 && is_ambiguous() {
        return denial.with_header(CONNECTION, HeaderValue::from_static("close"));
    }
    denial
}

fn ambiguity(facts: &Facts<'_>, skipped: RuleSet) -> Option<Denial> {
    let unless_skipped = |denial| skipped.unless_in(denial);
    (observed(facts).and_then(unless_skipped))
        .or_else(|| both(facts).and_then(unless_skipped))
        .or_else(|| version(facts).and_then(unless_skipped))
        .or_else(|| coding(facts).and_then(unless_skipped))
        .or_else(|| doubled(facts).and_then(unless_skipped))
        .or_else(|| length(facts).and_then(unless_skipped))
}

/// Denies by framing that was observed on the wire and is no longer visible in the headers.
fn observed(facts: &Facts<'_>) -> Option<Denial> {
    match facts.framing {
        Framing::AsShown => None,
        Framing::Both => Some(deny_400("framing/both", BOTH, b"")),
        _ => {
            let why = "ambiguous end of the request body";
            Some(deny_400("framing/unknown", why, b""))
        }
    }
}

/// Denies a request with both headers. A server may reject it, and a proxy must otherwise repair it
/// (RFC 9112, section 6.1).
fn both(facts: &Facts<'_>) -> Option<Denial> {
    let length = facts.index.first(KnownHeader::ContentLength)?;
    let both = facts.index.contains(KnownHeader::TransferEncoding);
    both.then(|| deny_400("framing/both", BOTH, length.as_bytes()))
}

const BOTH: &str = "both Content-Length and Transfer-Encoding";

/// Denies transfer codings on other versions than HTTP/1.1 (RFC 9112, section 6.1).
fn version(facts: &Facts<'_>) -> Option<Denial> {
    let line = facts.index.first(KnownHeader::TransferEncoding)?;
    (facts.version != Version::HTTP_11).then(|| {
        let why = "Transfer-Encoding in an HTTP version without it";
        deny_400("framing/version", why, line.as_bytes())
    })
}

/// Denies transfer codings other than a single `chunked` (RFC 9112, sections 6.1 and 6.3).
///
/// Another coding before `chunked` is not implemented (501). If `chunked` is not last or is
/// repeated, servers disagree on the end of the body (400).
fn coding(facts: &Facts<'_>) -> Option<Denial> {
    let mut lines = facts.index.lines(KnownHeader::TransferEncoding);
    let line = lines.next()?;
    if lines.next().is_none() && line.eq_ignore_ascii_case(b"chunked") {
        return None;
    }
    let codings = || {
        let lines = facts.index.lines(KnownHeader::TransferEncoding);
        let all = lines.flat_map(|line| line.split(|&b| b == b','));
        all.map(<[u8]>::trim_ascii)
    };
    let chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let is_last = codings().next_back().is_some_and(|last| chunked(&last));
    let is_single = codings().filter(chunked).count() == 1;
    let other = codings().find(|coding| !chunked(coding) && !coding.is_empty());
    match other {
        Some(other) if is_last && is_single => {
            let why = "unsupported transfer coding";
            let status = StatusCode::NOT_IMPLEMENTED;
            Some(deny("framing/coding", why, status).with_evidence(other))
        }
        _ => {
            let why = "Transfer-Encoding is not a single chunked";
            Some(deny_400("framing/chunked", why, line))
        }
    }
}

/// Denies several `Content-Length` (RFC 9110, section 8.6), even if a server would merge equal ones.
fn doubled(facts: &Facts<'_>) -> Option<Denial> {
    let second = facts.index.lines(KnownHeader::ContentLength).nth(1)?;
    let why = "more than one Content-Length header";
    Some(deny_400("framing/doubled", why, second))
}

/// Denies a `Content-Length` that is not digits (RFC 9110, section 8.6).
fn length(facts: &Facts<'_>) -> Option<Denial> {
    let mut lines = facts.index.lines(KnownHeader::ContentLength);
    let line = lines.find(|line| line.is_empty() || !line.iter().all(u8::is_ascii_digit))?;
    Some(deny_400(
        "framing/length",
        "Content-Length is not a number",
        line,
    ))
}

/// Denies expectations other than `100-continue` (RFC 9110, section 10.1.1). `Expect` is a list,
/// which may repeat an element and have empty ones (RFC 9110, section 5.6.1.2).
fn expectation(facts: &Facts<'_>) -> Option<Denial> {
    let mut expectations = facts.index.tokens(KnownHeader::Expect);
    let other = expectations.find(|other| !other.eq_ignore_ascii_case(b"100-continue"))?;
    let why = "unsupported expectation";
    Some(deny("expect/unknown", why, StatusCode::EXPECTATION_FAILED).with_evidence(other))
}
