//! Ban lists that would hit the wrong ones are refused, inline ones like files.

use gabion_core::{ClientRules, Protected};
use gabion_inspect::{ConfigError, List, Network, Place, Problem, Sense, Senseless};

use crate::{Document, fault::Fault};

/// What is wrong with the ban lists of `document`, whose files hold `files`.
pub(crate) fn of(document: &Document, clients: &ClientRules, files: &[List]) -> Vec<Fault> {
    let safe = document.allow.networks.iter().copied().map(Network::net);
    let sense = Sense::new(clients, safe, document.ban.max_share);
    let mut faults = problems(&sense, &document.ban.list(), |line| {
        let entry = usize::try_from(line).unwrap_or_default().saturating_sub(1);
        Place::new("ban", "networks").entry(entry)
    });
    for (entry, list) in files.iter().enumerate() {
        let place = Place::new("ban", "files").entry(entry);
        faults.extend(problems(&sense, list, |_| place));
    }
    faults
}

/// What is wrong with `list`; `place` tells where in the document a line of it stands.
fn problems(sense: &Sense<'_>, list: &List, place: impl Fn(u32) -> Place) -> Vec<Fault> {
    let found = sense.problems(list).into_iter();
    let faults = found.map(|(line, why)| {
        let help = help(&why);
        let problem = Problem::Senseless {
            list: list.name().to_string(),
            line,
            why,
        };
        let place = place(line);
        Fault {
            help: help.map(Into::into),
            ..ConfigError { place, problem }.into()
        }
    });
    faults.collect()
}

/// How to say it where it is meant.
const fn help(why: &Senseless) -> Option<&'static str> {
    match why {
        Senseless::CoversAllowed { .. } => Some(
            "if it is meant, list what lies around the allowed network: a file takes ranges `a-b`",
        ),
        Senseless::HitsProtected {
            whom: Protected::Private,
            ..
        } => Some("if your clients are there, say `private = true` in [client]"),
        Senseless::TooWide { .. } => Some("if it is meant, say a larger `max_share` in [ban]"),
        _ => None,
    }
}
