//! The result of compiling the `[upgrade]` section.

use std::sync::Arc;

use gabion_core::{MessageKinds, RouteLimits, SessionLimits};

use super::Handshake;
use crate::Messages;

/// A compiled [`UpgradeConfig`](crate::UpgradeConfig): the inspector of handshakes, and the limits of the sessions that
/// they open.
///
/// See [`Handshake`] for an example.
#[derive(Debug)]
pub struct CompiledUpgrade {
    pub(super) handshake: Handshake,
    pub(super) routes: Vec<(Box<[u8]>, CompiledLimits)>,
    pub(super) rest: CompiledLimits,
}

/// Session limits before it is known which messages are inspected.
#[derive(Debug)]
pub(super) struct CompiledLimits {
    pub(super) session_limits: SessionLimits,
    /// The rate of bytes per client, if messages are inflated.
    pub(super) inflated_client_bytes: Option<u64>,
}

impl CompiledUpgrade {
    /// Returns the inspector of handshakes, and the session limits of each route with the message
    /// kinds that `messages` need on it.
    pub fn into_parts(self, messages: &Messages) -> (Handshake, RouteLimits) {
        let with_kinds = |limits: CompiledLimits, path: &[u8], before: &[Box<[u8]>]| {
            let (message_kinds, holds) = messages.message_kinds_on(path, before);
            Arc::new(limits.with_kinds(message_kinds, holds))
        };
        let paths: Vec<_> = self.routes.iter().map(|(path, _)| path.clone()).collect();
        let routes = RouteLimits::new(Some(with_kinds(self.rest, b"", &paths)));
        let all = self.routes.into_iter().enumerate();
        let routes = all.fold(routes, |routes, (index, (path, limits))| {
            let before = paths.get(..index).unwrap_or_default();
            let limits = with_kinds(limits, &path, before);
            routes.with(path, limits)
        });
        (self.handshake, routes)
    }
}

impl CompiledLimits {
    fn with_kinds(self, message_kinds: MessageKinds, holds: bool) -> SessionLimits {
        let limits = self.session_limits;
        let are_read = message_kinds != MessageKinds::None;
        let default = self.inflated_client_bytes.filter(|_| are_read);
        SessionLimits {
            message_kinds,
            holds,
            client_bytes: limits.client_bytes.or(default),
            ..limits
        }
    }
}
