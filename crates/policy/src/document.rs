//! The policy document, as plain data.
//!
//! A key stands here once it is enforced, and not before: a key that nobody acts on would be a
//! promise that nobody keeps.

use std::fmt;

use gabion_core::{Mode, OnFault};
use gabion_inspect::{
    AllowConfig, BanConfig, DenyRule, LimitRule, MessageRule, ProtocolConfig, ScanConfig,
    ServerConfig, UpgradeConfig,
};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{ClientSection, Expect, Pack, PolicyError, packs, read::ParsedDocument};

/// The whole policy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Document {
    /// The version of this format: 1.
    #[serde(deserialize_with = "known_version")]
    pub version: u32,
    /// Whether rules act that do not say so themselves; they do where nothing is said.
    #[serde(
        default,
        with = "gabion_inspect::serde_mode",
        skip_serializing_if = "Option::is_none"
    )]
    pub mode: Option<Mode>,
    /// What becomes of a request when judging fails: `"refuse"` or `"pass"`.
    #[serde(default, with = "OnFaultText")]
    pub on_fault: OnFault,
    /// Shipped rules that fit the server behind, as if each stood in `deny`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packs: Vec<Pack>,
    /// Shipped rules that only tell what they would refuse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observe: Vec<Pack>,
    /// Who speaks for a client.
    #[serde(default)]
    pub client: ClientSection,
    /// Which hosts the server behind answers for.
    #[serde(default)]
    pub server: ServerConfig,
    /// What the head of a request may be.
    #[serde(default)]
    pub protocol: ProtocolConfig,
    /// Who and what is never judged further.
    #[serde(default)]
    pub allow: AllowConfig,
    /// Who is refused, and for how long.
    #[serde(default)]
    pub ban: BanConfig,
    /// Which paths are refused.
    #[serde(default)]
    pub deny: Vec<DenyRule>,
    /// Who asks for more than a share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limit: Vec<LimitRule>,
    /// When a client behaves like a scanner; nobody is scored where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<ScanConfig>,
    /// What WebSockets are held to; they are kept open where nothing is said, and no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<UpgradeConfig>,
    /// Which messages on WebSockets are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub message: Vec<MessageRule>,
    /// What must hold before this policy comes into force.
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

    /// Reads a document without compiling it: its shape is right, its rules may not be.
    ///
    /// # Errors
    ///
    /// Every syntax error, unknown key and unreadable value of `text`, each with its place.
    pub fn parse(text: &str, name: &str) -> Result<Self, PolicyError> {
        let parsed = ParsedDocument::read(text, name);
        if parsed.is_sound() {
            Ok(parsed.document)
        } else {
            Err(parsed.refuse())
        }
    }

    /// The deny rules that this document puts in force: its own, then those of its packs.
    ///
    /// Its own come first, so that where both match, what was written for this server decides; one
    /// with the id of a pack's rule stands in its place.
    pub fn deny_rules(&self) -> Vec<DenyRule> {
        packs::rules(self)
    }

    /// The mode of rules that do not say theirs.
    pub fn mode(&self) -> Mode {
        self.mode.unwrap_or_default()
    }
}

/// The document as TOML, to be read again.
impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&toml::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Default for Document {
    /// A policy without rules of its own: hard refusals only.
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

fn known_version<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    match u32::deserialize(from)? {
        Document::VERSION => Ok(Document::VERSION),
        other => Err(de::Error::custom(format_args!(
            "version {other} is unknown: this release reads version {}",
            Document::VERSION
        ))),
    }
}
