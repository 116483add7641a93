//! A policy that shrinks by accident: a file cut short, an editor's empty save, a feed gone wrong.
//!
//! A new policy is refused, unless shrinking is accepted, when it would lose:
//! 1. more than half of the deny rules, of the rules about messages, or of the entries of ban lists,
//!    by count;
//! 2. any entry of `[allow]`, or any trusted proxy, by name.
//!
//! So is one with a version of a ban list's file that holds over 30 % more or fewer networks than
//! the version in force, where that is more than a hundred.

use std::collections::{BTreeMap, BTreeSet};

use gabion_core::Escaped;
use gabion_inspect::{ConfigPath, List};

use crate::{Document, issue::Issue};

/// Whether a new policy may lose much of what the old one holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShrinkGuard {
    /// It may not.
    #[default]
    Refuse,
    /// It may, and a ban list may change by any number: somebody has said so (`--accept-shrink`).
    Accept,
}

/// What a policy holds, so that a loss can be told.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicyInventory {
    deny: BTreeSet<String>,
    messages: BTreeSet<String>,
    banned: usize,
    /// How many networks each ban list's file holds, by its name.
    lists: BTreeMap<String, usize>,
    allowed: BTreeSet<String>,
    trusted: BTreeSet<String>,
}

/// How to have it all the same.
const ACCEPT: &str = "if that is meant, start with --accept-shrink";
/// How many lost entries are named.
const NAMED: usize = 8;
/// By how many percent a ban list may change unasked.
const CHANGE: usize = 30;
/// By how many networks a ban list may change, whatever part of it they are.
const FEW: usize = 100;

impl PolicyInventory {
    /// What `document` and its `lists` hold.
    pub(crate) fn new(document: &Document, lists: &[List]) -> Self {
        let networks = document.allow.networks.iter().map(ToString::to_string);
        let listed: usize = lists.iter().map(List::len).sum();
        let lengths = lists
            .iter()
            .map(|list| (list.name().to_string(), list.len()));
        Self {
            lists: lengths.collect(),
            deny: document
                .deny_rules()
                .into_iter()
                .map(|rule| rule.id)
                .collect(),
            messages: document
                .message
                .iter()
                .map(|rule| rule.id.clone())
                .collect(),
            banned: document.ban.networks.len().saturating_add(listed),
            allowed: networks
                .chain(document.allow.paths.iter().cloned())
                .collect(),
            trusted: document
                .client
                .trusted_proxies
                .iter()
                .map(ToString::to_string)
                .collect(),
        }
    }

    /// How many networks are banned from the start.
    pub(crate) const fn banned(&self) -> usize {
        self.banned
    }

    /// What a change from this to `next` would lose, and which ban lists it would change, where that
    /// is too much.
    pub(crate) fn losses(&self, next: &Self) -> Vec<Issue> {
        let mut losses = self.changes(next);
        let mut refuse = |section, what: String| {
            let issue = Issue::new(
                ConfigPath::new(section, ""),
                format!("this would lose {what}"),
            );
            losses.push(issue.with_help(ACCEPT));
        };
        for (section, what, was, now) in [
            ("deny", "deny rules", &self.deny, &next.deny),
            (
                "message",
                "rules about messages",
                &self.messages,
                &next.messages,
            ),
        ] {
            if too_few(was.len(), now.len()) {
                let (lost, count) = (gone(was, now), was.len() - now.len());
                refuse(section, format!("{count} of {} {what}: {lost}", was.len()));
            }
        }
        if too_few(self.banned, next.banned) {
            let (was, now) = (self.banned, next.banned);
            refuse(
                "ban",
                format!("{} of {was} entries of ban lists", was - now),
            );
        }
        if !self.allowed.is_subset(&next.allowed) {
            let lost = gone(&self.allowed, &next.allowed);
            refuse("allow", format!("entries of [allow]: {lost}"));
        }
        if !self.trusted.is_subset(&next.trusted) {
            let lost = gone(&self.trusted, &next.trusted);
            refuse("client", format!("trusted proxies: {lost}"));
        }
        losses
    }

    /// The ban lists that hold many more or fewer networks in `next`. What held none had no version
    /// to compare with.
    fn changes(&self, next: &Self) -> Vec<Issue> {
        let versions = self.lists.iter().filter_map(|(name, &was)| {
            let now = *next.lists.get(name)?;
            (was > 0 && changed_much(was, now)).then_some((name, was, now))
        });
        let issues = versions.map(|(name, was, now)| {
            let name = Escaped(name.as_bytes());
            let message = format!(
                "list `{name}` would go from {was} to {now} networks: over {CHANGE}% at once"
            );
            Issue::new(ConfigPath::new("ban", "files"), message).with_help(ACCEPT)
        });
        issues.collect()
    }
}

const fn changed_much(was: usize, now: usize) -> bool {
    let change = was.abs_diff(now);
    change > FEW && change.saturating_mul(100) > was.saturating_mul(CHANGE)
}

const fn too_few(was: usize, now: usize) -> bool {
    now < was.div_ceil(2)
}

/// Names what is in `was` and not in `now`, the first few of it.
fn gone(was: &BTreeSet<String>, now: &BTreeSet<String>) -> String {
    let mut lost = was.difference(now);
    let named: Vec<_> = lost
        .by_ref()
        .take(NAMED)
        .map(|name| format!("`{name}`"))
        .collect();
    let named = named.join(", ");
    match lost.count() {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
