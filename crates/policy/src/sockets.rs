//! What a document says of WebSockets.

use std::sync::Arc;

use gabion_core::{Mode, Routes, Terms};
use gabion_inspect::{ConfigErrors, Handshake, Ping};

use crate::{Document, State};

/// What judges handshakes, and what sessions are held to.
pub(crate) struct Sockets {
    pub(crate) handshake: Option<Handshake>,
    pub(crate) routes: Routes,
}

/// Compiles what `document` says of WebSockets. Where it says nothing they are kept open and no more
/// is asked of them.
pub(crate) fn compile(
    document: &Document,
    mode: Mode,
    state: &State,
) -> Result<Sockets, ConfigErrors> {
    let Some(upgrade) = &document.upgrade else {
        let ping = Some(Ping::DEFAULT);
        let kept_open = Terms {
            ping,
            ..Terms::default()
        };
        return Ok(Sockets {
            handshake: None,
            routes: Routes::new(Some(Arc::new(kept_open))),
        });
    };
    let (handshake, routes) = upgrade.compile(mode, state.limits())?;
    let handshake = Some(handshake);
    Ok(Sockets { handshake, routes })
}
