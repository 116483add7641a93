//! Laws of client resolution.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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

/// IPv4 networks without hosts: RFC 1122, 3.2.1.3; RFC 1112, 4; RFC 5771.
const RESERVED: [&str; 3] = ["0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4"];

/// Text that an attacker writes to the left of the entries of proxies, or into values that they quote.
const FORGED: [&str; 7] = [
    "198.51.100.66",
    "\"",
    "10.0.0.66",
    "for=198.51.100.66",
    "a;for=198.51.100.66;b",
    ",;=\"",
    "\\\"\\",
];

/// Checks that client resolution does not panic for any input, and that
/// 1. headers of an untrusted peer change neither the client nor its exemption: the client is the peer, and
///    for a public peer all of its properties are those without headers;
/// 2. a client that can be banned is neither a trusted proxy nor this host, and not private unless clients
///    may have private addresses; one that is exempt is one of these;
/// 3. a known client that is not the peer is named in the forwarding header;
/// 4. text that an attacker adds further left in a list does not change the client found in it;
/// 5. empty elements and lines do not change the client;
/// 6. text in a quoted value of `Forwarded` does not change the client;
/// 7. a trusted proxy that sends the header acts for another client; one that the header does not name is
///    limited, not banned, and not allowed;
/// 8. an IPv6 address that embeds a public IPv4 address counts as that one, and is not allowed; with
///    another IPv4 address in it, it is neither trusted nor exempt.
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
    let resolve = |headers: &HeaderMap| rules.resolve(peer, headers);
    let client = resolve(&headers);
    let is_trusted = holds(&trusted, peer.addr());
    assert_eq!(client.via_trusted(), is_trusted, "1");
    if !is_trusted {
        let is_peer = counts_as(peer.addr(), client.addr(), &trusted);
        assert!(is_peer && !client.is_forwarded(), "1: {client:?}");
        let without_headers = resolve(&HeaderMap::new());
        assert_eq!(client.exempt(), without_headers.exempt(), "1: {client:?}");
        let inside = holds(&nets(&THIS_HOST), peer.addr()) || holds(&nets(&PRIVATE), peer.addr());
        assert!(inside || client == without_headers, "1: {client:?}");
    }

    let addr = client.addr();
    let is_private = !input.private && holds(&nets(&PRIVATE), addr);
    let is_protected = is_private || holds(&trusted, addr) || holds(&nets(&THIS_HOST), addr);
    assert_eq!(addr, addr.to_canonical(), "2");
    if client.exempt_from_bans().is_none() {
        assert!(!is_protected, "2: {addr} could be banned");
    }
    assert!(client.exempt().is_none() || is_protected, "2: {client:?}");

    let header = ForwardedHeader::ALL[usize::from(input.header) % ForwardedHeader::ALL.len()];
    if client.is_forwarded() && !client.is_unknown() {
        let mut named = headers.get_all(header.name()).iter().flat_map(addresses);
        let is_named = named.any(|named| counts_as(named, addr, &trusted));
        assert!(is_named, "3: {addr} is not in the header");
    }
    let is_named = headers.contains_key(header.name());
    assert_eq!(client.is_forwarded(), is_trusted && is_named, "7");
    if client.is_unknown() {
        let is_limited = client.exempt().is_none() && client.exempt_from_bans().is_some();
        assert!(is_limited && !client.may_be_allowed(), "7: {client:?}");
    }
    let is_list = matches!(
        header,
        ForwardedHeader::XForwardedFor | ForwardedHeader::Forwarded
    );
    if is_list && client.is_forwarded() {
        let list = ListHeader::new(header, &headers);
        let is_end = client.is_unknown() && list.has_elements();
        if input.hops == 0 && (is_end || !client.is_unknown() && !holds(&trusted, addr)) {
            list.ignore_forged_entries(client, resolve);
        }
        list.ignore_empty_elements(client, resolve);
        if header == ForwardedHeader::Forwarded {
            list.ignore_quoted_text(client, resolve);
        }
    }
    if let IpAddr::V4(addr) = peer.addr() {
        converts(addr, &rules, &trusted);
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

/// A forwarding header that is a list, with all headers of the request.
struct ListHeader<'h> {
    name: HeaderName,
    headers: &'h HeaderMap,
    lines: Vec<&'h [u8]>,
}

impl<'h> ListHeader<'h> {
    fn new(header: ForwardedHeader, headers: &'h HeaderMap) -> Self {
        let name = HeaderName::from_static(header.name());
        let lines = headers.get_all(&name).iter().map(HeaderValue::as_bytes);
        let lines = lines.collect();
        Self {
            name,
            headers,
            lines,
        }
    }

    fn has_elements(&self) -> bool {
        let is_part = |byte: &u8| !matches!(byte, b',' | b' ' | b'\t');
        self.lines.iter().any(|line| line.iter().any(is_part))
    }

