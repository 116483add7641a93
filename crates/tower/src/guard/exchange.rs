//! One exchange, from the judgment of its request to the response.

use std::sync::Arc;

use gabion_core::{RequestState, Resolution, Upgrade};

use super::observed::ObservedDenials;
use crate::{session::Session, websocket::SessionPermit};

/// One request-response exchange.
pub(super) struct Exchange {
    /// The generation of the policy that applies to it from head to end.
    pub(super) generation: u64,
    pub(super) state: RequestState,
    /// `true` if a rule allowed the request. Then no offense in this exchange becomes a ban.
    pub(super) is_allowed: bool,
    /// Reported when the response is known.
    pub(super) observed: ObservedDenials,
    /// The permit of a WebSocket handshake, until the upgraded stream takes it over.
    pub(super) permit: Option<SessionPermit>,
    pub(super) session: Option<Arc<Session>>,
    /// The path, if the request accepts server-sent events.
    pub(super) stream_path: Option<Box<str>>,
    /// The resolution for inner layers.
    pub(super) resolution: Option<Arc<Resolution>>,
    pub(super) changes: RequestChanges,
}

/// The changes to a request before the inner service receives it.
#[derive(Clone, Copy, Default)]
pub(super) struct RequestChanges {
    /// `true` if the client is inserted into the extensions.
    pub(super) inserts_client: bool,
    /// `true` if the path is rewritten into its canonical form.
    pub(super) makes_canonical: bool,
    /// The upgrade, if the headers may contain an offer that must not reach the service.
    pub(super) upgrade_offer: Option<Upgrade>,
}

impl Exchange {
    pub(super) fn new(generation: u64, state: RequestState) -> Self {
        Self {
            generation,
            state,
            is_allowed: false,
            observed: ObservedDenials::default(),
            permit: None,
            session: None,
            stream_path: None,
            resolution: None,
            changes: RequestChanges::default(),
        }
    }
}
