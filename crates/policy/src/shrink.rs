//! A policy that shrinks by accident: a file cut short, an editor's empty save.
//!
//! A new policy is refused, unless shrinking is accepted, when it would lose:
//! 1. more than half of the deny rules, or of the entries of ban lists, by count;
//! 2. any entry of `[allow]`, or any trusted proxy, by name.

use std::collections::BTreeSet;

use gabion_inspect::{List, Place};

use crate::{Document, fault::Fault};

/// Whether a new policy may lose much of what the old one holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shrink {
    /// It may not.
    #[default]
    Refuse,
    /// It may: somebody has said so (`--accept-shrink`).
    Accept,
}

/// What a policy holds, so that a loss can be told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holdings {
    deny: BTreeSet<String>,
    banned: usize,
    allowed: BTreeSet<String>,
    trusted: BTreeSet<String>,
}

/// How many lost entries are named.
const NAMED: usize = 8;

impl Holdings {
    /// What `document` and its `lists` hold.
    pub(crate) fn of(document: &Document, lists: &[List]) -> Self {
        let networks = document.allow.networks.iter().map(ToString::to_string);
        let listed: usize = lists.iter().map(List::len).sum();
        Self {
            deny: document.deny.iter().map(|rule| rule.id.clone()).collect(),
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

    /// What a change from this to `next` would lose, where that is too much.
    pub(crate) fn losses(&self, next: &Self) -> Vec<Fault> {
        let mut losses = Vec::new();
        let mut refuse = |section, what: String| {
            let fault = Fault::new(Place::new(section, ""), format!("this would lose {what}"));
            losses.push(fault.with_help("if that is meant, start with --accept-shrink"));
        };
        if too_few(self.deny.len(), next.deny.len()) {
            let lost = gone(&self.deny, &next.deny);
            let (was, now) = (self.deny.len(), next.deny.len());
            refuse("deny", format!("{} of {was} deny rules: {lost}", was - now));
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
