//! Refuses ban lists that cover allowed or protected addresses, both inline lists and files.

use gabion_core::{ClientRules, Escaped, Protected};
use gabion_inspect::{ConfigPath, List, ListCheck, ListEffect, ListRejection, Network};

use crate::{Document, issue::Issue};

/// Checks the ban lists of `document`; `files` are its parsed list files.
pub(crate) fn check(document: &Document, clients: &ClientRules, files: &[List]) -> Vec<Issue> {
    let safe = document.allow.networks.iter().copied().map(Network::net);
    let list_check = ListCheck::new(clients, safe, document.ban.max_share);
    let inline = document.ban.list();
    let mut issues = problems(&list_check, &inline, ListEffect::Deny, |line| {
        let entry = usize::try_from(line).unwrap_or_default().saturating_sub(1);
        ConfigPath::new("ban", "networks").entry(entry)
    });
    for (entry, list) in files.iter().enumerate() {
        let path = ConfigPath::new("ban", "files").entry(entry);
        let effect = document.ban.files.get(entry).map(|file| file.effect);
        let found = problems(&list_check, list, effect.unwrap_or_default(), |_| path);
        issues.extend(found);
    }
    issues
}

/// Checks `list`; `path_of_line` maps a line of it to its path in the document.
fn problems(
    list_check: &ListCheck<'_>,
    list: &List,
    effect: ListEffect,
    path_of_line: impl Fn(u32) -> ConfigPath,
) -> Vec<Issue> {
    let name = Escaped(list.name().as_bytes());
    let mut found = list_check.problems(list);
    if effect == ListEffect::NoBan {
        // It denies no client, but must not turn bans off for the internet.
        found.retain(|(_, why)| matches!(why, ListRejection::TooWide { .. }));
    }
    let issues = found.into_iter().map(|(line, why)| Issue {
        help: help(&why).map(Into::into),
        ..Issue::new(path_of_line(line), format!("{name}:{line}: {why}"))
    });
    issues.collect()
}

/// The setting or edit that makes such a list valid, if it is intended.
const fn help(why: &ListRejection) -> Option<&'static str> {
    match why {
        ListRejection::CoversAllowed { .. } => Some(
            "if this is intended, list the ranges around the allowed network: a list file accepts `a-b`",
        ),
        ListRejection::HitsProtected {
            protected: Protected::Private,
            ..
        } => Some("if your clients have private addresses, set `private = true` in [client]"),
        ListRejection::TooWide { .. } => {
            Some("if this is intended, set a larger `max_share` in [ban]")
        }
        _ => None,
    }
}
