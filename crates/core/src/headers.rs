//! The headers that inspectors look up, found in one pass.

use http::{HeaderMap, HeaderName, HeaderValue, header::ValueIter};

use crate::words;

/// Declares the known headers with their names, so that neither can be forgotten.
macro_rules! known_headers {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// A header that [`HeaderIndex`] finds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum KnownHeader {
            $($(#[$doc])* $variant,)+
        }

        impl KnownHeader {
            /// All headers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The header's name, in lower case.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        /// The names of [`KnownHeader::ALL`], parsed.
        static NAMES: [HeaderName; KnownHeader::ALL.len()] = [
            $(HeaderName::from_static($name),)+
        ];
    };
}

known_headers! {
    /// `Accept` (RFC 9110, 12.5.1)
    Accept = "accept",
    /// `Accept-Encoding` (RFC 9110, 12.5.3)
    AcceptEncoding = "accept-encoding",
    /// `Accept-Language` (RFC 9110, 12.5.4)
    AcceptLanguage = "accept-language",
    /// `Access-Control-Request-Method` (Fetch, 3.3.2)
    AccessControlRequestMethod = "access-control-request-method",
    /// `CF-Connecting-IP`, set by Cloudflare
    CfConnectingIp = "cf-connecting-ip",
    /// `CloudFront-Viewer-Address`, set by `CloudFront`
    CloudFrontViewerAddress = "cloudfront-viewer-address",
    /// `Connection` (RFC 9110, 7.6.1)
    Connection = "connection",
    /// `Content-Length` (RFC 9110, 8.6)
    ContentLength = "content-length",
    /// `Content-Type` (RFC 9110, 8.3)
    ContentType = "content-type",
    /// `Cookie` (RFC 6265, 5.4)
    Cookie = "cookie",
    /// `Expect` (RFC 9110, 10.1.1)
    Expect = "expect",
    /// `Forwarded` (RFC 7239)
    Forwarded = "forwarded",
    /// `Host` (RFC 9110, 7.2)
    Host = "host",
    /// `HTTP2-Settings` (RFC 7540, 3.2.1)
    Http2Settings = "http2-settings",
    /// `Origin` (Fetch, 3.2)
    Origin = "origin",
    /// `Referer` (RFC 9110, 10.1.3)
    Referer = "referer",
    /// `Sec-Fetch-Dest` (Fetch Metadata, 2.1)
    SecFetchDest = "sec-fetch-dest",
    /// `Sec-Fetch-Site` (Fetch Metadata, 2.3)
    SecFetchSite = "sec-fetch-site",
    /// `Sec-Purpose` (Fetch, 3.9)
    SecPurpose = "sec-purpose",
    /// `Sec-WebSocket-Key` (RFC 6455, 11.3.1)
    SecWebSocketKey = "sec-websocket-key",
    /// `Sec-WebSocket-Protocol` (RFC 6455, 11.3.4)
    SecWebSocketProtocol = "sec-websocket-protocol",
    /// `Sec-WebSocket-Version` (RFC 6455, 11.3.5)
    SecWebSocketVersion = "sec-websocket-version",
    /// `Transfer-Encoding` (RFC 9112, 6.1)
    TransferEncoding = "transfer-encoding",
    /// `True-Client-IP`, set by Akamai and Cloudflare
    TrueClientIp = "true-client-ip",
    /// `Upgrade` (RFC 9110, 7.8)
    Upgrade = "upgrade",
    /// `Upgrade-Insecure-Requests` (Upgrade Insecure Requests, 3.2.1)
    UpgradeInsecureRequests = "upgrade-insecure-requests",
    /// `User-Agent` (RFC 9110, 10.1.5)
    UserAgent = "user-agent",
    /// `X-Forwarded-For`
    XForwardedFor = "x-forwarded-for",
    /// `X-Forwarded-Proto`
    XForwardedProto = "x-forwarded-proto",
    /// `X-Original-URL`, set by IIS
    XOriginalUrl = "x-original-url",
    /// `X-Real-IP`, commonly set in nginx
    XRealIp = "x-real-ip",
    /// `X-Rewrite-URL`, set by `ISAPI_Rewrite`
    XRewriteUrl = "x-rewrite-url",
}

/// The headers of one request that inspectors look up.
///
/// They are found in one pass over all headers ([`Self::new`]), or, where few are read, one by one
/// ([`Self::direct`]). Both give the same answers.
///
/// # Cost
///
/// The pass takes about 90 instructions per header, a lookup a few; a lookup without the pass takes
/// 100 to 150.
///
/// # Examples
///
/// ```
/// use gabion_core::{HeaderIndex, KnownHeader};
/// use http::HeaderMap;
///
/// let mut headers = HeaderMap::new();
/// headers.append("host", "a.example".parse().unwrap());
/// headers.append("host", "b.example".parse().unwrap());
/// let index = HeaderIndex::new(&headers);
/// assert_eq!(index.first(KnownHeader::Host).unwrap(), "a.example");
/// assert!(index.lines(KnownHeader::Host).eq([&b"a.example"[..], b"b.example"]));
/// assert!(!index.contains(KnownHeader::Origin));
/// assert_eq!(index.bytes(), 2 * (4 + 9));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HeaderIndex<'r> {
    headers: &'r HeaderMap,
    /// A bit for each known header that may be present.
    present: u32,
    /// A bit for each known header that may have several lines.
    repeated: u32,
    /// The first line of each known header, as far as it was found.
    first: [Option<&'r HeaderValue>; KnownHeader::ALL.len()],
    /// `None` without a pass over all headers.
    totals: Option<Totals>,
}

/// The findings of a pass over all headers, besides lines.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    bytes: usize,
    has_irregular_name: bool,
}

