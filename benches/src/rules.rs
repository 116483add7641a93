//! Generated deny rules.

use std::iter;

use gabion::deny::DenyRule;

/// Generates `count` deny rules: the first denies `.php`, the others are exact paths, prefixes, names and
/// extensions in equal parts.
pub fn deny(count: usize) -> Vec<DenyRule> {
    let php = DenyRule::new("php").extensions(["php"]);
    let more = (1..count).map(|number| {
        let rule = DenyRule::new(format!("rule-{number}"));
        match number % 4 {
            0 => rule.exact([format!("/probe/{number}/setup.cgi")]),
            1 => rule.prefix([format!("/old-{number}/admin")]),
            2 => rule.names([format!(".secret-{number}")]),
            _ => rule.extensions([format!("bak{number}")]),
        }
    });
    iter::once(php).chain(more).collect()
}
