//! Warnings about valid settings that possibly do not do what was intended.

use gabion_core::{Claim, ClaimSet, ClientRules, Mode};
use gabion_inspect::{ConfigPath, MessageAction, MessageRule, UpgradeConfig};

use crate::{Document, issue::Issue};

/// The warnings about a valid document.
pub(crate) fn issues(document: &Document) -> Vec<Issue> {
    let mut issues = Vec::new();
    if document.mode == Some(Mode::Observe) {
        let message = "observe mode: rules without their own `mode` only log and refuse nothing";
        issues.push(Issue::new(ConfigPath::new("mode", ""), message));
    }
    let upgrade = document.upgrade.as_ref();
    let bans = |rule: &MessageRule| matches!(rule.then, MessageAction::Ban(_));
    let banning = document.message.iter().position(bans);
    if let Some(index) = banning.filter(|_| !upgrade.is_some_and(UpgradeConfig::names_origins)) {
        let message = "this rule cannot ban by itself: any page could make its visitors send such a \
                       message, so it counts as forgeable";
        let path = ConfigPath::new("message", "then").rule(index);
        let help =
            "list the origins of the pages that may open WebSockets in `origins` in [upgrade]";
        issues.push(Issue::new(path, message).with_help(help));
    }
    let client = &document.client;
    let trusted_headers: ClaimSet = client.trusted_headers.iter().copied().collect();
    if client.trusted_proxies.is_empty() && trusted_headers != Claim::USUAL {
        let message = "no effect without `trusted_proxies`: headers of other peers are not trusted";
        let path = ConfigPath::new("client", "trusted_headers");
        issues.push(Issue::new(path, message));
    }
    for (index, network) in document.client.trusted_proxies.iter().enumerate() {
        if !ClientRules::is_inside(network.net()) {
            let message = format!(
                "trusted proxy {network} includes public addresses: a sender there can claim any \
                 client address, and have it banned"
            );
            let path = ConfigPath::new("client", "trusted_proxies").entry(index);
            let help = "list only networks that only your own proxies or your CDN send from";
            issues.push(Issue::new(path, message).with_help(help));
        }
    }
    issues
}