/// The lines of a header, from [`HeaderIndex::lines`].
#[derive(Debug)]
pub struct HeaderLines<'r>(Lines<'r>);

#[derive(Debug)]
enum Lines<'r> {
    Single(Option<&'r HeaderValue>),
    Several(ValueIter<'r, HeaderValue>),
}

// === impl KnownHeader ===

impl KnownHeader {
    /// The number of places in [`BY_PLACE`], a power of two.
    const PLACES: usize = 128;

    /// A perfect hash of the known names, by length, first and last byte.
    #[expect(
        clippy::indexing_slicing,
        reason = "the last byte of a name that is not empty"
    )]
    const fn place(name: &[u8]) -> usize {
        match name {
            [] => 0,
            [first, ..] => {
                let (first, last) = (*first as usize, name[name.len() - 1] as usize);
                (name.len() * 4 + first * 13 + last) % Self::PLACES
            }
        }
    }

    /// The header with this name, of which `text` is the text.
    #[inline]
    fn from_name(name: &HeaderName, text: &str) -> Option<Self> {
        let known = (*BY_PLACE.get(Self::place(text.as_bytes()))?)?;
        (NAMES.get(known as usize)? == name).then_some(known)
    }

    #[expect(clippy::indexing_slicing, reason = "each header has a name")]
    const fn parsed(self) -> &'static HeaderName {
        &NAMES[self as usize]
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// The known headers by the [`KnownHeader::place`] of their names. The table does not compile if two
/// names have the same place.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
static BY_PLACE: [Option<KnownHeader>; KnownHeader::PLACES] = {
    assert!(
        KnownHeader::ALL.len() <= 32,
        "one bit of `HeaderIndex` each"
    );
    let mut table = [None; KnownHeader::PLACES];
    let mut at = 0;
    while at < KnownHeader::ALL.len() {
        let known = KnownHeader::ALL[at];
        let place = KnownHeader::place(known.name().as_bytes());
        assert!(table[place].is_none(), "change the factors in `place`");
        table[place] = Some(known);
        at += 1;
    }
    table
};

// === impl HeaderIndex ===

impl<'r> HeaderIndex<'r> {
    /// Indexes `headers`.
    #[inline]
    pub fn new(headers: &'r HeaderMap) -> Self {
        let mut index = Self::direct(headers);
        index.pass_over_all();
        index
    }

    /// Looks each header up in `headers` when it is read.
    #[inline]
    pub const fn direct(headers: &'r HeaderMap) -> Self {
        Self {
            headers,
            present: u32::MAX,
            repeated: u32::MAX,
            first: [None; KnownHeader::ALL.len()],
            totals: None,
        }
    }

    /// Finds the known headers and the totals.
    // In place and not inlined: a copy of the result would cost as much as two headers.
    #[inline(never)]
    pub(crate) fn pass_over_all(&mut self) {
        (self.present, self.repeated) = (0, 0);
        let (mut bytes, mut has_irregular_name) = (0_usize, false);
        for (name, value) in self.headers {
            let text = name.as_str();
            // The bytes are in memory, so that their number does not overflow.
            bytes = bytes.wrapping_add(text.len()).wrapping_add(value.len());
            match KnownHeader::from_name(name, text) {
                Some(known) => self.add(known, value),
                // No known name is irregular.
                None => {
                    has_irregular_name |=
                        words::may_be_irregular(text.as_bytes()) && is_irregular_name(text);
                }
            }
        }
        self.totals = Some(Totals {
            bytes,
            has_irregular_name,
        });
    }

    fn add(&mut self, known: KnownHeader, value: &'r HeaderValue) {
        if let Some(first) = self.first.get_mut(known as usize) {
            self.repeated |= self.present & known.bit();
            self.present |= known.bit();
            first.get_or_insert(value);
        }
    }

