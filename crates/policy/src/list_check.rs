//! Ban lists that would hit the wrong ones are refused, inline ones like files.

use gabion_core::{ClientRules, Protected};
use gabion_inspect::{ConfigError, ConfigPath, List, ListCheck, ListRejection, Network, Problem};

use crate::{Document, issue::Issue};

/// What is wrong with the ban lists of `document`, whose files hold `files`.
pub(crate) fn check(document: &Document, clients: &ClientRules, files: &[List]) -> Vec<Issue> {
    let safe = document.allow.networks.iter().copied().map(Network::net);
    let sense = ListCheck::new(clients, safe, document.ban.max_share);
    let mut issues = problems(&sense, &document.ban.list(), |line| {
        let entry = usize::try_from(line).unwrap_or_default().saturating_sub(1);
        ConfigPath::new("ban", "networks").entry(entry)
    });
    for (entry, list) in files.iter().enumerate() {
        let place = ConfigPath::new("ban", "files").entry(entry);
        issues.extend(problems(&sense, list, |_| place));
    }
    issues
}

/// What is wrong with `list`; `place` tells where in the document a line of it stands.
fn problems(sense: &ListCheck<'_>, list: &List, place: impl Fn(u32) -> ConfigPath) -> Vec<Issue> {
    let found = sense.problems(list).into_iter();
    let issues = found.map(|(line, why)| {
        let help = help(&why);
        let problem = Problem::ListRejection {
            list: list.name().to_string(),
            line,
            why,
        };
        let place = place(line);
        Issue {
            help: help.map(Into::into),
            ..ConfigError { place, problem }.into()
        }
    });
    issues.collect()
}

/// How to say it where it is meant.
const fn help(why: &ListRejection) -> Option<&'static str> {
    match why {
        ListRejection::CoversAllowed { .. } => Some(
            "if it is meant, list what lies around the allowed network: a file takes ranges `a-b`",
        ),
        ListRejection::HitsProtected {
            whom: Protected::Private,
            ..
        } => Some("if your clients are there, say `private = true` in [client]"),
        ListRejection::TooWide { .. } => Some("if it is meant, say a larger `max_share` in [ban]"),
        _ => None,
    }
}
