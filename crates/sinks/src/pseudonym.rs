//! Keyed pseudonyms of client addresses.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use hmac::{Hmac, Mac as _};
use ipnet::IpNet;
use sha2::Sha256;

/// Replaces addresses of clients by pseudonyms: the first 8 bytes of HMAC-SHA256 of the client's network.
///
/// One client has one pseudonym as long as the key stays, in every log. Without the key, a pseudonym cannot be
/// turned back into an address; with it, every address can be tried: delete the key, and the logs are anonymous.
///
/// # Examples
///
/// ```
/// use gabion_sinks::Pseudonyms;
///
/// let pseudonyms = Pseudonyms::new(b"a key of 16 bytes or more")?;
/// let client = "203.0.113.9/32".parse()?;
/// let pseudonym = pseudonyms.of(client).to_string();
/// assert_eq!(pseudonym.len(), "p-0123456789abcdef".len());
/// assert_eq!(pseudonyms.of(client).to_string(), pseudonym);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Cost
///
/// Two blocks of SHA-256 for each address, less than a microsecond.
#[derive(Clone)]
pub struct Pseudonyms(Arc<Hmac<Sha256>>);

/// The pseudonym of one client: `p-` and 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pseudonym(u64);

/// A key for pseudonyms that is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key of pseudonyms has {0} bytes: write at least {min}", min = Pseudonyms::MIN_KEY)]
pub struct ShortKey(usize);

/// Displays a text with every address in it replaced by its pseudonym.
pub(crate) struct Scrubbed<'a, T>(pub(crate) Option<&'a Pseudonyms>, pub(crate) T);

/// Collects the characters of a possible address, and passes on the rest.
struct Scrubber<'a, 'f, 'g> {
    pseudonyms: &'a Pseudonyms,
    /// Characters of a possible address so far.
    held: String,
    out: &'f mut fmt::Formatter<'g>,
}

// === impl Pseudonyms ===

impl Pseudonyms {
    /// The minimum number of bytes of a key.
    pub const MIN_KEY: usize = 16;

    /// Creates pseudonyms under `key`.
    ///
    /// # Errors
    ///
    /// Fails if the key has less than [`Self::MIN_KEY`] bytes.
    pub fn new(key: &[u8]) -> Result<Self, ShortKey> {
        if key.len() < Self::MIN_KEY {
            return Err(ShortKey(key.len()));
        }
        // HMAC accepts keys of any length.
        let mac = Hmac::new_from_slice(key).map_err(|_| ShortKey(key.len()))?;
        Ok(Self(Arc::new(mac)))
    }

    /// Returns the pseudonym of a client's network.
    pub fn of(&self, client: IpNet) -> Pseudonym {
        let mut mac = Hmac::<Sha256>::clone(&self.0);
        match client.network() {
            IpAddr::V4(addr) => mac.update(&addr.octets()),
            IpAddr::V6(addr) => mac.update(&addr.octets()),
        }
        mac.update(&[client.prefix_len()]);
        let tag = mac.finalize().into_bytes();
        Pseudonym(
            tag.iter()
                .take(8)
                .fold(0, |sum, &byte| sum << 8 | u64::from(byte)),
        )
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pseudonyms").finish_non_exhaustive()
    }
}

// === impl Pseudonym ===

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p-{:016x}", self.0)
    }
}

// === impl Scrubbed ===

impl<T: fmt::Display> fmt::Display for Scrubbed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;

        let Some(pseudonyms) = self.0 else {
            return self.1.fmt(f);
        };
        let mut scrubber = Scrubber {
            pseudonyms,
            held: String::new(),
            out: f,
        };
        write!(scrubber, "{}", self.1)?;
        scrubber.release()
    }
}

// === impl Scrubber ===

