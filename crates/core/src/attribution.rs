//! The degree to which a request can be held against its client.

use http::{Method, header::VIA};

use crate::{Facts, KnownHeader, Scheme, Upgrade};

/// The degree to which a request can be held against the client that sent it. See
/// [`Facts::attribution`](crate::Facts::attribution).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "certain, possible with others, or never"
)]
pub enum Attribution {
    /// Only the client itself can have sent the request: no web page can make a browser send it.
    Certain,
    /// Any page that the client visits could have made its browser send the request: by a link, an
    /// image or a form. One such request is not enough for a ban; several with different paths are.
    Forgeable {
        /// A hash of the path, to count different paths.
        path: u64,
    },
    /// By the browser's own headers, a page of another origin caused the request or may have caused
    /// it. Never counts toward a ban.
    CrossSite,
}

impl Facts<'_> {
    /// Returns the degree to which the request can be held against the client, or could have been
    /// caused by any page that the client visits.
    ///
    /// What the browser reports comes first, for any method and path: that a page of another origin
    /// caused the request, in `Sec-Fetch-Site` if the connection is trustworthy (TLS, loopback), else
    /// in `Origin` or `Referer`, unless the page suppresses those; that the request is a CORS
    /// preflight, which only such pages cause (Fetch, 4.8); or that the browser loads a page in
    /// advance (`Sec-Purpose`), which a page can cause without a report of its site. A client that
    /// is not a browser can send these headers too; its requests are then denied but do not count
    /// toward a ban.
    ///
    /// Without such a report, a page can cause GET, HEAD and POST requests to any host, with any
    /// path that a URL can contain (Fetch, 2.2.1: methods that need no preflight), and open
    /// WebSockets, of whose handshake a proxy may remove a part. A document can make a file manager
    /// send OPTIONS and PROPFIND. Neither can cause other methods.
    ///
    /// Over plain HTTP, browsers do not report the site, and a page can suppress its `Origin` and `Referer`
    /// for GET and HEAD. Such a request with the headers of a browser therefore does not count either.
    ///
    /// A browser sends no other upgrade, and no path that it rewrites: with dot segments, backslashes
    /// or bytes that browsers escape (WHATWG URL, path state). But a proxy may offer an upgrade of
    /// its own, and decode what the browser escaped. So these are evidence only from a peer that is
    /// not a proxy.
    pub fn attribution(&self) -> Attribution {
        if self.reports_cross_site() {
            return Attribution::CrossSite;
        }
        if !self.has_method_of_pages() || !self.has_form_of_browsers() && !self.is_via_proxy() {
            return Attribution::Certain;
        }
        if self.could_be_unreported() {
            return Attribution::CrossSite;
        }
        let path = self.path.hash();
        Attribution::Forgeable { path }
    }

    /// Returns `true` if the browser reports that a page of another origin caused the request, or may have
    /// caused it in advance. A client that is not a browser can send such a report, too.
    pub fn reports_cross_site(&self) -> bool {
        self.is_cross_site() || self.is_prefetch() || self.is_preflight()
    }

    /// Returns `true` if the browser reports that a page of this origin, or a person, caused the request.
    /// A client that is not a browser can send such a report, too.
    pub fn reports_same_site(&self) -> bool {
        self.has_site_report() && !self.is_cross_site()
    }

    /// Returns `true` if the browser reports which page caused the request, or that none did.
    pub fn has_site_report(&self) -> bool {
        const REPORTS: [KnownHeader; 3] = [
            KnownHeader::SecFetchSite,
            KnownHeader::Origin,
            KnownHeader::Referer,
        ];
        REPORTS.iter().any(|report| self.index.contains(*report))
    }

    /// Returns `true` if a page or a document can cause a request with this method. CONNECT opens a
    /// WebSocket over HTTP/2 (RFC 8441).
    fn has_method_of_pages(&self) -> bool {
        matches!(*self.method, Method::GET | Method::HEAD | Method::POST)
            || matches!(self.method.as_str(), "OPTIONS" | "PROPFIND")
            || self.upgrade == Upgrade::WebSocket
    }

    /// Returns `true` if a browser sends such an upgrade and path. A proxy that speaks HTTP/1.0 or
    /// drops `Connection` makes the handshake of a WebSocket incomplete.
    fn has_form_of_browsers(&self) -> bool {
        let upgrade = matches!(
            self.upgrade,
            Upgrade::None | Upgrade::WebSocket | Upgrade::Incomplete
        );
        upgrade && self.path.could_be_link()
    }

    /// Returns `true` if the peer is a trusted proxy, or sends the headers of a proxy.
    #[cold]
    fn is_via_proxy(&self) -> bool {
        const BY_PROXIES: [KnownHeader; 7] = [
            KnownHeader::CfConnectingIp,
            KnownHeader::CloudFrontViewerAddress,
            KnownHeader::Forwarded,
            KnownHeader::TrueClientIp,
            KnownHeader::XForwardedFor,
            KnownHeader::XForwardedProto,
            KnownHeader::XRealIp,
        ];
        self.client.via_trusted()
            || self.client.is_forwarded()
            || BY_PROXIES.iter().any(|header| self.index.contains(*header))
            || self.headers.contains_key(VIA)
    }

    /// Returns `true` if a browser may have sent the request over plain HTTP for a page that suppresses
    /// its URL. Every browser sends `Accept-Language`; few tools do. A hop may change `Accept-Encoding`.
    fn could_be_unreported(&self) -> bool {
        self.scheme == Scheme::Plain
            && matches!(*self.method, Method::GET | Method::HEAD)
            && !self.has_site_report()
            && (self.index.lines(KnownHeader::UserAgent))
                .any(|name| name.starts_with(b"Mozilla/5.0 ("))
            && self.index.contains(KnownHeader::AcceptLanguage)
            && (self.client.via_trusted()
                || (self.index.tokens(KnownHeader::AcceptEncoding))
                    .any(|coding| coding.eq_ignore_ascii_case(b"deflate"))
                || self.is_via_proxy())
    }

    /// Returns `true` if the browser loads a page in advance: by a prefetch or a prerender.
    fn is_prefetch(&self) -> bool {
        let mut purposes = self.index.lines(KnownHeader::SecPurpose);
        purposes.any(|purpose| purpose.trim_ascii_start().starts_with(b"prefetch"))
    }

    /// Returns `true` if a browser asks in advance if a page of another origin may send a request.
    fn is_preflight(&self) -> bool {
        *self.method == Method::OPTIONS
            && self.index.contains(KnownHeader::AccessControlRequestMethod)
    }

    /// Returns `true` if the browser reports that a page of another origin caused the request.
    fn is_cross_site(&self) -> bool {
        if self.index.contains(KnownHeader::SecFetchSite) {
            let foreign = |site: &[u8]| matches!(site, b"cross-site" | b"same-site");
            return self.index.lines(KnownHeader::SecFetchSite).any(foreign);
        }
        let pages = [KnownHeader::Origin, KnownHeader::Referer];
        let page = pages.into_iter().find(|page| self.index.contains(*page));
        let host = self.host();
        let foreign = |page: &[u8]| !host.is_some_and(|host| is_at(page, host));
        page.is_some_and(|page| self.index.lines(page).any(foreign))
    }
}

