//! What works, but perhaps not as meant.

use gabion_core::{ClientRules, Mode};
use gabion_inspect::{MessageRule, MessageThen, Place, UpgradeConfig};

use crate::{Diagnostic, fault::Fault, read::Draft};

/// What is worth a look in a sound document.
pub(crate) fn of(draft: &Draft<'_>) -> Vec<Diagnostic> {
    let mut doubts = Vec::new();
    if draft.document.mode == Some(Mode::Observe) {
        let message = "rules that do not say `mode` only observe: they refuse nothing";
        doubts.push(Fault::new(Place::new("mode", ""), message));
    }
    let upgrade = draft.document.upgrade.as_ref();
    let bans = |rule: &MessageRule| matches!(rule.then, MessageThen::Ban(_));
    let banning = draft.document.message.iter().position(bans);
    if let Some(at) = banning.filter(|_| !upgrade.is_some_and(UpgradeConfig::names_origins)) {
        let message = "any page could have its visitors banned: what it has them send is counted as \
                       forgeable, and bans nobody by itself";
        let place = Place::new("message", "then").rule(at);
        let help = "name the origins whose pages may open sockets, in [upgrade] origins";
        doubts.push(Fault::new(place, message).with_help(help));
    }
    for (at, network) in draft.document.client.trusted_proxies.iter().enumerate() {
        if !ClientRules::is_inside(network.net()) {
            let message = format!(
                "{network} is public: whoever sends from there names its client, and could have \
                 anyone banned"
            );
            let place = Place::new("client", "trusted_proxies").entry(at);
            let help = "trust only networks that your own proxies or your CDN alone send from";
            doubts.push(Fault::new(place, message).with_help(help));
        }
    }
    doubts.into_iter().map(|doubt| draft.warn(doubt)).collect()
}
