//! The host of a request.

use std::net::Ipv6Addr;

/// Returns a host without its port; `None` if it is not a DNS name or an address (RFC 3986, 3.2.2).
pub(crate) fn name(host: &str) -> Option<&str> {
    let end = match host.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at_checked(end)?;
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let in_brackets = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let is_valid = if let Some(addr) = in_brackets {
        addr.parse::<Ipv6Addr>().is_ok()
    } else {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        (1..=253).contains(&name.len()) && name.bytes().all(is_allowed)
    };
    let has_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    (is_valid && has_port).then_some(name)
}
