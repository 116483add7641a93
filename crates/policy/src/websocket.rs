//! What a document says of WebSockets.

use std::sync::Arc;

use gabion_core::{Inspect, Mode, RouteLimits, SessionLimits};
use gabion_inspect::{ConfigErrors, Handshake, Messages, Ping, UpgradeConfig};

use crate::{Document, State};

/// What judges handshakes and messages, and what sessions are held to.
pub(crate) struct WebSocketSection {
    pub(crate) handshake: Option<Handshake>,
    pub(crate) messages: Messages,
    pub(crate) routes: RouteLimits,
}

/// Compiles what `document` says of WebSockets. Where it says nothing they are kept open and no more
/// is asked of them; where only messages are read, they are held to what `[upgrade]` says by default,
/// and anybody may open them.
pub(crate) fn compile(
    document: &Document,
    mode: Mode,
    state: &State,
    own: &[Arc<dyn Inspect>],
) -> Result<WebSocketSection, ConfigErrors> {
    let upgrade = document.upgrade.as_ref();
    let first = document.ban.first.0;
    let known = upgrade.is_some_and(UpgradeConfig::names_origins);
    let messages = Messages::compile(&document.message, mode, first)?.with_known_pages(known);
    let others = own.iter().map(|rule| rule.message_kinds());
    let messages = others.fold(messages, |messages, message_kinds| {
        messages.with_other(message_kinds, mode)
    });
    if upgrade.is_none() && messages.read_nothing() {
        return Ok(WebSocketSection {
            handshake: None,
            messages,
            routes: RouteLimits::new(Some(Arc::new(kept_open()))),
        });
    }
    let limits = state.limits();
    let (handshake, routes) = match upgrade {
        Some(upgrade) => upgrade.compile(&messages, mode, limits)?,
        None => UpgradeConfig::default().compile(&messages, mode, limits)?,
    };
    Ok(WebSocketSection {
        handshake: upgrade.map(|_| handshake),
        messages,
        routes,
    })
}

fn kept_open() -> SessionLimits {
    let ping = Some(Ping::DEFAULT);
    SessionLimits {
        ping,
        ..SessionLimits::default()
    }
}
