//! Compiles the WebSocket sections: `[upgrade]` and `[[message]]`.

use std::sync::Arc;

use gabion_core::{Mode, RouteLimits, SessionLimits};
use gabion_inspect::{
    Config as _, ConfigErrors, Context, Handshake, Messages, Ping, UpgradeConfig,
};

use crate::{Document, options::CustomRules};

/// The inspectors of handshakes and messages, and the session limits of each route.
pub(crate) struct CompiledWebSocket {
    pub(crate) handshake: Handshake,
    pub(crate) messages: Messages,
    pub(crate) routes: RouteLimits,
}

/// Compiles the WebSocket sections of `document`.
///
/// Without `[upgrade]`, handshakes that its default would deny are only observed. Without any section,
/// WebSockets are kept open with pings and have no limits. With `[[message]]` rules or own rules that
/// read messages, but no `[upgrade]`, sessions get the default limits of `[upgrade]`.
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
    let Some(upgrade) = upgrade else {
        let default = UpgradeConfig::default();
        let observed = default.compile(&context.clone().with_mode(Mode::Observe))?;
        let (handshake, _) = observed.into_parts(&messages);
        let routes = if messages.read_nothing() {
            RouteLimits::new(Some(Arc::new(pings_only())))
        } else {
            default.compile(context)?.into_parts(&messages).1
        };
        return Ok(CompiledWebSocket {
            handshake,
            messages,
            routes,
        });
    };
    let (handshake, routes) = upgrade.compile(context)?.into_parts(&messages);
    Ok(CompiledWebSocket {
        handshake,
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
