//! Packs of deny rules that ship with this crate.
//!
//! Each pack is a file in `packs/` with `[[deny]]` rules in the format of the document.
//! `packs/README.md` lists the criteria for entries and the measured detection rates.

use std::{collections::HashSet, sync::LazyLock};

use gabion_inspect::{ConfigPath, DenyRule};
use serde::{Deserialize, Serialize};

use crate::issue::Issue;

/// A pack of shipped deny rules, selected by the kind of server that it fits.
///
/// A document enables packs by name in [`Document::packs`](crate::Document::packs) and
/// [`Document::observe`](crate::Document::observe);
/// [`Document::deny_rules`](crate::Document::deny_rules) lists the resulting rules.
///
/// # Examples
///
/// ```
/// use gabion_policy::{Expect, Expected, Document, Pack, check};
///
/// let mut document = Document::default();
/// document.packs = vec![Pack::NoPhp];
/// document.expect = vec![
///     Expect::new("GET /index.php", Expected::Deny).with_rule("no-php/scripts"),
///     Expect::new("GET /index.html", Expected::Pass),
/// ];
/// assert!(check(&document.to_string(), "policy.toml", None).is_ok());
/// assert_eq!(Pack::NoPhp.name(), "no-php");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Pack {
    /// For any server: paths that legitimate clients do not request, such as `/.env`.
    Never,
    /// For any server: scanners that identify themselves in `User-Agent`.
    Scanners,
    /// For a server that is not a router, camera or VPN gateway.
    Devices,
    /// For a server that offers no backup copies and database dumps.
    Leftovers,
    /// For a server without ASP and .NET pages.
    NoAsp,
    /// For a server without CGI scripts.
    NoCgi,
    /// For a server whose Java administration consoles are not public.
    NoJavaAdmin,
    /// For a server without Java pages.
    NoJsp,
    /// For a server that does not run PHP.
    NoPhp,
    /// For a server that does not run `WordPress`.
    NoWordpress,
}

/// The content of a pack's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PackFile {
    deny: Vec<DenyRule>,
}

/// The rules of all packs, in the order of [`Pack::ALL`], parsed once.
static RULES: LazyLock<[Vec<DenyRule>; Pack::ALL.len()]> =
    LazyLock::new(|| Pack::ALL.map(|pack| parse(pack.text())));

#[expect(clippy::expect_used, reason = "a test parses every pack")]
fn parse(text: &str) -> Vec<DenyRule> {
    let file: PackFile = toml::from_str(text).expect("a shipped pack is valid");
    file.deny
}

/// An issue for each pack that is listed more than once under the keys `packs` and `observe`.
pub(crate) fn duplicates(packs: &[Pack], observe: &[Pack]) -> Vec<Issue> {
    let keys = [("packs", packs), ("observe", observe)];
    let listed = keys.into_iter().flat_map(|(key, packs)| {
        let packs = packs.iter().enumerate();
        packs.map(move |(index, pack)| (ConfigPath::new(key, "").entry(index), pack))
    });
    let mut seen = HashSet::new();
    let duplicates = listed.filter(|(_, pack)| !seen.insert(*pack));
    let issues = duplicates
        .map(|(path, pack)| Issue::new(path, format!("pack `{}` is listed twice", pack.name())));
    issues.collect()
}

// === impl Pack ===

impl Pack {
    /// All packs of this release.
    pub const ALL: [Self; 10] = [
        Self::Never,
        Self::Scanners,
        Self::Devices,
        Self::Leftovers,
        Self::NoAsp,
        Self::NoCgi,
        Self::NoJavaAdmin,
        Self::NoJsp,
        Self::NoPhp,
        Self::NoWordpress,
    ];

    /// The rules of the pack. Their ids start with the pack's name, such as `never/env`.
    pub fn rules(self) -> &'static [DenyRule] {
        RULES
            .get(self as usize)
            .map_or(&[], |rules| rules.as_slice())
    }

    /// The name of the pack in a document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Scanners => "scanners",
            Self::Devices => "devices",
            Self::Leftovers => "leftovers",
            Self::NoAsp => "no-asp",
            Self::NoCgi => "no-cgi",
            Self::NoJavaAdmin => "no-java-admin",
            Self::NoJsp => "no-jsp",
            Self::NoPhp => "no-php",
            Self::NoWordpress => "no-wordpress",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Never => include_str!("../packs/never.toml"),
            Self::Scanners => include_str!("../packs/scanners.toml"),
            Self::Devices => include_str!("../packs/devices.toml"),
            Self::Leftovers => include_str!("../packs/leftovers.toml"),
            Self::NoAsp => include_str!("../packs/no-asp.toml"),
            Self::NoCgi => include_str!("../packs/no-cgi.toml"),
            Self::NoJavaAdmin => include_str!("../packs/no-java-admin.toml"),
            Self::NoJsp => include_str!("../packs/no-jsp.toml"),
            Self::NoPhp => include_str!("../packs/no-php.toml"),
            Self::NoWordpress => include_str!("../packs/no-wordpress.toml"),
        }
    }
}
