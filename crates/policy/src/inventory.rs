//! Refuses policies that lose entries by accident, as after a truncated file, an empty save of an
//! editor, or a broken feed.
//!
//! A new policy is refused, unless [`ShrinkGuard::Accept`] is set, if it removes:
//! 1. more than half of the deny rules, of the `[[message]]` rules, or of the banned networks, by
//!    count;
//! 2. any entry of `[allow]`, or any trusted proxy, by name.
//!
//! It is also refused if the number of networks in a ban list file grows or shrinks by more than
//! 30 % and by more than 100 networks.

use std::collections::{BTreeMap, BTreeSet};

use gabion_core::Escaped;
use gabion_inspect::{ConfigPath, DenyRule, List};

use crate::{Document, issue::Issue};

/// Decides if a new policy may remove many entries of the previous one.
///
/// Set by [`PolicyOptions::with_shrink_guard`](crate::PolicyOptions::with_shrink_guard). The same
/// document is accepted by a [`PolicyHandle`](crate::PolicyHandle) that starts with it.
///
/// # Examples
///
/// ```
/// # use std::sync::Arc;
/// # use gabion_core::{Event, Sink};
/// use gabion_policy::{PolicyHandle, PolicyOptions, ShrinkGuard};
/// # struct NoEvents;
/// # impl Sink for NoEvents {
/// #     fn record(&self, _: &Event) {}
/// # }
///
/// let replace = |shrink| {
///     let options = PolicyOptions::new(Arc::new(NoEvents)).with_shrink_guard(shrink);
///     let text = "version = 1\n[allow]\nnetworks = ['203.0.113.63']\n";
///     let policy = PolicyHandle::from_document(text, "policy.toml", options).unwrap();
///     policy.replace("version = 1\n")
/// };
/// assert_eq!(
///     replace(ShrinkGuard::Refuse).unwrap_err().diagnostics()[0].message(),
///     "this edit removes 203.0.113.63 from [allow]; to accept it, send SIGUSR2 to guard or \
///      start it with --accept-shrink",
/// );
/// assert!(replace(ShrinkGuard::Accept).is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShrinkGuard {
    /// Refuses such a policy (the default).
    #[default]
    Refuse,
    /// Accepts it, and accepts ban lists that change by any number: guard's `--accept-shrink`.
    Accept,
}

/// The entries of a policy, to compare with those of the next one.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicyInventory {
    deny: Vec<String>,
    messages: Vec<String>,
    banned: usize,
    /// The number of networks of each ban list file, by its name.
    lists: BTreeMap<String, usize>,
    allowed: BTreeSet<String>,
    trusted: BTreeSet<String>,
}

const ACCEPT: &str = "to accept it, send SIGUSR2 to guard or start it with --accept-shrink";
const HELP: &str = "a truncated or emptied file looks the same; a program that embeds gabion accepts it \
                    with `reload_accepting_shrink` or `ShrinkGuard::Accept`";
/// The maximum number of removed entries that a message names.
const MAX_NAMED: usize = 8;
/// The percentage by which a ban list may change.
const MAX_CHANGE_PERCENT: usize = 30;
/// The number of networks by which a ban list may change, regardless of the percentage.
const MAX_CHANGE_COUNT: usize = 100;

// === impl PolicyInventory ===

impl PolicyInventory {
    /// Collects the entries of `document`, its `deny` rules with those of packs, and its `lists`.
    pub(crate) fn new(document: &Document, deny: &[DenyRule], lists: &[List]) -> Self {
        let networks = document.allow.networks.iter().map(ToString::to_string);
        let listed: usize = lists.iter().map(List::len).sum();
        let lengths = lists
            .iter()
            .map(|list| (list.name().to_string(), list.len()));
        Self {
            lists: lengths.collect(),
            deny: deny.iter().map(|rule| rule.id.clone()).collect(),
            messages: document
                .message
                .iter()
                .map(|rule| rule.id.clone())
                .collect(),
            banned: document.ban.networks.len().saturating_add(listed),
            allowed: networks
                .chain(document.allow.paths.iter().map(|path| format!("`{path}`")))
                .collect(),
            trusted: document
                .client
                .trusted_proxies
                .iter()
                .map(ToString::to_string)
                .collect(),
        }
    }

    /// The number of networks that the document and its lists ban.
    pub(crate) const fn banned(&self) -> usize {
        self.banned
    }

    /// The issues of a change from this policy to `next`: entries removed, and ban lists that change
    /// too much.
    pub(crate) fn losses(&self, next: &Self) -> Vec<Issue> {
        let mut issues = self.list_changes(next);
        let mut add = |section, removed: String| {
            let path = ConfigPath::new(section, "");
            let message = format!("this edit removes {removed}; {ACCEPT}");
            issues.push(Issue::new(path, message).with_help(HELP));
        };
        for (section, kind, old, new) in [
            ("deny", "deny rules", &self.deny, &next.deny),
            (
                "message",
                "[[message]] rules",
                &self.messages,
                &next.messages,
            ),
        ] {
            if loses_most(old.len(), new.len()) {
                let count = old.len() - new.len();
                let names = removed_names(&quoted(old), &quoted(new));
                add(
                    section,
                    format!("{count} of {} {kind} ({names})", old.len()),
                );
            }
        }
        if loses_most(self.banned, next.banned) {
            let (old, new) = (self.banned, next.banned);
            add("ban", format!("{} of {old} networks from [ban]", old - new));
        }
        if !self.allowed.is_subset(&next.allowed) {
            let names = removed_names(&self.allowed, &next.allowed);
            add("allow", format!("{names} from [allow]"));
        }
        if !self.trusted.is_subset(&next.trusted) {
            let names = removed_names(&self.trusted, &next.trusted);
            add("client", format!("{names} from [client] trusted_proxies"));
        }
        issues
    }

    /// The ban lists that change too much. A list that was empty has no size to compare with.
    fn list_changes(&self, next: &Self) -> Vec<Issue> {
        let changed = self.lists.iter().filter_map(|(name, &old)| {
            let new = *next.lists.get(name)?;
            (old > 0 && changes_too_much(old, new)).then_some((name, old, new))
        });
        let issues = changed.map(|(name, old, new)| {
            let name = Escaped(name.as_bytes());
            let message = format!(
                "list `{name}` changes from {old} to {new} networks, more than \
                 {MAX_CHANGE_PERCENT}% at once; {ACCEPT}"
            );
            Issue::new(ConfigPath::new("ban", "files"), message).with_help(HELP)
        });
        issues.collect()
    }
}

const fn changes_too_much(old: usize, new: usize) -> bool {
    let change = old.abs_diff(new);
    change > MAX_CHANGE_COUNT && change.saturating_mul(100) > old.saturating_mul(MAX_CHANGE_PERCENT)
}

const fn loses_most(old: usize, new: usize) -> bool {
    new < old.div_ceil(2)
}

fn quoted(ids: &[String]) -> BTreeSet<String> {
    ids.iter().map(|id| format!("`{id}`")).collect()
}

/// Lists the first [`MAX_NAMED`] names that are in `old` and not in `new`.
fn removed_names(old: &BTreeSet<String>, new: &BTreeSet<String>) -> String {
    let mut removed = old.difference(new);
    let named: Vec<_> = removed
        .by_ref()
        .take(MAX_NAMED)
        .map(String::as_str)
        .collect();
    let named = named.join(", ");
    match removed.count() {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