/// Returns `true` if `url` names this host and port. A text that is not a URL, such as the origin `null`,
/// names none. Only as much of a long URL is read as decides.
fn is_at(url: &[u8], host: &[u8]) -> bool {
    /// The longest scheme with its slashes.
    const MAX_SCHEME: usize = 64;
    let scheme = url.get(..MAX_SCHEME).unwrap_or(url);
    let mut slashes = (1..).zip(scheme).filter(|(_, byte)| **byte == b'/');
    let authority = slashes.nth(1).and_then(|(after, _)| url.get(after..));
    let rest = authority.and_then(|authority| authority.strip_prefix(host));
    matches!(rest, Some([] | [b'/', ..]))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use http::{HeaderMap, HeaderName, Uri, Version};

    use super::*;
    use crate::{ClientRules, Framing, Head, Now, PeerAddr};

    type Headers = &'static [(&'static str, &'static str)];

    /// A request without a report of the browser.
    struct Sent {
        method: &'static str,
        target: &'static [u8],
        version: Version,
        protocol: Option<&'static str>,
        headers: Headers,
        peer: [u8; 4],
    }

    const SENT: Sent = Sent {
        method: "GET",
        target: b"/.env",
        version: Version::HTTP_11,
        protocol: None,
        headers: &[],
        peer: [203, 0, 113, 9],
    };

    const UPGRADE: (&str, &str) = ("upgrade", "websocket");

    /// Returns `true` if only the client itself can have caused the request.
    fn is_certain(sent: &Sent) -> bool {
        attribution(sent) == Attribution::Certain
    }

    fn attribution(sent: &Sent) -> Attribution {
        let (method, uri) = (sent.method.parse().unwrap(), Uri::try_from(sent.target));
        let name = |name: &str| -> HeaderName { name.parse().unwrap() };
        let headers: HeaderMap = sent
            .headers
            .iter()
            .map(|(header, value)| (name(header), value.parse().unwrap()))
            .collect();
        let head = Head {
            method: &method,
            uri: &uri.unwrap(),
            version: sent.version,
            headers: &headers,
            protocol: sent.protocol,
            framing: Framing::AsShown,
            scheme: Scheme::Plain,
        };
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let rules = ClientRules::default().with_trusted(trusted).unwrap();
        let peer = PeerAddr::new((sent.peer, 4711).into());
        let facts = Facts::resolve(head, peer, &rules, Now::new(Duration::ZERO, UNIX_EPOCH));
        facts.attribution()
    }

    #[test]
    fn page_can_open_a_websocket_over_any_hop() {
        let connect = Sent {
            method: "CONNECT",
            version: Version::HTTP_2,
            ..SENT
        };
        for (what, sent, certain) in [
            (
                "a proxy drops `Connection`",
                Sent {
                    headers: &[UPGRADE],
                    ..SENT
                },
                false,
            ),
            (
                "a proxy speaks HTTP/1.0",
                Sent {
                    headers: &[UPGRADE, ("connection", "upgrade")],
                    version: Version::HTTP_10,
                    ..SENT
                },
                false,
            ),
            (
                "WebSocket over HTTP/2",
                Sent {
                    protocol: Some("websocket"),
                    ..connect
                },
                false,
            ),
            (
                "other protocol over HTTP/2",
                Sent {
                    protocol: Some("connect-udp"),
                    ..connect
                },
                true,
            ),
            (
                "h2c",
                Sent {
                    headers: &[("upgrade", "h2c"), ("connection", "upgrade")],
                    ..SENT
                },
                true,
            ),
        ] {
            assert_eq!(is_certain(&sent), certain, "{what}");
        }
    }

    #[test]
    fn browser_without_a_report_is_not_held_responsible_over_plain_http() {
        const BROWSER: Headers = &[
            (
                "user-agent",
                "Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0",
            ),
            ("accept-language", "en-US,en;q=0.9"),
            ("accept-encoding", "gzip, deflate"),
        ];
        let with = |more: &[(&'static str, &'static str)]| -> Headers {
            Box::leak([BROWSER, more].concat().into_boxed_slice())
        };
        let secure = [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", "203.0.113.9"),
        ];
        let proxied = [("x-forwarded-for", "203.0.113.9")];
        for (what, method, headers, peer, counts) in [
            ("browser", "GET", BROWSER, SENT.peer, false),
            ("browser", "HEAD", BROWSER, SENT.peer, false),
            ("Origin is always sent", "POST", BROWSER, SENT.peer, true),
            (
                "TLS: the site would be reported",
                "GET",
                with(&secure),
                [10, 0, 0, 7],
                true,
            ),
            ("no language", "GET", &BROWSER[..1], SENT.peer, true),
            (
                "no language",
                "GET",
                const { &[BROWSER[0], BROWSER[2]] },
                SENT.peer,
                true,
            ),
            ("a tool", "GET", &BROWSER[1..], SENT.peer, true),
            ("only gzip", "GET", &BROWSER[..2], SENT.peer, true),
            (
                "a hop changed the coding",
                "GET",
                with(&proxied),
                [10, 0, 0, 7],
                false,
            ),
            (
                "reported: by the address bar",
                "GET",
                with(&[("sec-fetch-site", "none")]),
                SENT.peer,
                true,
            ),
            (
                "a page of the site",
                "GET",
                with(&[("host", "a"), ("referer", "http://a/")]),
                SENT.peer,
                true,
            ),
        ] {
            let sent = Sent {
                method,
                headers,
                peer,
                ..SENT
            };
            let forgeable = matches!(attribution(&sent), Attribution::Forgeable { .. });
            assert_eq!(forgeable, counts, "{method}: {what}");
        }
    }

    #[test]
    fn form_that_browsers_do_not_send_is_evidence_without_a_proxy_only() {
        let proxies: [(Headers, [u8; 4]); 4] = [
            (&[("x-forwarded-for", "203.0.113.9")], [10, 0, 0, 7]),
            (&[], [10, 0, 0, 7]),
            (&[("x-forwarded-for", "203.0.113.9")], [198, 51, 100, 7]),
            (&[("via", "1.1 cache")], [198, 51, 100, 7]),
        ];
        let targets: [&[u8]; 7] = [
            b"/x{/.env",
            b"/x\\/.env",
            b"/x\"/.env",
            b"/caf\xc3\xa9/.env",
            b"/a/../.env",
            b"/a/%2e%2e/.env",
            b"/./.env",
        ];
        for target in targets {
            let sent = Sent { target, ..SENT };
            let shown = target.escape_ascii();
            assert!(is_certain(&sent), "{shown} from the peer itself");
            for (headers, peer) in proxies {
                let sent = Sent {
                    target,
                    headers,
                    peer,
                    ..SENT
                };
                assert!(!is_certain(&sent), "{shown} via {peer:?} {headers:?}");
            }
        }
        let caret = Sent {
            target: b"/x^/.env",
            ..SENT
        };
        assert!(!is_certain(&caret), "older browsers send it raw");
        let h2c = Sent {
            headers: &[("upgrade", "h2c"), ("via", "1.1 gateway")],
            ..SENT
        };
        assert!(!is_certain(&h2c), "an HTTP client that offers it by itself");
    }

    #[test]
    fn method_is_evidence_through_any_proxy_unless_documents_cause_it() {
        for (method, certain) in [
            ("GET", false),
            ("HEAD", false),
            ("POST", false),
            ("OPTIONS", false),
            ("PROPFIND", false),
            ("PUT", true),
            ("DELETE", true),
            ("TRACE", true),
            ("MKCOL", true),
        ] {
            let direct = Sent { method, ..SENT };
            assert_eq!(is_certain(&direct), certain, "{method}");
            let behind = Sent {
                method,
                headers: &[("x-forwarded-for", "203.0.113.9")],
                peer: [10, 0, 0, 7],
                ..SENT
            };
            assert_eq!(is_certain(&behind), certain, "{method} behind a proxy");
        }
    }

    #[test]
    fn url_is_at_its_whole_host_only() {
        for (url, is) in [
            ("https://a.example", true),
            ("https://a.example/page/", true),
            ("https://a.example:8443/", false),
            ("https://a.example.test/", false),
            ("https://test/a.example", false),
            ("a.example", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(is_at(url.as_bytes(), b"a.example"), is, "{url}");
        }
    }
}
