//! Response headers about rate limits.

use std::{fmt::Write as _, time::Duration};

use gabion_core::{Denial, Facts, KnownHeader, RequestState};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, Entry, RETRY_AFTER},
};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit");

/// Adds `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10) for the limits
/// that the policy shows, in addition to those that the service sets itself.
///
/// # Cost
///
/// None if no limit is shown.
pub(super) fn add_rate_limit(state: &RequestState, headers: &mut HeaderMap) {
    if state.quotas().is_empty() {
        return;
    }
    let (mut policy, mut available) = (String::new(), String::new());
    let mut separator = "";
    for quota in state.quotas() {
        let (rule, limit, window) = (&quota.rule, quota.limit, seconds(quota.window));
        let (remaining, reset) = (quota.remaining, seconds(quota.reset));
        // Writing to a `String` does not fail, and rule ids need no escaping.
        let _ = write!(policy, "{separator}\"{rule}\";q={limit};w={window}");
        let _ = write!(available, "{separator}\"{rule}\";r={remaining};t={reset}");
        separator = ", ";
    }
    for (name, value) in [(POLICY, policy), (REMAINING, available)] {
        if let Some(value) = HeaderValue::try_from(value).ok().filter(|v| !v.is_empty()) {
            headers.append(name, value);
        }
    }
}

/// Adds `Retry-After` to the response, whatever the reply.
///
/// A page of any origin may read a 429, as long as the request carries no credentials: a script
/// cannot wait for a time that it cannot read, and the response contains only the status and that
/// time. A reply that sets `Access-Control-Allow-Origin` keeps its own value.
pub(super) fn add_retry_after(denial: &Denial, facts: &Facts<'_>, headers: &mut HeaderMap) {
    let Some(wait) = denial.retry_after else {
        return;
    };
    headers.insert(RETRY_AFTER, HeaderValue::from(seconds(wait)));
    if denial.status != StatusCode::TOO_MANY_REQUESTS || !facts.index.contains(KnownHeader::Origin)
    {
        return;
    }
    if let Entry::Vacant(vacant) = headers.entry(ACCESS_CONTROL_ALLOW_ORIGIN) {
        vacant.insert(HeaderValue::from_static("*"));
        let readable = HeaderValue::from_static("Retry-After");
        headers.append(ACCESS_CONTROL_EXPOSE_HEADERS, readable);
    }
}

/// Rounds up to whole seconds.
const fn seconds(time: Duration) -> u64 {
    let partial = if time.subsec_nanos() > 0 { 1 } else { 0 };
    time.as_secs().saturating_add(partial)
}
