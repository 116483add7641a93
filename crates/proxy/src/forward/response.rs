//! Responses to the client.

use gabion_core::{Evidence, tokens};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, TRANSFER_ENCODING, UPGRADE},
    response,
};

use super::{
    body::ProxyBody,
    error::{Failure, UpstreamError},
    headers::{hop_by_hop_names, remove_all},
};

/// Rewrites the head of the upstream's response for a client that speaks `client`.
///
/// # Errors
///
/// Rejects a transfer coding other than `chunked`: its bytes would arrive without a name for their
/// coding.
pub(super) fn rewrite_response_head(
    head: &mut response::Parts,
    client: Version,
) -> Result<(), UpstreamError> {
    let headers = &mut head.headers;
    let mut names = hop_by_hop_names(headers);
    if names.contains(&TRANSFER_ENCODING) {
        check_coding(headers)?;
        // The coding overrides the length, which is that of another body (RFC 9112, 6.3).
        names.push(CONTENT_LENGTH);
    } else {
        merge_lengths(headers);
    }
    // A 426 must name the protocols that the server requires (RFC 9110, 15.5.22).
    let requires_upgrade = head.status == StatusCode::UPGRADE_REQUIRED
        && client <= Version::HTTP_11
        && names.contains(&UPGRADE);
    if requires_upgrade {
        names.retain(|name| name != UPGRADE);
    }
    remove_all(headers, names);
    if requires_upgrade {
        // A sender of `Upgrade` lists it in `Connection` (RFC 9110, 7.8).
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    // The upstream's version applies to its own hop: an HTTP/1.0 response must not end the client's
    // connection.
    head.version = Version::HTTP_11;
    Ok(())
}

/// Leaves one of several equal lengths (RFC 9110, 8.6); hyper refuses those that differ.
fn merge_lengths(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let Some(line) = lines.next().map(HeaderValue::as_bytes) else {
        return;
    };
    let length = line.split(|&byte| byte == b',').next().unwrap_or_default();
    if lines.next().is_none() && length.len() == line.len() {
        return;
    }
    if let Ok(length) = HeaderValue::from_bytes(length.trim_ascii()) {
        headers.insert(CONTENT_LENGTH, length);
    }
}

/// Accepts what hyper decodes: at most one `chunked`, and `identity`, which RFC 2616 had.
fn check_coding(headers: &HeaderMap) -> Result<(), UpstreamError> {
    let mut is_chunked = false;
    for coding in tokens(headers, &TRANSFER_ENCODING) {
        if coding.eq_ignore_ascii_case(b"chunked") && !is_chunked {
            is_chunked = true;
        } else if !coding.eq_ignore_ascii_case(b"identity") {
            return Err(UpstreamError::UnknownCoding(Evidence::new(coding)));
        }
    }
    Ok(())
}

// === impl Failure ===

impl Failure {
    /// Returns the response: the status, the error text without its sources, and the diagnosis.
    pub(super) fn to_response(&self) -> Response<ProxyBody> {
        let status = self.status();
        let mut text = format!("{status}: {self}\n");
        if let Some(diagnosis) = self.diagnosis() {
            text = format!("{text}{diagnosis}\n");
        }
        let mut response = Response::new(ProxyBody::text(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(CONTENT_TYPE, plain);
        if self.is_temporary() {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