    /// The first line of a header.
    #[inline]
    pub fn first(&self, header: KnownHeader) -> Option<&'r HeaderValue> {
        if self.present & header.bit() == 0 {
            return None;
        }
        let found = self.first.get(header as usize).copied().flatten();
        found.or_else(|| self.look_up(header))
    }

    #[cold]
    fn look_up(&self, header: KnownHeader) -> Option<&'r HeaderValue> {
        self.headers.get(header.parsed())
    }

    /// Returns `true` if the request has the header.
    #[inline]
    pub fn contains(&self, header: KnownHeader) -> bool {
        self.first(header).is_some()
    }

    /// Returns `true` if the header has several lines.
    #[inline]
    pub fn is_repeated(&self, header: KnownHeader) -> bool {
        self.repeated & header.bit() != 0 && self.all_lines(header).nth(1).is_some()
    }

    /// The value of a header that has exactly one line.
    #[inline]
    pub fn single(&self, header: KnownHeader) -> Option<&'r HeaderValue> {
        self.first(header).filter(|_| !self.is_repeated(header))
    }

    /// The lines of a header, in order.
    #[inline]
    pub fn lines(&self, header: KnownHeader) -> HeaderLines<'r> {
        HeaderLines(if self.repeated & header.bit() == 0 {
            Lines::Single(self.first(header))
        } else {
            Lines::Several(self.all_lines(header))
        })
    }

    #[cold]
    fn all_lines(&self, header: KnownHeader) -> ValueIter<'r, HeaderValue> {
        self.headers.get_all(header.parsed()).iter()
    }

    /// The elements of a list header, as [`tokens`](crate::tokens) returns them.
    #[inline]
    pub fn tokens(&self, header: KnownHeader) -> impl Iterator<Item = &'r [u8]> + use<'r> {
        let elements = self
            .lines(header)
            .flat_map(|line| line.split(|&byte| byte == b','));
        let trimmed = elements.map(<[u8]>::trim_ascii);
        trimmed.filter(|token| !token.is_empty())
    }

    /// The length of all names and values.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.totals().bytes
    }

    /// Returns `true` if [`is_irregular_name`] for the name of a header.
    #[inline]
    pub fn has_irregular_name(&self) -> bool {
        self.totals().has_irregular_name
    }

    #[inline]
    fn totals(&self) -> Totals {
        let pass = || Self::new(self.headers).totals.unwrap_or_default();
        self.totals.unwrap_or_else(pass)
    }
}

/// Returns `true` if a header name has a character other than letters, digits and `-`, or several
/// `-` in a row. Some servers replace or merge these, and read another name.
pub fn is_irregular_name(name: &str) -> bool {
    let is_regular = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !name.bytes().all(is_regular) || name.contains("--")
}

// === impl HeaderLines ===

impl<'r> Iterator for HeaderLines<'r> {
    type Item = &'r [u8];

    #[inline]
    fn next(&mut self) -> Option<&'r [u8]> {
        let line = match &mut self.0 {
            Lines::Single(line) => line.take(),
            Lines::Several(lines) => lines.next(),
        };
        line.map(HeaderValue::as_bytes)
    }
}

impl DoubleEndedIterator for HeaderLines<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let line = match &mut self.0 {
            Lines::Single(line) => line.take(),
            Lines::Several(lines) => lines.next_back(),
        };
        line.map(HeaderValue::as_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_known_header_is_found_by_its_name() {
        for (at, &known) in KnownHeader::ALL.iter().enumerate() {
            let mut headers = HeaderMap::new();
            headers.insert("x-a", HeaderValue::from_static("a"));
            headers.insert(known.name(), HeaderValue::from_static("first"));
            let index = HeaderIndex::new(&headers);
            assert_eq!(index.single(known).unwrap(), "first");
            assert!(index.lines(known).eq([b"first"]));
            assert_eq!(index.first.iter().flatten().count(), 1, "{known:?}");
            assert_eq!(known as usize, at);
            assert!(!index.has_irregular_name());
            assert!(!is_irregular_name(known.name()));
            headers.append(known.name(), HeaderValue::from_static("second"));
            let index = HeaderIndex::new(&headers);
            assert_eq!(
                (index.single(known), index.is_repeated(known)),
                (None, true)
            );
            assert_eq!(index.first(known).unwrap(), "first");
            assert!(index.lines(known).eq([&b"first"[..], b"second"]));
            assert!(index.lines(known).rev().eq([&b"second"[..], b"first"]));
        }
    }

    fn index_finds_irregular(name: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_static("a"),
        );
        HeaderIndex::new(&headers).has_irregular_name()
    }

    #[test]
    fn irregular_names_are_found_at_any_position() {
        for part in ["_", ".", "--", "|", "~", "`", "^", "!", "#", "-_", "1."] {
            for before in 0..20 {
                for after in 0..10 {
                    let name = format!("{}{part}{}", "a".repeat(before), "z".repeat(after));
                    assert!(index_finds_irregular(&name), "{name}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn irregular_names_are_those_of_a_search_byte_by_byte(
            name in "([a-z]{1,9}|[0-9]|-|[!#$%&'*+.^_`|~]){1,6}",
        ) {
            prop_assert_eq!(index_finds_irregular(&name), is_irregular_name(&name));
        }
    }
}
