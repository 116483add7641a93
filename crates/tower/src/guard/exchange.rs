//! One exchange, from the judgment of its request to the response.

use std::sync::Arc;

use gabion_core::{ClientIp, Forward, RequestState, Resolution, SessionLimits, Snapshot};

use super::observed::ObservedDenials;
use crate::websocket::{Session, SessionPermit};

/// One request-response exchange, and the policy that applies to it from head to end.
pub(super) struct Exchange {
    pub(super) policy: Arc<Snapshot>,
    pub(super) state: RequestState,
    /// `true` if a rule allowed the request. Then no offense in this exchange becomes a ban.
    pub(super) allowed: bool,
    /// Reported when the response is known.
    pub(super) observed: ObservedDenials,
    /// The permit of a WebSocket handshake, until the upgraded stream takes it over.
    pub(super) permit: Option<SessionPermit>,
    pub(super) session: Option<Arc<Session>>,
    /// The path, if the request accepts server-sent events.
    pub(super) stream_path: Option<Box<str>>,
    /// Set if the request needs a resolution for inner layers when it passes.
    pub(super) leaves_resolution: bool,
    /// The resolution for inner layers.
    pub(super) resolution: Option<Arc<Resolution>>,
}

impl Exchange {
    pub(super) fn new(policy: Arc<Snapshot>, state: RequestState) -> Self {
        Self {
            policy,
            state,
            allowed: false,
            observed: ObservedDenials::default(),
            permit: None,
            session: None,
            stream_path: None,
            leaves_resolution: false,
            resolution: None,
        }
    }

    pub(super) const fn state(&self) -> &RequestState {
        &self.state
    }

    pub(super) fn client(&self) -> &ClientIp {
        self.state.client()
    }

    /// Returns the limits of the WebSocket that the request opens.
    pub(super) fn session_limits(&self) -> Option<Arc<SessionLimits>> {
        self.session.as_ref()?.shared_limits()
    }

    pub(super) fn generation(&self) -> u64 {
        self.policy.generation
    }

    /// Returns the form of the path that the service receives.
    pub(super) fn forward(&self) -> Forward {
        self.policy.forward
    }
}
