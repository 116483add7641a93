//! What works, but perhaps not as meant.

use gabion_core::{ClientRules, Mode};
use gabion_inspect::{ConfigPath, MessageAction, MessageRule, UpgradeConfig};

use crate::{Diagnostic, issue::Issue, read::ParsedDocument};

/// What is worth a look in a sound document.
pub(crate) fn warnings(parsed: &ParsedDocument<'_>) -> Vec<Diagnostic> {
    let mut doubts = Vec::new();
    if parsed.document.mode == Some(Mode::Observe) {
        let message = "rules that do not say `mode` only observe: they refuse nothing";
        doubts.push(Issue::new(ConfigPath::new("mode", ""), message));
    }
    let upgrade = parsed.document.upgrade.as_ref();
    let bans = |rule: &MessageRule| matches!(rule.then, MessageAction::Ban(_));
    let banning = parsed.document.message.iter().position(bans);
    if let Some(at) = banning.filter(|_| !upgrade.is_some_and(UpgradeConfig::names_origins)) {
        let message = "any page could have its visitors banned: what it has them send is counted as \
                       forgeable, and bans nobody by itself";
        let place = ConfigPath::new("message", "then").rule(at);
        let help = "name the origins whose pages may open sockets, in [upgrade] origins";
        doubts.push(Issue::new(place, message).with_help(help));
    }
    for (at, network) in parsed.document.client.trusted_proxies.iter().enumerate() {
        if !ClientRules::is_inside(network.net()) {
            let message = format!(
                "{network} is public: whoever sends from there names its client, and could have \
                 anyone banned"
            );
            let place = ConfigPath::new("client", "trusted_proxies").entry(at);
            let help = "trust only networks that your own proxies or your CDN alone send from";
            doubts.push(Issue::new(place, message).with_help(help));
        }
    }
    doubts.into_iter().map(|doubt| parsed.warn(doubt)).collect()
}
