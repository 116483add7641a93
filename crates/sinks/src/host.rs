//! Hosts without secrets.

/// Returns the host without userinfo, which is not valid in `Host` (RFC 9110, 7.2) but sent all the same.
pub(crate) fn without_userinfo(host: &[u8]) -> &[u8] {
    let begin = host.iter().rposition(|&byte| byte == b'@');
    begin.map_or(host, |at| host.get(at + 1..).unwrap_or_default())
}
