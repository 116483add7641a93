//! What a document says of WebSockets.

use std::sync::Arc;

use gabion_core::{Inspect, RouteLimits, SessionLimits};
use gabion_inspect::{
    Config as _, ConfigErrors, Context, Handshake, Messages, Ping, UpgradeConfig,
};

use crate::Document;

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
    context: &Context,
    custom: &[Arc<dyn Inspect>],
) -> Result<WebSocketSection, ConfigErrors> {
    let upgrade = document.upgrade.as_ref();
    let known = upgrade.is_some_and(UpgradeConfig::names_origins);
    let messages = document.message.compile(context)?.with_known_pages(known);
    let others = custom.iter().map(|rule| rule.message_kinds());
    let messages = others.fold(messages, |messages, kinds| {
        messages.with_other(kinds, context.mode())
    });
    if upgrade.is_none() && messages.read_nothing() {
        return Ok(WebSocketSection {
            handshake: None,
            messages,
            routes: RouteLimits::new(Some(Arc::new(kept_open()))),
        });
    }
    let compiled = match upgrade {
        Some(upgrade) => upgrade.compile(context)?,
        None => UpgradeConfig::default().compile(context)?,
    };
    let (handshake, routes) = compiled.into_parts(&messages);
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