    /// All headers, with other lines of this one.
    fn replaced_by(&self, lines: &[&[u8]]) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.remove(&self.name);
        for line in lines {
            let value = HeaderValue::from_bytes(line).expect("bytes of a valid header value");
            headers.append(&self.name, value);
        }
        headers
    }

    /// Checks law 4 for a line before the first and for the beginning of the first line. The latter is
    /// left out if a proxy left a quote open.
    fn ignore_forged_entries(&self, client: ClientIp, resolve: impl Fn(&HeaderMap) -> ClientIp) {
        for forged in FORGED {
            let before = [&[forged.as_bytes()], &self.lines[..]].concat();
            assert_eq!(resolve(&self.replaced_by(&before)), client, "4: {forged}");
            if let Some((first, others)) = self.lines.split_first()
                && is_closed(first)
            {
                let longer = [forged.as_bytes(), b", ", first].concat();
                let lines = [&[&longer[..]], others].concat();
                assert_eq!(resolve(&self.replaced_by(&lines)), client, "4: {forged}");
            }
        }
    }

    /// Checks law 5 for lines before and after the others, and for the end of the last line.
    fn ignore_empty_elements(&self, client: ClientIp, resolve: impl Fn(&HeaderMap) -> ClientIp) {
        for empty in [&b""[..], b", ,"] {
            let before = [&[empty], &self.lines[..]].concat();
            let after = [&self.lines[..], &[empty]].concat();
            for lines in [before, after] {
                assert_eq!(resolve(&self.replaced_by(&lines)), client, "5: {lines:?}");
            }
        }
        if let Some((last, others)) = self.lines.split_last() {
            let longer = [*last, b", ,"].concat();
            let lines = [others, &[&longer[..]]].concat();
            assert_eq!(resolve(&self.replaced_by(&lines)), client, "5: {lines:?}");
        }
    }

    /// Checks law 6 for a pair before and after the pairs of the last line, if it is one element.
    fn ignore_quoted_text(&self, client: ClientIp, resolve: impl Fn(&HeaderMap) -> ClientIp) {
        let Some((last, others)) = self.lines.split_last() else {
            return;
        };
        let is_one = !last.trim_ascii().is_empty() && !last.contains(&b',') && is_closed(last);
        for forged in FORGED.iter().filter(|_| is_one) {
            let escaped = forged.replace('\\', "\\\\").replace('"', "\\\"");
            let pair = format!("host=\"{escaped}\"");
            let before = [pair.as_bytes(), b";", last].concat();
            let after = [*last, b";", pair.as_bytes()].concat();
            for longer in [before, after] {
                let lines = [others, &[&longer[..]]].concat();
                assert_eq!(resolve(&self.replaced_by(&lines)), client, "6: {pair}");
            }
        }
    }
}

/// Checks law 8 for all forms of an IPv4 address.
fn converts(addr: Ipv4Addr, rules: &ClientRules, trusted: &[IpNet]) {
    let ours = [&nets(&THIS_HOST)[..], &nets(&PRIVATE), &nets(&RESERVED)].concat();
    let is_public = !holds(&ours, addr.into()) && !holds(trusted, addr.into());
    for form in embeddings(addr) {
        let is_this_host = form.is_loopback() || form.is_unspecified();
        if is_this_host || holds(trusted, form.into()) {
            continue;
        }
        let peer = PeerAddr::new(SocketAddr::new(form.into(), 4711));
        let client = rules.resolve(peer, &HeaderMap::new());
        assert!(
            !client.via_trusted() && client.exempt().is_none(),
            "8: {form}"
        );
        if is_public {
            assert_eq!(
                client.network(),
                IpNet::from(IpAddr::from(addr)),
                "8: {form}"
            );
            assert!(!client.may_be_allowed(), "8: {form}");
        } else {
            assert_eq!(client.addr(), IpAddr::from(form), "8");
            let other = embeddings(Ipv4Addr::from_bits(addr.to_bits() ^ 1));
            let hit = other
                .iter()
                .find(|other| client.network().contains(&IpAddr::from(**other)));
            assert_eq!(hit, None, "8: a ban of {client} hits another host");
        }
    }
}

/// The IPv6 addresses that a host has by NAT64, as IPv4-compatible address, by 6to4 and by Teredo.
fn embeddings(addr: Ipv4Addr) -> [Ipv6Addr; 4] {
    let bits = u128::from(addr.to_bits());
    [
        0x64_ff9b << 96 | bits,
        bits,
        0x2002 << 112 | bits << 80 | 1,
        0x2001_0000_c000_0201_8000_f227_0000_0000 | bits ^ 0xffff_ffff,
    ]
    .map(Ipv6Addr::from_bits)
}

/// Returns `true` if an address that is named counts as the client `addr`.
fn counts_as(named: IpAddr, addr: IpAddr, trusted: &[IpNet]) -> bool {
    match (named, addr) {
        (IpAddr::V6(named), IpAddr::V4(addr)) => {
            let site = |addr: Ipv6Addr| addr.to_bits() >> 80;
            let [nat64, compatible, six_to_four, teredo] = embeddings(addr);
            let host = |addr: Ipv6Addr| addr.to_bits() & 0xffff_ffff;
            let is_teredo = named.segments()[..2] == [0x2001, 0] && host(named) == host(teredo);
            let is_embedded = named == nat64
                || named == compatible
                || site(named) == site(six_to_four)
                || is_teredo;
            is_embedded && !holds(trusted, addr.into())
        }
        _ => named == addr,
    }
}

/// Returns `true` if the number of quotes in a line is even, without those that a backslash escapes.
fn is_closed(line: &[u8]) -> bool {
    let (mut quotes, mut escaped) = (0, false);
    for &byte in line {
        quotes += usize::from(byte == b'"' && !escaped);
        escaped = byte == b'\\' && !escaped;
    }
    quotes % 2 == 0
}

/// Returns every address that occurs in a line, with or without a port, and with escapes of a quoted string
/// removed (RFC 9110, 5.6.4).
fn addresses(line: &HeaderValue) -> Vec<IpAddr> {
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
    let bytes = line.as_bytes().iter().copied();
    let unescaped: Vec<_> = bytes.filter(|&byte| byte != b'\\').collect();
    let words = unescaped.split(|byte| !is_part(byte));
    let words = words.filter_map(|word| str::from_utf8(word).ok());
    let named = words.flat_map(|word| {
        let bare = word.rsplit_once(':').map_or(word, |(bare, _port)| bare);
        [word.parse(), bare.parse::<IpAddr>()]
    });
    named.flatten().map(|addr| addr.to_canonical()).collect()
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
