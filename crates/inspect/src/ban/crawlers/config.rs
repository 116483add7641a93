//! The crawlers that `[ban]` names.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

/// A crawler whose bans wait for the verification of its address: the name of a known one, or a table with
/// `agent` and `domains`.
///
/// # Examples
///
/// ```
/// use gabion_inspect::{BanConfig, CrawlerConfig, KnownCrawler};
///
/// let config: BanConfig = toml::from_str(
///     "crawlers = ['google', { agent = 'MyBot', domains = ['bots.example.org'] }]",
/// )?;
/// assert_eq!(config.crawlers[0], CrawlerConfig::Known(KnownCrawler::Google));
/// assert_eq!(config.crawlers[1].domains().collect::<Vec<_>>(), ["bots.example.org"]);
///
/// let whole_tld = "crawlers = [{ agent = 'MyBot', domains = ['org'] }]";
/// assert!(toml::from_str::<BanConfig>(whole_tld).is_err());
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum CrawlerConfig {
    /// A crawler whose operator publishes the domains of its names.
    Known(KnownCrawler),
    /// Another crawler.
    Custom(CustomCrawler),
}

/// A crawler whose operator publishes how to verify it by DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KnownCrawler {
    /// Applebot: <https://support.apple.com/en-us/119829>.
    Apple,
    /// Bingbot and other crawlers of Microsoft:
    /// <https://www.bing.com/webmasters/help/how-to-verify-bingbot-3905dc26>.
    Bing,
    /// Googlebot and the other common crawlers of Google. Crawlers for one product, such as `AdsBot`, have names below
    /// google.com, which Google's proxies for users have, too: name their published ranges in a list instead. <https://developers.google.com/crawling/docs/crawlers-fetchers/verify-google-requests>.
    Google,
    /// The robots of Yandex: <https://yandex.com/support/webmaster/robot-workings/check-yandex-robots.html>.
    Yandex,
}

/// A crawler that is not a [`KnownCrawler`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename = "crawler")]
pub struct CustomCrawler {
    #[serde(deserialize_with = "agent")]
    agent: String,
    #[serde(deserialize_with = "domains")]
    domains: Vec<String>,
}

/// The lengths of a part of a `User-Agent`. Shorter ones occur in too many honest agents.
const AGENT: std::ops::RangeInclusive<usize> = 3..=128;

/// The longest DNS name (RFC 1035, section 2.3.4), in bytes.
const MAX_DOMAIN: usize = 253;

// === impl CrawlerConfig ===

impl CrawlerConfig {
    /// The texts in a `User-Agent` that claim this crawler, whatever their case.
    pub fn agents(&self) -> impl Iterator<Item = &str> {
        let (known, custom): (&[&str], _) = match self {
            Self::Known(known) => (known.agents(), None),
            Self::Custom(custom) => (&[], Some(&*custom.agent)),
        };
        known.iter().copied().chain(custom)
    }

    /// The domains of its names.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        let (known, custom): (&[&str], &[String]) = match self {
            Self::Known(known) => (known.domains(), &[]),
            Self::Custom(custom) => (&[], &custom.domains),
        };
        let custom = custom.iter().map(String::as_str);
        known.iter().copied().chain(custom)
    }

    /// The name of a known crawler, or the agent of another one.
    pub fn name(&self) -> &str {
        match self {
            Self::Known(known) => known.name(),
            Self::Custom(custom) => &custom.agent,
        }
    }
}

impl<'de> Deserialize<'de> for CrawlerConfig {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct CrawlerVisitor;
        impl<'de> de::Visitor<'de> for CrawlerVisitor {
            type Value = CrawlerConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a crawler, or a table with `agent` and `domains`")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<CrawlerConfig, E> {
                let name = de::value::StrDeserializer::new(name);
                KnownCrawler::deserialize(name).map(CrawlerConfig::Known)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<CrawlerConfig, A::Error> {
                let table = de::value::MapAccessDeserializer::new(map);
                CustomCrawler::deserialize(table).map(CrawlerConfig::Custom)
            }
        }
        from.deserialize_any(CrawlerVisitor)
    }
}

// === impl KnownCrawler ===

impl KnownCrawler {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Apple, Self::Bing, Self::Google, Self::Yandex];

    /// The name in the policy document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apple => "apple",
            Self::Bing => "bing",
            Self::Google => "google",
            Self::Yandex => "yandex",
        }
    }

    /// The texts in a `User-Agent` that claim this crawler, whatever their case.
    pub const fn agents(self) -> &'static [&'static str] {
        match self {
            Self::Apple => &["Applebot"],
            Self::Bing => &["bingbot", "BingPreview", "adidxbot", "MicrosoftPreview"],
            Self::Google => &[
                "Googlebot",
                "Google-InspectionTool",
                "GoogleOther",
                "Storebot-Google",
            ],
            Self::Yandex => &["YandexBot", "yandex.com/bots"],
        }
    }

    /// The domains that its operator publishes.
    pub const fn domains(self) -> &'static [&'static str] {
        match self {
            Self::Apple => &["applebot.apple.com"],
            Self::Bing => &["search.msn.com"],
            Self::Google => &["googlebot.com"],
            Self::Yandex => &["yandex.com", "yandex.net", "yandex.ru"],
        }
    }
}

fn agent<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let agent = String::deserialize(from)?;
    if AGENT.contains(&agent.len()) && agent.is_ascii() {
        return Ok(agent);
    }
    Err(de::Error::custom(format_args!(
        "invalid agent `{}`: write {} to {} bytes of ASCII, such as `MyBot`",
        agent.escape_debug(),
        AGENT.start(),
        AGENT.end()
    )))
}

fn domains<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let domains = Vec::<String>::deserialize(from)?;
    if domains.is_empty() {
        return Err(de::Error::custom("no domain: write at least one"));
    }
    match domains.iter().find(|domain| !is_domain(domain)) {
        None => Ok(domains),
        Some(domain) => Err(de::Error::custom(format_args!(
            "invalid domain `{}`: write at least two labels, such as `bots.example.org`",
            domain.escape_debug()
        ))),
    }
}

fn is_domain(domain: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_plain);
    domain.len() <= MAX_DOMAIN && domain.contains('.') && domain.split('.').all(is_label)
}
