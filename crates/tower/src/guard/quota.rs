//! Response headers about rate limits.

use std::time::Duration;

use gabion_core::{Denial, Facts, KnownHeader, Quota, RequestState, RuleId};
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
/// None if no limit is shown, else one allocation for each of the two values.
pub(super) fn add_rate_limit(quotas: &[Quota], headers: &mut HeaderMap) {
    if quotas.is_empty() {
        return;
    }
    let (mut policy, mut available) = (List::new(), List::new());
    for quota in quotas {
        let (limit, window) = (quota.limit.into(), seconds(quota.window));
        policy.add(&quota.rule, [(b";q=", limit), (b";w=", window)]);
        let (remaining, reset) = (quota.remaining.into(), seconds(quota.reset));
        available.add(&quota.rule, [(b";r=", remaining), (b";t=", reset)]);
    }
    for (name, list) in [(POLICY, policy), (REMAINING, available)] {
        if let Some(value) = list.value() {
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
    if let Ok(seconds) = HeaderValue::from_str(itoa::Buffer::new().format(seconds(wait))) {
        headers.insert(RETRY_AFTER, seconds);
    }
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

/// A header value in the making: a list of strings, each with two integer parameters (RFC 9651).
struct List {
    bytes: [u8; Self::CAPACITY],
    len: usize,
}

// === impl List ===

impl List {
    /// The length of a string with its quotes, and of two parameters.
    const MAX_ENTRY: usize = 2 + RuleId::MAX_LEN + 2 * (3 + u64::MAX.ilog10() as usize + 1);

    const CAPACITY: usize = RequestState::MAX_QUOTAS * (Self::MAX_ENTRY + 2);

    const fn new() -> Self {
        Self {
            bytes: [0; Self::CAPACITY],
            len: 0,
        }
    }

    /// Adds an entry. Rule ids need no escaping.
    fn add(&mut self, rule: &RuleId, parameters: [(&[u8; 3], u64); 2]) {
        let id = rule.as_str().as_bytes();
        let separator: &[u8] = if self.len == 0 { b"\"" } else { b", \"" };
        self.push(separator);
        self.push(id.get(..RuleId::MAX_LEN).unwrap_or(id));
        self.push(b"\"");
        for (name, number) in parameters {
            self.push(name);
            self.push(itoa::Buffer::new().format(number).as_bytes());
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if let Some(free) = self.bytes.get_mut(self.len..end) {
            free.copy_from_slice(bytes);
            self.len = end;
        }
    }

    fn value(&self) -> Option<HeaderValue> {
        HeaderValue::from_bytes(self.bytes.get(..self.len)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(quotas: &[Quota]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        add_rate_limit(quotas, &mut headers);
        headers
    }

    #[test]
    fn longest_values_fit() {
        let rule = RuleId::new(&"r".repeat(RuleId::MAX_LEN)).unwrap();
        let quota = Quota {
            limit: u32::MAX,
            window: Duration::MAX,
            remaining: u32::MAX,
            reset: Duration::MAX,
            rule: rule.clone(),
        };
        let headers = list(&vec![quota; RequestState::MAX_QUOTAS]);
        let entries = |limit, window| {
            let entry = format!("\"{rule}\";{limit}={};{window}={}", u32::MAX, u64::MAX);
            vec![entry; RequestState::MAX_QUOTAS].join(", ")
        };
        assert_eq!(headers[POLICY], entries("q", "w"));
        assert_eq!(headers[REMAINING], entries("r", "t"));
    }
}
