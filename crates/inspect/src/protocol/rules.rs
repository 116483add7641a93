//! The rules of `[protocol]` by id, and sets of them.

use std::{fmt, str::FromStr};

use gabion_core::Denial;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The ids of the rules, in the order of the guide.
const IDS: [&str; 38] = [
    "version/unlisted",
    "header/many",
    "header/large",
    "connect/tunnel",
    "connect/protocol",
    "method/unlisted",
    "framing/both",
    "framing/unknown",
    "framing/version",
    "framing/coding",
    "framing/chunked",
    "framing/doubled",
    "framing/length",
    "body/large",
    "expect/unknown",
    "target/userinfo",
    "target/scheme",
    "host/missing",
    "host/doubled",
    "host/empty",
    "host/malformed",
    "host/differs",
    "path/form",
    "path/control",
    "path/escaped-control",
    "path/nul",
    "path/escape",
    "path/utf8",
    "path/above-root",
    "path/tangled",
    "header/underscore",
    "header/override",
    "upgrade/incomplete",
    "upgrade/stripped",
    "upgrade/method",
    "upgrade/body",
    "upgrade/version",
    "upgrade/key",
];

/// A rule of `[protocol]`, by its id.
///
/// # Examples
///
/// ```
/// use gabion_inspect::ProtocolRule;
///
/// let rule: ProtocolRule = "path/utf8".parse()?;
/// assert_eq!(rule.id(), "path/utf8");
/// assert!(rule.may_be_off());
/// assert!(!"framing/both".parse::<ProtocolRule>()?.may_be_off());
/// assert!("path/utf9".parse::<ProtocolRule>().is_err());
/// # Ok::<(), gabion_inspect::ProtocolRuleError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProtocolRule(u8);

/// The id of no rule of `[protocol]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown rule `{0}`")]
pub struct ProtocolRuleError(String);

/// A set of rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RuleSet(u64);

// === impl ProtocolRule ===

impl ProtocolRule {
    /// Iterates over all rules.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).zip(IDS).map(|(index, _)| Self(index))
    }

    /// The id, as in events.
    pub fn id(self) -> &'static str {
        IDS.get(usize::from(self.0)).copied().unwrap_or_default()
    }

    /// Returns `true` if the rule can be switched off. The others keep the connection in step: without
    /// them, the server could read a part of a body, or of a tunnel, as another request.
    pub fn may_be_off(self) -> bool {
        let id = self.id();
        !id.starts_with("framing/") && !id.starts_with("connect/")
    }
}

impl FromStr for ProtocolRule {
    type Err = ProtocolRuleError;

    fn from_str(id: &str) -> Result<Self, ProtocolRuleError> {
        let rule = Self::all().find(|rule| rule.id() == id);
        rule.ok_or_else(|| ProtocolRuleError(id.to_owned()))
    }
}

impl fmt::Display for ProtocolRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl<'de> Deserialize<'de> for ProtocolRule {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Id;
        impl de::Visitor<'_> for Id {
            type Value = ProtocolRule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the id of a rule, such as `path/utf8`")
            }

            fn visit_str<E: de::Error>(self, id: &str) -> Result<ProtocolRule, E> {
                id.parse().map_err(|_| E::unknown_variant(id, &IDS))
            }
        }
        from.deserialize_str(Id)
    }
}

impl Serialize for ProtocolRule {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.id())
    }
}

// === impl RuleSet ===

impl RuleSet {
    pub(super) const NONE: Self = Self(0);

    const fn bit(rule: ProtocolRule) -> u64 {
        1 << rule.0
    }

    pub(super) const fn contains(self, rule: ProtocolRule) -> bool {
        self.0 & Self::bit(rule) != 0
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn insert(&mut self, rule: ProtocolRule) {
        self.0 |= Self::bit(rule);
    }

    pub(super) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns `true` if the set contains the rule with this id.
    pub(super) fn contains_id(self, id: &str) -> bool {
        !self.is_empty() && id.parse().is_ok_and(|rule| self.contains(rule))
    }

    /// Returns `denial`, unless the set contains its rule.
    pub(super) fn unless_in(self, denial: Denial) -> Option<Denial> {
        (!self.contains_id(denial.cause.rule.as_str())).then_some(denial)
    }
}

impl FromIterator<ProtocolRule> for RuleSet {
    fn from_iter<I: IntoIterator<Item = ProtocolRule>>(rules: I) -> Self {
        let mut all = Self::NONE;
        rules.into_iter().for_each(|rule| all.insert(rule));
        all
    }
}
