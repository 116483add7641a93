//! Laws of client resolution.

use std::net::{IpAddr, SocketAddr};

use arbitrary::Arbitrary;
use gabion_core::{ClientIp, ClientRules, ForwardedHeader, PeerAddr};
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use super::head;

/// A peer, client rules, and header lines that claim a client address.
#[derive(Arbitrary, Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "an input, read from bytes")]
pub struct ClientInput<'i> {
    /// The address of the peer.
    pub peer: IpAddr,
    /// `true` if the peer is a trusted proxy.
    pub is_trusted: bool,
    /// The index of the forwarding header in [`ForwardedHeader::ALL`], modulo its length.
    pub header: u8,
    /// The number of trusted hops; unset if 0.
    pub hops: u8,
    /// `true` if clients may have private addresses.
    pub private: bool,
    /// Header lines, each with its line end.
    pub lines: &'i [u8],
}

/// Trusted proxies, in addition to a trusted peer.
const PROXIES: [&str; 3] = ["10.0.0.0/8", "192.0.2.0/24", "2001:db8:f::/48"];

/// Networks without public clients: RFC 1122, 1918, 3927, 4193, 4291, 6598.
const THIS_HOST: [&str; 4] = ["127.0.0.0/8", "0.0.0.0/32", "::1/128", "::/128"];
const PRIVATE: [&str; 7] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
    "fe80::/10",
];

/// Text that an attacker writes to the left of the entries of proxies.
const FORGED: [&str; 6] = [
    "198.51.100.66",
    "\"",
    "10.0.0.66",
    "for=198.51.100.66",
    ",;=\"",
    "\\\"\\",
];

/// Checks that client resolution does not panic for any input, and that
/// 1. headers of an untrusted peer change nothing: the client is the peer, and for a public peer all of its
///    properties are those without headers;
/// 2. a client that can be banned is neither a trusted proxy nor this host, and not private unless clients
///    may have private addresses;
/// 3. a known client that is not the peer is named in the forwarding header;
/// 4. text that an attacker adds further left in a list does not change the client found in it.
///
/// # Panics
///
/// Panics if a law is broken.
pub fn client_identity(input: &ClientInput<'_>) {
    let Some(headers) = head::read_headers(&[input.lines, b"\r\n"].concat()) else {
        return;
    };
    let peer = PeerAddr::new(SocketAddr::new(input.peer, 4711));
    let (rules, trusted) = rules(input, peer.addr());
    let client = rules.resolve(peer, &headers);
    let is_trusted = holds(&trusted, peer.addr());
    assert_eq!(client.via_trusted(), is_trusted, "1");
    if !is_trusted {
        assert_eq!(
            (client.addr(), client.is_forwarded()),
            (peer.addr(), false),
            "1"
        );
        let without_headers = rules.resolve(peer, &HeaderMap::new());
        let inside = holds(&nets(&THIS_HOST), peer.addr()) || holds(&nets(&PRIVATE), peer.addr());
        assert!(inside || client == without_headers, "1: {client:?}");
    }

    let addr = client.addr();
    if client.exempt_from_bans().is_none() {
        assert_eq!(addr, addr.to_canonical(), "2");
        let is_private = !input.private && holds(&nets(&PRIVATE), addr);
        let is_ours = holds(&trusted, addr) || holds(&nets(&THIS_HOST), addr);
        assert!(!is_private && !is_ours, "2: {addr} could be banned");
    }

    let header = ForwardedHeader::ALL[usize::from(input.header) % ForwardedHeader::ALL.len()];
    if client.is_forwarded() && !client.is_unknown() {
        let lines = headers.get_all(header.name()).iter();
        let is_named = lines.flat_map(addresses).any(|named| named == addr);
        assert!(is_named, "3: {addr} is not in the header");
    }
    let is_list = matches!(
        header,
        ForwardedHeader::XForwardedFor | ForwardedHeader::Forwarded
    );
    if is_list && input.hops == 0 && client.is_forwarded() && !holds(&trusted, addr) {
        ignores_forged_entries(client, header, &headers, |headers| {
            rules.resolve(peer, headers)
        });
    }
}

fn rules(input: &ClientInput<'_>, peer: IpAddr) -> (ClientRules, Vec<IpNet>) {
    let mut trusted = nets(&PROXIES);
    trusted.extend(input.is_trusted.then(|| IpNet::from(peer)));
    let header = ForwardedHeader::ALL[usize::from(input.header) % ForwardedHeader::ALL.len()];
    let rules = ClientRules::default()
        .with_trusted(trusted.iter().copied())
        .expect("no network here is the whole space")
        .with_header(header)
        .with_private_clients(input.private);
    match input.hops.try_into() {
        Ok(hops) => (rules.with_hops(hops), trusted),
        Err(_) => (rules, trusted),
    }
}

/// Checks law 4 for a line before the first and for the beginning of the first line. The latter is left out
/// if a proxy left a quote open.
fn ignores_forged_entries(
    client: ClientIp,
    header: ForwardedHeader,
    headers: &HeaderMap,
    resolve: impl Fn(&HeaderMap) -> ClientIp,
) {
    let name = HeaderName::from_static(header.name());
    let lines: Vec<_> = headers.get_all(&name).iter().cloned().collect();
    let Some((first, others)) = lines.split_first() else {
        return;
    };
    for forged in FORGED {
        let before = HeaderValue::from_static(forged);
        let longer = [forged.as_bytes(), b", ", first.as_bytes()].concat();
        let longer = HeaderValue::from_bytes(&longer).expect("bytes of a valid header value");
        let longer = is_closed(first).then_some((longer, others));
        for (left, kept) in longer.into_iter().chain([(before, &lines[..])]) {
            let mut headers = headers.clone();
            headers.insert(&name, left.clone());
            for line in kept {
                headers.append(&name, line.clone());
            }
            assert_eq!(resolve(&headers), client, "4: {left:?}");
        }
    }
}

/// Returns `true` if the number of quotes in a line is even, without those that a backslash escapes.
fn is_closed(line: &HeaderValue) -> bool {
    let (mut quotes, mut escaped) = (0, false);
    for &byte in line.as_bytes() {
        quotes += usize::from(byte == b'"' && !escaped);
        escaped = byte == b'\\' && !escaped;
    }
    quotes % 2 == 0
}

/// Returns every address that occurs in a line, with or without a port.
fn addresses(line: &HeaderValue) -> impl Iterator<Item = IpAddr> {
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
    let words = line.as_bytes().split(move |byte| !is_part(byte));
    let words = words.filter_map(|word| str::from_utf8(word).ok());
    words.flat_map(|word| {
        let bare = word.rsplit_once(':').map_or(word, |(bare, _port)| bare);
        let named = [word.parse(), bare.parse::<IpAddr>()];
        named
            .into_iter()
            .flatten()
            .map(|addr: IpAddr| addr.to_canonical())
    })
}

fn holds(networks: &[IpNet], addr: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&addr))
}

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts
        .iter()
        .map(|text| text.parse().expect("a network"))
        .collect()
}
