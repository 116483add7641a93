//! Rules that ship with this crate, named by a document and compiled with its own.
//!
//! Each pack is a file of `packs/`, written as a document's `[[deny]]` rules are; `packs/README.md`
//! says what goes in and how they were scored.

use std::{collections::HashSet, sync::LazyLock};

use gabion_core::Mode;
use gabion_inspect::{ConfigPath, DenyRule};
use serde::{Deserialize, Serialize};

use crate::{Document, issue::Issue};

/// A pack of rules, by the server that it fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Pack {
    /// Any: paths that no honest client of any server asks for.
    Never,
    /// Any: scanners that say so in their `User-Agent`.
    Scanners,
    /// One that is not a router, camera or VPN gateway.
    Devices,
    /// One that offers no backup copies and dumps.
    Leftovers,
    /// One without ASP and .NET pages.
    NoAsp,
    /// One without CGI scripts.
    NoCgi,
    /// One whose Java consoles are not for the public.
    NoJavaAdmin,
    /// One that runs no PHP.
    NoPhp,
    /// One that is no `WordPress`.
    NoWordpress,
}

/// What a pack's file holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shipped {
    deny: Vec<DenyRule>,
}

/// The rules of all packs, in the order of [`Pack::ALL`], read once.
static SHIPPED: LazyLock<[Vec<DenyRule>; Pack::ALL.len()]> =
    LazyLock::new(|| Pack::ALL.map(|pack| read(pack.text())));

#[expect(clippy::expect_used, reason = "a test reads every pack")]
fn read(text: &str) -> Vec<DenyRule> {
    let shipped: Shipped = toml::from_str(text).expect("a shipped pack is sound");
    shipped.deny
}

/// What [`Document::deny_rules`] tells.
pub(crate) fn rules(document: &Document) -> Vec<DenyRule> {
    let mut taken: HashSet<_> = document.deny.iter().map(|rule| rule.id.as_str()).collect();
    let acting = document.packs.iter().map(|pack| (pack, None));
    let watching = document
        .observe
        .iter()
        .map(|pack| (pack, Some(Mode::Observe)));
    let named = acting.chain(watching);
    let shipped = named.flat_map(|(pack, mode)| pack.rules().iter().map(move |rule| (rule, mode)));
    let free = shipped.filter(|(rule, _)| taken.insert(&rule.id));
    let shipped = free.map(|(rule, mode)| DenyRule {
        mode,
        ..rule.clone()
    });
    document.deny.iter().cloned().chain(shipped).collect()
}

/// What is wrong with the packs that `document` names.
pub(crate) fn doubled(document: &Document) -> Vec<Issue> {
    let keys = [("packs", &document.packs), ("observe", &document.observe)];
    let named = keys.into_iter().flat_map(|(key, packs)| {
        let packs = packs.iter().enumerate();
        packs.map(move |(at, pack)| (ConfigPath::new(key, "").entry(at), pack))
    });
    let mut seen = HashSet::new();
    let doubled = named.filter(|(_, pack)| !seen.insert(*pack));
    let told = doubled.map(|(place, _)| Issue::new(place, "this pack is named already"));
    told.collect()
}

// === impl Pack ===

impl Pack {
    /// Every pack that this release ships.
    pub const ALL: [Self; 9] = [
        Self::Never,
        Self::Scanners,
        Self::Devices,
        Self::Leftovers,
        Self::NoAsp,
        Self::NoCgi,
        Self::NoJavaAdmin,
        Self::NoPhp,
        Self::NoWordpress,
    ];

    /// Its rules, each with an id that begins with the pack's name.
    pub fn rules(self) -> &'static [DenyRule] {
        SHIPPED
            .get(self as usize)
            .map_or(&[], |rules| rules.as_slice())
    }

    /// Its name, as a document says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Scanners => "scanners",
            Self::Devices => "devices",
            Self::Leftovers => "leftovers",
            Self::NoAsp => "no-asp",
            Self::NoCgi => "no-cgi",
            Self::NoJavaAdmin => "no-java-admin",
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
            Self::NoPhp => include_str!("../packs/no-php.toml"),
            Self::NoWordpress => include_str!("../packs/no-wordpress.toml"),
        }
    }
}
