//! One exchange, from the judgment of its request to the response.

use std::{sync::Arc, time::Duration};

use gabion_core::{RequestState, Resolution, Upgrade};
use http::StatusCode;

use super::{observed::ObservedDenials, remote_wait::RemoteWait};
use crate::{session::Session, websocket::SessionPermit};

/// One request-response exchange.
pub(super) struct Exchange {
    /// The generation of the policy that applies to it from head to end.
    pub(super) generation: u64,
    pub(super) state: RequestState,
    /// `true` if a rule allowed the request. Then no offense in this exchange becomes a ban.
    pub(super) is_allowed: bool,
    /// The resolution for inner layers.
    pub(super) resolution: Option<Arc<Resolution>>,
    pub(super) changes: RequestChanges,
    /// The time that was added before the service received the request, if it is measured.
    pub(super) added: Option<Duration>,
    pub(super) rare: Option<Box<Rare>>,
}

/// The parts that few exchanges have, apart from the others: an exchange is moved several times.
#[derive(Default)]
pub(super) struct Rare {
    /// Reported when the response is known.
    pub(super) observed: ObservedDenials,
    /// The permit of a WebSocket handshake, until the upgraded stream takes it over.
    pub(super) permit: Option<SessionPermit>,
    pub(super) session: Option<Arc<Session>>,
    /// The path, if the request accepts server-sent events.
    pub(super) stream_path: Option<Box<str>>,
    /// The wait for a decision about exact limits, until it is known.
    pub(super) remote: Option<RemoteWait>,
}

/// The changes to a request before the inner service receives it.
#[derive(Clone, Copy)]
pub(super) struct RequestChanges {
    /// `true` if the client is inserted into the extensions.
    pub(super) inserts_client: bool,
    /// `true` if the path is rewritten into its canonical form.
    pub(super) makes_canonical: bool,
    /// The upgrade, if the headers may contain an offer that must not reach the service.
    pub(super) upgrade_offer: Option<Upgrade>,
}

// === impl Exchange ===

impl Exchange {
    /// Returns the rare parts, to add one.
    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Takes the permit of a WebSocket handshake.
    pub(super) fn take_permit(&mut self) -> Option<SessionPermit> {
        self.rare.as_mut()?.permit.take()
    }

    pub(super) fn session(&self) -> Option<&Arc<Session>> {
        self.rare.as_ref()?.session.as_ref()
    }

    /// Returns the path, if the request accepts server-sent events.
    pub(super) fn stream_path(&self) -> Option<&str> {
        self.rare.as_ref()?.stream_path.as_deref()
    }

    /// Returns `true` if the request waits for a decision about exact limits.
    #[inline]
    pub(super) fn has_remote(&self) -> bool {
        (self.rare.as_ref()).is_some_and(|rare| rare.remote.is_some())
    }

    /// Returns `true` if a denial did not take effect and is not reported yet.
    pub(super) fn has_observed(&self) -> bool {
        (self.rare.as_ref()).is_some_and(|rare| !rare.observed.is_empty())
    }

    /// Reports the denials that did not take effect, with the status of the service's response.
    pub(super) fn report_observed(&mut self, answered: Option<StatusCode>) {
        if let Some(rare) = &mut self.rare {
            rare.observed.report(answered);
        }
    }
}