impl Scrubber<'_, '_, '_> {
    /// The longest network as text: an IPv6 address with an embedded IPv4 address, and its prefix.
    const MAX_HELD: usize = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128".len();

    /// Writes the held characters, or the pseudonym if they are an address.
    fn release(&mut self) -> fmt::Result {
        // A sentence may go on behind the address.
        let ends = (0..3).filter_map(|cut| self.held.len().checked_sub(cut));
        let found = ends.filter_map(|end| self.held.split_at_checked(end));
        let found = found.filter_map(|(text, rest)| Some((parse(text)?, rest)));
        match found.take(1).next() {
            Some(((network, port), rest)) => {
                let pseudonym = self.pseudonyms.of(network);
                match port {
                    Some(port) => write!(self.out, "{pseudonym}:{port}{rest}")?,
                    None => write!(self.out, "{pseudonym}{rest}")?,
                }
            }
            None => self.out.write_str(&self.held)?,
        }
        self.held.clear();
        Ok(())
    }
}

impl fmt::Write for Scrubber<'_, '_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let is_of_address =
                character.is_ascii_hexdigit() || matches!(character, '.' | ':' | '/');
            if is_of_address && self.held.len() <= Self::MAX_HELD {
                self.held.push(character);
                continue;
            }
            self.release()?;
            self.out.write_char(character)?;
        }
        Ok(())
    }
}

/// Parses a network, an address, or an IPv4 address with a port.
fn parse(text: &str) -> Option<(IpNet, Option<u16>)> {
    if let Ok(network) = text.parse() {
        return Some((network, None));
    }
    if let Ok(addr) = text.parse() {
        return Some((client_network(addr), None));
    }
    let socket: SocketAddr = text.parse().ok()?;
    Some((client_network(socket.ip()), Some(socket.port())))
}

/// The network of an address of which the policy's prefix is not known: an IPv6 client has a /64.
pub(crate) fn client_network(addr: IpAddr) -> IpNet {
    const PREFIX: u8 = 64;
    let network = IpNet::from(addr);
    match addr {
        IpAddr::V6(_) => IpNet::new(addr, PREFIX).map_or(network, |network| network.trunc()),
        IpAddr::V4(_) => network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pseudonyms(key: &[u8]) -> Pseudonyms {
        Pseudonyms::new(key).unwrap()
    }

    #[test]
    fn pseudonym_is_stable_under_one_key_and_different_under_another() {
        let (one, other) = (pseudonyms(&[1; 32]), pseudonyms(&[2; 32]));
        let client = "203.0.113.9/32".parse().unwrap();
        let neighbor = "203.0.113.10/32".parse().unwrap();
        assert_eq!(one.of(client), pseudonyms(&[1; 32]).of(client));
        assert_ne!(one.of(client), one.of(neighbor));
        assert_ne!(one.of(client), other.of(client));
        assert_eq!(
            Pseudonyms::new(&[0; 15]).unwrap_err().to_string(),
            "the key of pseudonyms has 15 bytes: write at least 16"
        );
    }

    #[test]
    fn addresses_in_texts_are_replaced() {
        let pseudonyms = pseudonyms(&[1; 32]);
        let name = |network: &str| pseudonyms.of(network.parse().unwrap()).to_string();
        for (text, expected) in [
            (
                "203.0.113.9 sends: 203.0.113.9.",
                format!("{0} sends: {0}.", name("203.0.113.9/32")),
            ),
            (
                "client 2001:db8::1: gone, 2001:db8::/64",
                format!("client {0}: gone, {0}", name("2001:db8::/64")),
            ),
            (
                "ban of 203.0.113.0/24",
                format!("ban of {}", name("203.0.113.0/24")),
            ),
            (
                "connect to 203.0.113.9:80: refused",
                format!("connect to {}:80: refused", name("203.0.113.9/32")),
            ),
            ("2001:db8::", name("2001:db8::/64")),
            (
                "rule dead.beef: 12 of 13",
                "rule dead.beef: 12 of 13".to_owned(),
            ),
        ] {
            assert_eq!(Scrubbed(Some(&pseudonyms), text).to_string(), expected);
            assert_eq!(Scrubbed(None, text).to_string(), text);
        }
    }
}
