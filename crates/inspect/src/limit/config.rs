//! The `[[limit]]` section.

use std::{fmt, num::NonZeroU32, str::FromStr};

use gabion_core::Mode;
use serde::{Deserialize, Serialize};

use super::Rate;
use crate::{OneOrMany, Period, config::serde_as_text};

/// A `[[limit]]` rule: requests that match all of its conditions count against a [`Rate`] per key.
/// Omitted conditions match every request. Compiles to [`Limit`](crate::Limit).
///
/// # Examples
///
/// ```
/// use gabion_inspect::{Config, Context, LimitRule, State};
///
/// let rule: LimitRule = toml::from_str("id = 'login'\nrate = '10/m'\npaths = ['/login']")?;
/// assert!([rule].compile(&Context::new(&State::scratch())).is_ok());
///
/// let rule = LimitRule::new("login", "10/m".parse()?).key(["ip"]);
/// let errors = [rule].compile(&Context::new(&State::scratch())).unwrap_err();
/// assert!(errors[0].to_string().starts_with("limit[0].key[0]: invalid value `ip`: write `client`,"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LimitRule {
    /// The rule id in events and headers.
    pub id: String,
    /// The key, each value of which has its own quota: `"client"`, `"prefix"` (the /24 or /48 of
    /// the client), `"header:NAME"`, `"cookie:NAME"`, `"path"` or `"path:2"` (the first segments),
    /// `"host"`, `"global"`, or a list of these to combine them. Default: `"client"`.
    #[serde(default = "by_client")]
    pub key: OneOrMany,
    /// The rate at which the quota refills.
    pub rate: Rate,
    /// The number of requests allowed at once. Default: the count of `rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<NonZeroU32>,
    /// The units of the quota that one request takes. Default: 1.
    #[serde(default = "one")]
    pub cost: NonZeroU32,
    /// The quota of one address, as a multiple of `rate` and `burst`, if the client chooses the
    /// value of `key`. Default: 10.
    #[serde(default = "ten")]
    pub ceiling: NonZeroU32,
    /// Methods to which the limit applies.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub methods: OneOrMany,
    /// Paths to which the limit applies, with everything below them, by segment, in any view of the
    /// path.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub paths: OneOrMany,
    /// Hosts to which the limit applies, such as `"api.example"` or `"*.example"`.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub hosts: OneOrMany,
    /// Response statuses to count, such as 401. If empty, the limit counts requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<u16>,
    /// Reports the quota in the response headers `RateLimit` and `RateLimit-Policy`. Default: `false`,
    /// since it helps developers of clients and password guessers alike.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub show: bool,
    /// The action on a request over the limit. Default: [`LimitAction::Refuse`].
    #[serde(default, skip_serializing_if = "is_refuse")]
    pub then: LimitAction,
    /// The counting across instances. Default: [`LimitSharing::Approximate`].
    #[serde(default, skip_serializing_if = "is_approximate")]
    pub shared: LimitSharing,
    /// The mode. Default: [`Mode::Observe`], regardless of the mode of the document, since suitable
    /// figures have to be observed first.
    #[serde(
        default,
        with = "crate::serde_mode",
        skip_serializing_if = "Option::is_none"
    )]
    pub mode: Option<Mode>,
}

/// The action of a [`LimitRule`]: `"429"`, `"ban"`, or `"ban 1h"`.
///
/// # Bans
///
/// A limit bans only by the key `client`, and only for requests that no page can have made a browser
/// send. These are counted apart, with the same rate and burst: a ban is placed with a 429 once they alone
/// exceed the limit. A page with any number of images bans none of its visitors.
///
/// Counted toward the ban, whether answered or denied:
/// 1. a request with [`Attribution::Certain`](gabion_core::Attribution::Certain), such as PUT or DELETE;
/// 2. a POST, unless its browser reports that a page of another origin caused it, or a CDN withheld that
///    report;
/// 3. a GET or HEAD whose `User-Agent` names a program other than a browser, without any header by which
///    a browser reports its language or a page.
///
/// A GET or HEAD for an image, style sheet, script, font or recording, by its extension, is never counted.
///
/// # Examples
///
/// ```
/// use gabion_inspect::LimitAction;
///
/// assert_eq!("429".parse(), Ok(LimitAction::Refuse));
/// assert_eq!("ban 1h".parse::<LimitAction>().unwrap().to_string(), "ban 1h");
///
/// let error = "403".parse::<LimitAction>().unwrap_err();
/// assert_eq!(error.to_string(), "invalid action `403`: write `429`, `ban` or `ban 1h`");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitAction {
    /// Denies with 429.
    #[default]
    Refuse,
    /// Denies with 429, and bans the client for the given time, or for
    /// [`BanConfig::first`](crate::BanConfig::first), once requests that are held against it exceed the
    /// limit.
    Ban(Option<Period>),
}

