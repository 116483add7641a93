//! Compiles the WebSocket sections: `[upgrade]` and `[[message]]`.

use std::sync::Arc;

use gabion_core::{RouteLimits, SessionLimits};
use gabion_inspect::{
    Config as _, ConfigErrors, Context, Handshake, Messages, Ping, UpgradeConfig,
};

use crate::{Document, options::CustomRules};

/// The inspectors of handshakes and messages, and the session limits of each route.
pub(crate) struct CompiledWebSocket {
    pub(crate) handshake: Option<Handshake>,
    pub(crate) messages: Messages,
    pub(crate) routes: RouteLimits,
}

/// Compiles the WebSocket sections of `document`.
///
/// Without any, WebSockets are kept open with pings and have no limits. With `[[message]]` rules or
/// own rules that read messages, but no `[upgrade]`, sessions get the default limits of `[upgrade]`,
/// and any page may open them.
pub(crate) fn compile(
    document: &Document,
    context: &Context,
    custom: &CustomRules,
) -> Result<CompiledWebSocket, ConfigErrors> {
    let upgrade = document.upgrade.as_ref();
    let origins_are_known = upgrade.is_some_and(UpgradeConfig::names_origins);
    let messages = document
        .message
        .compile(context)?
        .with_known_pages(origins_are_known);
    let messages = messages.with_other(custom.message_kinds(), context.mode());
    if upgrade.is_none() && messages.read_nothing() {
        return Ok(CompiledWebSocket {
            handshake: None,
            messages,
            routes: RouteLimits::new(Some(Arc::new(pings_only()))),
        });
    }
    let compiled = match upgrade {
        Some(upgrade) => upgrade.compile(context)?,
        None => UpgradeConfig::default().compile(context)?,
    };
    let (handshake, routes) = compiled.into_parts(&messages);
    Ok(CompiledWebSocket {
        handshake: upgrade.map(|_| handshake),
        messages,
        routes,
    })
}

fn pings_only() -> SessionLimits {
    let ping = Some(Ping::DEFAULT);
    SessionLimits {
        ping,
        ..SessionLimits::default()
    }
}
