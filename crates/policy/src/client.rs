//! Section `[client]`: trusted proxies, the forwarding header, and the IPv6 prefix of one client.

use std::num::NonZeroU8;

use gabion_core::{Claim, ClientRules, ForwardedHeader};
use gabion_inspect::{ConfigPath, Network};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::issue::Issue;

/// Section `[client]` of a [`Document`](crate::Document): how the client's address is determined.
///
/// Start from the default and set fields. It compiles to [`ClientRules`].
///
/// # Examples
///
/// ```
/// use gabion_core::ForwardedHeader;
/// use gabion_policy::{ClientSection, Document, check};
///
/// let mut client = ClientSection::default();
/// client.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
/// client.header = ForwardedHeader::Forwarded;
/// let mut document = Document::default();
/// document.client = client;
/// assert!(check(&document.to_string(), "policy.toml", None).is_ok());
///
/// // A prefix that would merge a provider's customers into one client is refused.
/// document.client.ipv6_prefix = 16;
/// assert!(check(&document.to_string(), "policy.toml", None).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ClientSection {
    /// The networks of proxies whose forwarding header is trusted, such as the load balancer's.
    pub trusted_proxies: Vec<Network>,
    /// The header in which a trusted proxy names its client.
    #[serde(with = "header_name")]
    pub header: ForwardedHeader,
    /// The headers that trusted proxies write over those of their clients, besides `header`. Others of
    /// the [`Claim`]s are removed when a request is forwarded: most proxies pass on those of a client.
    #[serde(with = "claim_names")]
    pub trusted_headers: Vec<Claim>,
    /// The position of the client in the header's list, counted from the right end, from 1. If
    /// unset, the client is the first address from the right that is not a trusted proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hops: Option<NonZeroU8>,
    /// The number of leading bits of an IPv6 address that identify one client: 32 to 128, 64 by
    /// default.
    #[serde(deserialize_with = "client_bits")]
    pub ipv6_prefix: u8,
    /// `true` if clients have private addresses, as on an intranet. Otherwise private addresses are
    /// never banned, limited or scored.
    pub private: bool,
}

// === impl ClientSection ===

impl ClientSection {
    /// A shorter prefix would merge all customers of a provider into one client.
    const MIN_BITS: u8 = 32;

    pub(crate) fn compile(&self) -> Result<ClientRules, Vec<Issue>> {
        let mut rules = ClientRules::default()
            .with_header(self.header)
            .with_trusted_headers(self.trusted_headers.iter().copied())
            .with_ipv6_prefix(self.ipv6_prefix)
            .with_private_clients(self.private);
        if let Some(hops) = self.hops {
            rules = rules.with_hops(hops);
        }
        let mut issues = Vec::new();
        for (index, network) in self.trusted_proxies.iter().enumerate() {
            let path = ConfigPath::new("client", "trusted_proxies").entry(index);
            match rules.clone().with_trusted([network.net()]) {
                Ok(wider) => rules = wider,
                Err(error) => issues.push(Issue::new(path, error.to_string())),
            }
        }
        if issues.is_empty() {
            Ok(rules)
        } else {
            Err(issues)
        }
    }
}

impl Default for ClientSection {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            header: ForwardedHeader::default(),
            trusted_headers: Claim::USUAL.iter().collect(),
            hops: None,
            ipv6_prefix: 64,
            private: false,
        }
    }
}

fn client_bits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    match u8::deserialize(deserializer)? {
        bits @ ClientSection::MIN_BITS..=128 => Ok(bits),
        other => Err(de::Error::custom(format_args!(
            "invalid prefix length {other}: write {} to 128",
            ClientSection::MIN_BITS
        ))),
    }
}

/// Serde support for a [`ForwardedHeader`], written as its name. `gabion-core` does not depend on
/// serde.
mod header_name {
    use std::{borrow::Cow, sync::LazyLock};

    use gabion_core::ForwardedHeader;
    use serde::{Deserialize, Deserializer, Serializer, de};

    static NAMES: LazyLock<[&str; ForwardedHeader::ALL.len()]> =
        LazyLock::new(|| ForwardedHeader::ALL.map(ForwardedHeader::name));

    pub(super) fn deserialize<'de, D>(deserializer: D) -> Result<ForwardedHeader, D::Error>
    where
        D: Deserializer<'de>,
    {
        let name = Cow::<str>::deserialize(deserializer)?;
        let mut all = ForwardedHeader::ALL.into_iter();
        all.find(|header| header.name() == name)
            .ok_or_else(|| de::Error::unknown_variant(&name, &*NAMES))
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature that serde requires"
    )]
    pub(super) fn serialize<S>(header: &ForwardedHeader, serializer: S) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
    {
        serializer.serialize_str(header.name())
    }
}

/// Serde support for [`Claim`]s, written as their names.
mod claim_names {
    use std::{fmt, sync::LazyLock};

    use gabion_core::Claim;
    use serde::{
        Deserialize, Deserializer, Serializer,
        de::{self, Visitor},
    };

    static NAMES: LazyLock<Vec<&str>> =
        LazyLock::new(|| Claim::ALL.iter().map(|claim| claim.name()).collect());

    /// One claim, so that an error is located at its entry.
    struct Entry(Claim);

    struct Name;

    impl Visitor<'_> for Name {
        type Value = Entry;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the name of a header, such as `x-real-ip`")
        }

        fn visit_str<E: de::Error>(self, name: &str) -> Result<Entry, E> {
            match Claim::of(&name.to_ascii_lowercase()) {
                Some(claim) if claim.name() == name => Ok(Entry(claim)),
                Some(claim) => Err(E::custom(format_args!(
                    "invalid header `{name}`: write `{}`",
                    claim.name()
                ))),
                None => Err(E::unknown_variant(name, &NAMES)),
            }
        }
    }

    impl<'de> Deserialize<'de> for Entry {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_str(Name)
        }
    }

    pub(super) fn deserialize<'de, D>(deserializer: D) -> Result<Vec<Claim>, D::Error>
    where
        D: Deserializer<'de>,
    {
        let entries = Vec::<Entry>::deserialize(deserializer)?;
        Ok(entries.into_iter().map(|Entry(claim)| claim).collect())
    }

    pub(super) fn serialize<S>(claims: &[Claim], serializer: S) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
    {
        serializer.collect_seq(claims.iter().map(|claim| claim.name()))
    }
}
