//! The policy document as plain data.
//!
//! A key is added here together with the code that enforces it. A key without effect would be
//! accepted and then silently ignored.

use std::{borrow::Cow, collections::HashSet, fmt};

use gabion_core::{Mode, OnFault};
use gabion_inspect::{
    AllowConfig, BanConfig, DenyRule, LimitRule, MessageRule, ProtocolConfig, ScanConfig,
    ServerConfig, UpgradeConfig,
};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{ClientSection, Expect, Pack};

/// A policy document as plain data, one field for each section.
///
/// [`Document::parse`] reads TOML; `Display` writes TOML that parses to the same document. To build
/// one in code, start from the default and set fields. [`PolicyHandle`](crate::PolicyHandle) and
/// [`check`](crate::check) compile a document.
///
/// # Examples
///
/// ```
/// use gabion_policy::Document;
///
/// let document = Document::parse("version = 1\n[[deny]]\nid = 'php'\nextensions = 'php'\n", "policy.toml")?;
/// assert_eq!(document.deny[0].id, "php");
/// assert_eq!(Document::parse(&document.to_string(), "printed.toml")?, document);
///
/// let error = Document::parse("version = 1\n[deny]\nid = 'php'\n", "policy.toml").unwrap_err();
/// assert_eq!(error.diagnostics()[0].line(), 2);
/// # Ok::<(), gabion_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Document {
    /// The version of this format: [`Document::VERSION`].
    #[serde(deserialize_with = "known_version")]
    pub version: u32,
    /// The mode of rules that do not set their own; enforce if unset. In observe mode a denial is
    /// logged and the request passes. `[[limit]]` rules observe unless they set their own mode.
    #[serde(
        default,
        with = "gabion_inspect::serde_mode",
        skip_serializing_if = "Option::is_none"
    )]
    pub mode: Option<Mode>,
    /// The response to a panic while a request is judged: `"refuse"` (503) or `"pass"`.
    #[serde(default, with = "OnFaultText")]
    pub on_fault: OnFault,
    /// Packs of shipped deny rules, compiled as if they were listed in `deny`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packs: Vec<Pack>,
    /// Packs of shipped deny rules in observe mode.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observe: Vec<Pack>,
    /// Trusted proxies and how the client's address is determined.
    #[serde(default)]
    pub client: ClientSection,
    /// The hosts that the server behind serves, and its parsing quirks.
    #[serde(default)]
    pub server: ServerConfig,
    /// HTTP protocol rules: methods, versions, header sizes.
    #[serde(default)]
    pub protocol: ProtocolConfig,
    /// Networks and paths that pass without further judgment.
    #[serde(default)]
    pub allow: AllowConfig,
    /// Banned networks, ban list files, and durations of bans.
    #[serde(default)]
    pub ban: BanConfig,
    /// Rules that refuse requests by path or `User-Agent`.
    #[serde(default)]
    pub deny: Vec<DenyRule>,
    /// Rate limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limit: Vec<LimitRule>,
    /// Scanner detection by score; off if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<ScanConfig>,
    /// WebSocket handshake rules and session limits. If unset, WebSockets are only
    /// kept open with pings, without limits, and handshakes from pages of other hosts are logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<UpgradeConfig>,
    /// Rules that refuse WebSocket messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub message: Vec<MessageRule>,
    /// Tests that must pass before this policy comes into force.
    #[serde(default)]
    pub expect: Vec<Expect>,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "OnFault", rename_all = "lowercase")]
enum OnFaultText {
    Refuse,
    Pass,
}

// === impl Document ===

impl Document {
    /// The version of the format that this release reads.
    pub const VERSION: u32 = 1;

    /// The deny rules of this document: its own, then those of its [packs](Pack).
    ///
    /// Its own come first, so that for the same kind of key (`names`, `prefix`, ...) a rule written
    /// for this server decides if both match. An own rule with the id of a pack's rule replaces it.
    pub fn deny_rules(&self) -> Vec<DenyRule> {
        self.all_deny_rules().into_owned()
    }

    /// [`Self::deny_rules`], without a copy if there are no packs.
    pub(crate) fn all_deny_rules(&self) -> Cow<'_, [DenyRule]> {
        if self.packs.is_empty() && self.observe.is_empty() {
            return self.deny.as_slice().into();
        }
        let mut ids: HashSet<_> = self.deny.iter().map(|rule| rule.id.as_str()).collect();
        let enforced = self.packs.iter().map(|pack| (pack, None));
        let observed = self.observe.iter();
        let observed = observed.map(|pack| (pack, Some(Mode::Observe)));
        let packs = enforced.chain(observed);
        let shipped =
            packs.flat_map(|(pack, mode)| pack.rules().iter().map(move |rule| (rule, mode)));
        let not_replaced = shipped.filter(|(rule, _)| ids.insert(&rule.id));
        let shipped = not_replaced.map(|(rule, mode)| {
            let mut rule = rule.clone();
            rule.mode = mode;
            rule
        });
        self.deny.iter().cloned().chain(shipped).collect()
    }

    /// The mode of rules that do not set their own.
    pub fn mode(&self) -> Mode {
        self.mode.unwrap_or_default()
    }
}

/// Writes the document as TOML that [`Document::parse`] reads back.
impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&toml::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Default for Document {
    /// A policy without rules of its own: only the protocol rules apply, with their defaults.
    fn default() -> Self {
        Self {
            version: Self::VERSION,
            mode: None,
            on_fault: OnFault::default(),
            packs: Vec::new(),
            observe: Vec::new(),
            client: ClientSection::default(),
            server: ServerConfig::default(),
            protocol: ProtocolConfig::default(),
            allow: AllowConfig::default(),
            ban: BanConfig::default(),
            deny: Vec::new(),
            limit: Vec::new(),
            scan: None,
            upgrade: None,
            message: Vec::new(),
            expect: Vec::new(),
        }
    }
}

fn known_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        Document::VERSION => Ok(Document::VERSION),
        other => Err(de::Error::custom(format_args!(
            "unknown version {other}: this release reads version {}",
            Document::VERSION
        ))),
    }
}