/// The counting of a [`LimitRule`] across the instances of a service that exchange counts:
/// `"approximate"`, `"exact"` or `"off"`.
///
/// Without an exchange, each instance counts alone. See [`LimitTable`](crate::LimitTable).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LimitSharing {
    /// Each instance judges by its own counts and those of the others, which arrive within a second. No
    /// request waits.
    #[default]
    Approximate,
    /// A request that passes by the counts of its instance waits for the decision of a server for all instances,
    /// for a few milliseconds at most. Without an answer, it passes.
    Exact,
    /// Each instance counts alone.
    Off,
}

/// The error of a text that is not a [`LimitAction`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid action `{}`: write `429`, `ban` or `ban 1h`", gabion_core::Escaped(.0.as_bytes()))]
pub struct LimitActionError(String);

serde_as_text!(LimitAction, "\"429\", \"ban\" or \"ban 1h\"");

fn is_refuse(action: &LimitAction) -> bool {
    *action == LimitAction::Refuse
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_approximate(sharing: &LimitSharing) -> bool {
    *sharing == LimitSharing::Approximate
}

// === impl LimitAction ===

impl FromStr for LimitAction {
    type Err = LimitActionError;

    fn from_str(text: &str) -> Result<Self, LimitActionError> {
        match (text, text.strip_prefix("ban ")) {
            ("429", _) => Some(Self::Refuse),
            ("ban", _) => Some(Self::Ban(None)),
            (_, Some(period)) => period.parse().ok().map(|period| Self::Ban(Some(period))),
            _ => None,
        }
        .ok_or_else(|| LimitActionError(text.to_owned()))
    }
}

impl fmt::Display for LimitAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuse => f.write_str("429"),
            Self::Ban(None) => f.write_str("ban"),
            Self::Ban(Some(period)) => write!(f, "ban {period}"),
        }
    }
}

// === impl LimitRule ===

impl LimitRule {
    /// Creates a limit per client for every request, in observe mode.
    pub fn new(id: impl Into<String>, rate: Rate) -> Self {
        Self {
            id: id.into(),
            key: by_client(),
            rate,
            burst: None,
            cost: one(),
            ceiling: ten(),
            methods: OneOrMany::default(),
            paths: OneOrMany::default(),
            hosts: OneOrMany::default(),
            statuses: Vec::new(),
            show: false,
            then: LimitAction::default(),
            shared: LimitSharing::default(),
            mode: None,
        }
    }

    /// Sets the parts of the key.
    pub fn key<S: Into<String>>(self, parts: impl IntoIterator<Item = S>) -> Self {
        let key = parts.into_iter().collect();
        Self { key, ..self }
    }

    /// Sets [`Self::burst`].
    pub fn burst(self, burst: NonZeroU32) -> Self {
        let burst = Some(burst);
        Self { burst, ..self }
    }

    /// Sets [`Self::cost`].
    pub fn cost(self, cost: NonZeroU32) -> Self {
        Self { cost, ..self }
    }

    /// Sets [`Self::paths`].
    pub fn paths<S: Into<String>>(self, paths: impl IntoIterator<Item = S>) -> Self {
        let paths = paths.into_iter().collect();
        Self { paths, ..self }
    }

    /// Sets [`Self::statuses`].
    pub fn statuses(self, statuses: impl IntoIterator<Item = u16>) -> Self {
        let statuses = statuses.into_iter().collect();
        Self { statuses, ..self }
    }

    /// Sets [`Self::show`].
    pub fn show(self) -> Self {
        let show = true;
        Self { show, ..self }
    }

    /// Sets the action.
    pub fn then(self, then: LimitAction) -> Self {
        Self { then, ..self }
    }

    /// Sets [`Self::shared`].
    pub fn shared(self, shared: LimitSharing) -> Self {
        Self { shared, ..self }
    }

    /// Sets the mode.
    pub fn mode(self, mode: Mode) -> Self {
        Self {
            mode: Some(mode),
            ..self
        }
    }
}

fn by_client() -> OneOrMany {
    ["client"].into_iter().collect()
}

const fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn ten() -> NonZeroU32 {
    one().saturating_add(9)
}

fn is_empty(strings: &OneOrMany) -> bool {
    strings.is_empty()
}
