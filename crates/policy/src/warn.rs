//! What works, but perhaps not as meant.

use gabion_core::{ClientRules, Mode};
use gabion_inspect::Place;

use crate::{Diagnostic, fault::Fault, read::Draft};

/// What is worth a look in a sound document.
pub(crate) fn of(draft: &Draft<'_>) -> Vec<Diagnostic> {
    let mut doubts = Vec::new();
    if draft.document.mode == Some(Mode::Observe) {
        let message = "rules that do not say `mode` only observe: they refuse nothing";
        doubts.push(Fault::new(Place::new("mode", ""), message));
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
