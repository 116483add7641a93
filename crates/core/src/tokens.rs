//! Parser for list headers.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Iterates over the elements of a list header: those of all its lines, in order, trimmed and
/// without empty ones (RFC 9110, 5.6.1). For lists of tokens: quotes have no meaning.
///
/// # Examples
///
/// ```
/// use http::{HeaderMap, header::CONNECTION};
///
/// let mut headers = HeaderMap::new();
/// headers.insert(CONNECTION, "keep-alive, , Upgrade".parse().unwrap());
/// assert!(gabion_core::tokens(&headers, &CONNECTION).eq([&b"keep-alive"[..], b"Upgrade"]));
/// ```
pub fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let elements = lines.flat_map(|line| line.split(|&byte| byte == b','));
    let trimmed = elements.map(<[u8]>::trim_ascii);
    trimmed.filter(|token| !token.is_empty())
}

/// Returns `true` if a list header has the element `token`, ignoring ASCII case.
///
/// # Examples
///
/// ```
/// use http::{HeaderMap, header::CONNECTION};
///
/// let mut headers = HeaderMap::new();
/// headers.insert(CONNECTION, "keep-alive, Upgrade".parse().unwrap());
/// assert!(gabion_core::has_token(&headers, &CONNECTION, "upgrade"));
/// assert!(!gabion_core::has_token(&headers, &CONNECTION, "up"));
/// ```
pub fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|item| item.eq_ignore_ascii_case(token.as_bytes()))
}
