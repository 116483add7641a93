//! Headers that make a claim about the sender or the target of a request.
//!
//! Servers trust these headers because a proxy in front is supposed to write them. Any client can
//! write them too, and most proxies pass on those that they do not write themselves. This table
//! serves the resolution of the client, the forwarding of requests and the handling of `Connection`.

use std::fmt;

use crate::words;

/// Declares the claims with the names of their headers, so that neither can be forgotten.
macro_rules! claims {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// A header, or a family of headers, that makes a claim about the sender or the target of a
        /// request. Only a trusted proxy may write one
        /// ([`ClientRules::with_trusted_headers`](crate::ClientRules::with_trusted_headers)).
        ///
        /// # Examples
        ///
        /// ```
        /// use gabion_core::Claim;
        ///
        /// assert_eq!(Claim::of("x-real-ip"), Some(Claim::XRealIp));
        /// assert_eq!(Claim::of("x_real.ip"), Some(Claim::XRealIp), "as CGI servers read it");
        /// assert_eq!(Claim::of("x-ssl-client-verify"), Some(Claim::XSslClient));
        /// assert_eq!(Claim::of("x-requested-with"), None);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Claim {
            $($(#[$doc])* $variant,)+
        }

        impl Claim {
            /// All claims, in the order of their names.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The header's name, in lower case; `-*` at its end stands for every name that continues
            /// after `-`. Policy documents use the same names.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The claim with this name.
            fn exact(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

claims! {
    /// `CF-Connecting-IP`, set by Cloudflare.
    CfConnectingIp = "cf-connecting-ip",
    /// `CF-Connecting-IPv6`, set by Cloudflare.
    CfConnectingIpv6 = "cf-connecting-ipv6",
    /// `Client-Cert` and `Client-Cert-Chain` (RFC 9440).
    ClientCert = "client-cert-*",
    /// `Client-IP`
    ClientIp = "client-ip",
    /// `CloudFront-Viewer-Address`, set by `CloudFront`.
    CloudFrontViewerAddress = "cloudfront-viewer-address",
    /// `Fastly-Client-IP`, set by Fastly.
    FastlyClientIp = "fastly-client-ip",
    /// `Fly-Client-IP`, set by Fly.io.
    FlyClientIp = "fly-client-ip",
    /// `Forwarded` (RFC 7239)
    Forwarded = "forwarded",
    /// `Proxy`, which CGI servers read as the address of their own proxy (httpoxy, CVE-2016-5385).
    Proxy = "proxy",
    /// `Proxy-Client-IP`, set by a `WebLogic` plug-in.
    ProxyClientIp = "proxy-client-ip",
    /// `Remote-User` and the like: a user whom a proxy has authenticated.
    Remote = "remote-*",
    /// `SSL-Client-Verify` and the like: the client's certificate.
    SslClient = "ssl-client-*",
    /// `True-Client-IP`, set by Akamai and Cloudflare.
    TrueClientIp = "true-client-ip",
    /// `WL-Proxy-Client-IP`, set by a `WebLogic` plug-in.
    WlProxyClientIp = "wl-proxy-client-ip",
    /// `X-Client-IP`
    XClientIp = "x-client-ip",
    /// `X-Cluster-Client-IP`
    XClusterClientIp = "x-cluster-client-ip",
    /// The other headers that begin with `X-Forwarded-`.
    XForwarded = "x-forwarded-*",
    /// `X-Forwarded-Client-Cert`, set by Envoy.
    XForwardedClientCert = "x-forwarded-client-cert",
    /// `X-Forwarded-Email`, set by `OAuth2` Proxy.
    XForwardedEmail = "x-forwarded-email",
    /// `X-Forwarded-For`
    XForwardedFor = "x-forwarded-for",
    /// `X-Forwarded-Groups`, set by `OAuth2` Proxy.
    XForwardedGroups = "x-forwarded-groups",
    /// `X-Forwarded-Host`
    XForwardedHost = "x-forwarded-host",
    /// `X-Forwarded-Port`
    XForwardedPort = "x-forwarded-port",
    /// `X-Forwarded-Prefix`, set by Traefik.
    XForwardedPrefix = "x-forwarded-prefix",
    /// `X-Forwarded-Proto`
    XForwardedProto = "x-forwarded-proto",
    /// `X-Forwarded-Server`, set by Apache.
    XForwardedServer = "x-forwarded-server",
    /// `X-Forwarded-SSL`
    XForwardedSsl = "x-forwarded-ssl",
    /// `X-Forwarded-User`, set by `OAuth2` Proxy.
    XForwardedUser = "x-forwarded-user",
    /// `X-Original-Host`, `X-Original-For` and the like, set by ASP.NET and Azure.
    XOriginal = "x-original-*",
    /// `X-Original-URL`, set by IIS: a [URL override](Self::is_url_override).
    XOriginalUrl = "x-original-url",
    /// `X-Originating-IP`
    XOriginatingIp = "x-originating-ip",
    /// `X-Override-URL`
    XOverrideUrl = "x-override-url",
    /// `X-Real-IP`, commonly set in nginx.
    XRealIp = "x-real-ip",
    /// `X-Remote-User`, `X-Remote-IP` and the like.
    XRemote = "x-remote-*",
    /// The other headers that begin with `X-Rewrite-`.
    XRewrite = "x-rewrite-*",
    /// `X-Rewrite-URL`, set by `ISAPI_Rewrite`: a [URL override](Self::is_url_override).
    XRewriteUrl = "x-rewrite-url",
    /// `X-Script-Name`, which WSGI servers remove from the path.
    XScriptName = "x-script-name",
    /// `X-SSL-Client-Verify` and the like: the client's certificate.
    XSslClient = "x-ssl-client-*",
}

/// A set of [`Claim`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClaimSet(u64);

/// The longest name that is compared. All exact names are shorter.
const MAX_NAME: usize = 48;

/// The families, with their names without `-*`.
const FAMILIES: [(&str, Claim); 8] = [
    ("client-cert", Claim::ClientCert),
    ("remote", Claim::Remote),
    ("ssl-client", Claim::SslClient),
    ("x-forwarded", Claim::XForwarded),
    ("x-original", Claim::XOriginal),
    ("x-remote", Claim::XRemote),
    ("x-rewrite", Claim::XRewrite),
    ("x-ssl-client", Claim::XSslClient),
];

// === impl Claim ===

impl Claim {
    /// The claims that balancers and proxies usually write over what their clients sent.
    pub const USUAL: ClaimSet = ClaimSet::EMPTY
        .with(Self::XForwardedFor)
        .with(Self::XForwardedHost)
        .with(Self::XForwardedPort)
        .with(Self::XForwardedProto);

    /// The claim that a header with this lower-case name makes.
    ///
    /// Each run of characters other than letters and digits is read as one `-`: CGI and its
    /// successors (RFC 3875, section 4.1.18) do not tell `x_real.ip` from `x-real-ip`.
    ///
    /// # Cost
    ///
    /// A comparison of up to five bytes for most names. About 200 instructions for a name that begins
    /// like a claim.
    #[inline]
    pub fn of(name: &str) -> Option<Self> {
        let is_candidate = begins_like_a_claim(name.as_bytes());
        is_candidate.then(|| Self::find(name)).flatten()
    }

    fn find(name: &str) -> Option<Self> {
        if words::may_be_irregular(name.as_bytes()) {
            return Self::find_folded(name);
        }
        Self::find_regular(name)
    }

    #[cold]
    fn find_folded(name: &str) -> Option<Self> {
        let mut buffer = [0; MAX_NAME];
        let mut len = 0_usize;
        for (place, byte) in buffer.iter_mut().zip(folded_name(name)) {
            *place = byte;
            len = len.saturating_add(1);
        }
        Self::find_regular(str::from_utf8(buffer.get(..len)?).ok()?)
    }

    fn find_regular(name: &str) -> Option<Self> {
        Self::exact(name).or_else(|| {
            let mut families = FAMILIES.iter();
            let family = families.find(|(stem, _)| continues(name, stem));
            family.map(|&(_, claim)| claim)
        })
    }

    /// Returns `true` if servers take the path from the header instead of the target, so that it
    /// bypasses path rules: Symfony, Zend and Yii did for years (CVE-2018-14773).
    pub const fn is_url_override(self) -> bool {
        matches!(self, Self::XOriginalUrl | Self::XRewriteUrl)
    }

    const fn bit(self) -> u64 {
        1 << self as u64
    }
}

/// Returns `true` if the first bytes of `name` are those of a claim, so that most names need no search.
const fn begins_like_a_claim(name: &[u8]) -> bool {
    match name {
        [b'x', separator, rest @ ..] => {
            !separator.is_ascii_alphanumeric()
                && match rest {
                    [first, ..] if !first.is_ascii_alphanumeric() => true,
                    [b'r', b'e', third, ..] => matches!(third, b'a' | b'm' | b'w'),
                    [b'c', second, ..] => *second == b'l',
                    [b'f' | b'o' | b's', ..] => true,
                    _ => false,
                }
        }
        [first, second, third, ..] => matches!(
            (*first, *second, *third),
            (b'c', b'f', _)
                | (b'c', b'l', b'i' | b'o')
                | (b'f', b'a', b's')
                | (b'f', b'l', b'y')
                | (b'f', b'o', b'r')
                | (b'p', b'r', b'o')
                | (b'r', b'e', b'm')
                | (b's', b's', b'l')
                | (b't', b'r', b'u')
                | (b'w', b'l', _)
        ),
        _ => false,
    }
}

/// Returns `true` if `name` is `stem`, or continues it after `-`.
fn continues(name: &str, stem: &str) -> bool {
    let rest = name.strip_prefix(stem);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The bytes of a header name with one `-` for each run of characters other than letters and digits.
/// Some servers replace or merge these, and read another name.
pub fn folded_name(name: &str) -> impl Iterator<Item = u8> {
    let mut is_after_dash = false;
    name.bytes().filter_map(move |byte| {
        let is_dash = !byte.is_ascii_alphanumeric();
        let is_repeated = is_dash && is_after_dash;
        is_after_dash = is_dash;
        (!is_repeated).then_some(if is_dash { b'-' } else { byte })
    })
}

// === impl ClaimSet ===

impl ClaimSet {
    /// No claim.
    pub const EMPTY: Self = Self(0);

    /// Returns `true` if the set contains `claim`.
    pub const fn contains(self, claim: Claim) -> bool {
        self.0 & claim.bit() != 0
    }

    /// The set with `claim`.
    #[must_use]
    pub const fn with(self, claim: Claim) -> Self {
        Self(self.0 | claim.bit())
    }

    /// Iterates over the claims, in the order of their names.
    pub fn iter(self) -> impl Iterator<Item = Claim> {
        let all = Claim::ALL.iter().copied();
        all.filter(move |&claim| self.contains(claim))
    }
}

impl fmt::Display for ClaimSet {
    /// A list of names, as in a policy document.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(Claim::name))
            .finish()
    }
}

impl FromIterator<Claim> for ClaimSet {
    fn from_iter<I: IntoIterator<Item = Claim>>(claims: I) -> Self {
        claims.into_iter().fold(Self::EMPTY, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_claim_is_found_by_its_name_in_every_spelling() {
        assert!(Claim::ALL.is_sorted_by_key(|claim| claim.name()));
        assert!(Claim::ALL.len() <= 64, "one bit of a `ClaimSet` each");
        for &claim in Claim::ALL {
            let name = claim.name();
            assert!(name.len() < MAX_NAME, "{name}");
            let stem = FAMILIES.iter().find(|(_, family)| *family == claim);
            let stem = stem.map(|&(stem, _)| stem);
            assert_eq!(name.strip_suffix("-*"), stem, "{name}");
            let names = match name.strip_suffix("-*") {
                Some(stem) => vec![
                    stem.to_owned(),
                    format!("{stem}-any"),
                    format!("{stem}-a-b"),
                ],
                None => vec![name.to_owned()],
            };
            for name in names {
                assert_eq!(Claim::of(&name), Some(claim), "{name}");
                for other in ["_", ".", "+", "--", "_-", "~"] {
                    let disguised = name.replace('-', other);
                    assert_eq!(Claim::of(&disguised), Some(claim), "{disguised}");
                }
            }
            assert!(ClaimSet::EMPTY.with(claim).iter().eq([claim]));
        }
        let long = format!("x-ssl-client-{}", "a".repeat(100));
        assert_eq!(Claim::of(&long), Some(Claim::XSslClient));
    }

    #[test]
    fn other_headers_are_no_claims() {
        for name in [
            "accept",
            "client",
            "client-id",
            "content-type",
            "cookie",
            "from",
            "proxy-authorization",
            "referer",
            "traceparent",
            "user-agent",
            "x",
            "x-",
            "x-client-ips",
            "x-client-id",
            "x-csrf-token",
            "x-forwarde",
            "x-http-method-override",
            "x-realip",
            "x-remoted",
            "x-request-id",
            "x-requested-with",
            "xclient-ip",
            "",
        ] {
            assert_eq!(Claim::of(name), None, "{name}");
        }
    }
}
