//! Host names in the form in which they are compared.

use std::net::Ipv6Addr;

/// The longest host name (RFC 1035, section 2.3.4), in bytes.
pub(super) const MAX_NAME: usize = 253;

/// An entry of a list of hosts, in the form in which requested hosts are compared: in lower case,
/// without port and trailing dot.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HostName {
    /// A name or an IPv4 address.
    Exact(String),
    /// Every name of one more label than this parent domain.
    Wildcard(String),
    /// An IPv6 address. It has several spellings (RFC 5952, section 2).
    Address(Ipv6Addr),
}

impl HostName {
    /// Parses an entry. Its port, if any, is ignored, as is that of a requested host.
    ///
    /// # Errors
    ///
    /// The reason why no request could have such a host.
    pub(super) fn parse(entry: &str) -> Result<Self, &'static str> {
        if let Some(address) = ipv6(entry) {
            return Ok(Self::Address(address));
        }
        if !entry.is_ascii() {
            return Err("write the name in ASCII, as browsers send it: `xn--...`");
        }
        let name = without_port(entry).ok_or(EXPECTED)?;
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        match name.strip_prefix("*.") {
            Some(parent) if is_name(parent) => Ok(Self::Wildcard(parent.to_owned())),
            None if is_name(&name) => Ok(Self::Exact(name)),
            _ => Err(EXPECTED),
        }
    }

    /// Returns the `Host` header of a request for this host, or for one below a wildcard.
    pub(super) fn to_header(&self) -> String {
        match self {
            Self::Exact(name) => name.clone(),
            Self::Wildcard(parent) => format!("www.{parent}"),
            Self::Address(address) => format!("[{address}]"),
        }
    }
}

const EXPECTED: &str = "write a host name or an address, such as `app.example` or `[2001:db8::1]`, or `*.` and a host name";

/// Parses an IPv6 address, alone, in brackets, or in brackets with a port.
fn ipv6(entry: &str) -> Option<Ipv6Addr> {
    let bracketed = without_port(entry).and_then(|host| host.strip_prefix('[')?.strip_suffix(']'));
    bracketed.unwrap_or(entry).parse().ok()
}

/// Removes a port. Returns `None` if it is not a number.
fn without_port(entry: &str) -> Option<&str> {
    match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
            (is_port && port.parse::<u16>().is_ok()).then_some(host)
        }
        _ => Some(entry),
    }
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(plain);
    name.len() <= MAX_NAME && name.split('.').all(is_label)
}
