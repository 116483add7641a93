//! Parsers for addresses in forwarding headers.

use std::{
    iter,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str,
};

use super::forwarded;

/// Splits a list header at its commas, last element first, respecting quoted strings and the
/// escapes in them (RFC 9110, 5.6.4). Empty elements are left out: proxies that join lists write
/// some, and they stand for no hop (RFC 9110, 5.6.1.2).
///
/// The nearest hop wrote the right end, so parsing starts there: a quote that a client leaves open
/// at the left end cannot swallow it.
pub(super) fn rsplit_elements(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    let elements = iter::from_fn(move || {
        let line = rest?;
        let Some(comma) = last_comma(line) else {
            rest = None;
            return Some(line.trim_ascii());
        };
        let (before, element) = line.split_at_checked(comma)?;
        rest = Some(before);
        element.get(1..).map(<[u8]>::trim_ascii)
    });
    elements.filter(|element| !element.is_empty())
}

fn last_comma(line: &[u8]) -> Option<usize> {
    // Most lines are one address. Longer ones are not read twice: for each element of a list that
    // would take quadratic time.
    const LONGEST_ADDRESS: usize = 45;
    let is_separator = |found: u8, byte: &u8| found | u8::from(matches!(byte, b',' | b'"'));
    if line.len() <= LONGEST_ADDRESS && line.iter().fold(0, is_separator) == 0 {
        return None;
    }
    let mut quoted = false;
    for (at, &byte) in line.iter().enumerate().rev() {
        match byte {
            b'"' if !is_escaped(line, at) => quoted = !quoted,
            b',' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Returns `true` if an odd number of backslashes precedes `at`.
fn is_escaped(line: &[u8], at: usize) -> bool {
    let before = line.get(..at).unwrap_or_default().iter().rev();
    before.take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// Parses one hop of `X-Forwarded-For`: an address, with or without port, brackets or quotes.
pub(super) fn parse(hop: &[u8]) -> Option<IpAddr> {
    parse_ipv4(hop).map(IpAddr::V4).or_else(|| parse_any(hop))
}

/// Parses an IPv4 address, the form of most hops, as the standard library does, which takes three
/// times as many instructions.
pub(super) fn parse_ipv4(hop: &[u8]) -> Option<Ipv4Addr> {
    let (mut addr, mut rest) = (0_u32, hop);
    for octet in 0..4 {
        if octet > 0 {
            rest = rest.strip_prefix(b".")?;
        }
        let (octet, after) = parse_octet(rest)?;
        addr = addr << 8 | octet;
        rest = after;
    }
    rest.is_empty().then(|| Ipv4Addr::from(addr))
}

/// Parses the digits that `text` begins with: at most 255, and without a zero at the beginning, which could
/// mean an octal number. Returns the text after them.
#[inline]
fn parse_octet(text: &[u8]) -> Option<(u32, &[u8])> {
    let digit = |at: usize| {
        let digit = text.get(at)?.wrapping_sub(b'0');
        (digit < 10).then(|| u32::from(digit))
    };
    let first = digit(0)?;
    let (octet, digits) = match (digit(1), digit(2)) {
        (None, _) => (first, 1),
        (Some(second), None) => (first * 10 + second, 2),
        (Some(second), Some(third)) => (first * 100 + second * 10 + third, 3),
    };
    let is_valid = octet < 256 && (first > 0 || digits == 1);
    is_valid.then_some((octet, text.get(digits..)?))
}

fn parse_any(hop: &[u8]) -> Option<IpAddr> {
    let hop = match hop {
        [b'"', inner @ .., b'"'] => inner,
        bare => bare,
    };
    parse_unquoted(hop)
}

/// Parses an address, with or without port or brackets.
fn parse_unquoted(hop: &[u8]) -> Option<IpAddr> {
    let hop = str::from_utf8(hop).ok()?;
    let socket = || Some(hop.parse::<SocketAddr>().ok()?.ip().to_canonical());
    parse_bare(hop).or_else(socket)
}

/// Parses an address, with or without brackets.
fn parse_bare(hop: &str) -> Option<IpAddr> {
    let bracketed = || {
        let inner = hop.strip_prefix('[')?.strip_suffix(']')?;
        inner.parse::<Ipv6Addr>().ok().map(IpAddr::from)
    };
    let addr = hop.parse().ok().or_else(bracketed)?;
    Some(addr.to_canonical())
}

/// Parses an address that is always followed by a port; an IPv6 address may lack its brackets.
pub(super) fn parse_with_port(hop: &[u8]) -> Option<IpAddr> {
    let colon = hop.iter().rposition(|&byte| byte == b':')?;
    let (addr, port) = hop.split_at_checked(colon)?;
    let port = str::from_utf8(port.get(1..)?).ok()?;
    port.parse::<u16>().ok()?;
    parse_bare(str::from_utf8(addr).ok()?)
}

/// Parses one element of `Forwarded` (RFC 7239, 4): the address of its `for` pair. `unknown` and
/// obfuscated identifiers yield `None`.
pub(super) fn parse_forwarded(element: &[u8]) -> Option<IpAddr> {
    forwarded::parse_value(element, "for", |node| {
        parse_unquoted(node).or_else(|| parse_with_hidden_port(node))
    })
}

/// Parses an address with an obfuscated port, such as `203.0.113.9:_p` (RFC 7239, 6.3).
fn parse_with_hidden_port(node: &[u8]) -> Option<IpAddr> {
    let (addr, port) = str::from_utf8(node).ok()?.rsplit_once(":_")?;
    let may_occur = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_port = !port.is_empty() && port.bytes().all(may_occur);
    parse_bare(addr).filter(|_| is_port)
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn ipv4_is_parsed_as_by_the_standard_library(text in r"([0-2]{0,4}|[0-9]{0,15})(\.[0-2]{0,4}){0,4}[.: ]?") {
            prop_assert_eq!(parse_ipv4(text.as_bytes()), text.parse().ok());
        }

        #[test]
        fn address_is_parsed_as_by_the_standard_library(addr: Ipv4Addr) {
            prop_assert_eq!(parse_ipv4(addr.to_string().as_bytes()), Some(addr));
        }
    }
}
