//! Session limits by route.

use std::{cmp::Reverse, sync::Arc};

use crate::{PathPrefixes, PathViews, SessionLimits};

/// [`SessionLimits`] by the path of the handshake.
///
/// A path belongs to a route if a view of it lies below the route's prefix ([`PathPrefixes`]); of
/// several routes the first applies. If two views belong to different routes, or not all views are
/// known, the strictest of the limits apply: those that hold messages until they are judged, or else
/// those that inspect more kinds of messages. So a different spelling of a path never avoids a rule.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use gabion_core::{PathViews, RouteLimits, SessionLimits};
///
/// let chat = Arc::new(SessionLimits { max_message: 4096, ..SessionLimits::default() });
/// let limits = RouteLimits::new(None).with(*b"/chat", chat);
/// let max = |path: &[u8]| limits.for_path(&PathViews::new(path)).map(|found| found.max_message);
/// assert_eq!(max(b"/%63hat/room"), Some(4096));
/// assert_eq!(max(b"/feed"), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteLimits {
    /// The prefix of each route, with its index.
    prefixes: PathPrefixes,
    routes: Vec<Arc<SessionLimits>>,
    rest: Option<Arc<SessionLimits>>,
}

impl RouteLimits {
    /// Applies `rest` to all paths. With `None`, sessions are not limited.
    pub fn new(rest: Option<Arc<SessionLimits>>) -> Self {
        Self {
            rest,
            ..Self::default()
        }
    }

    /// Adds a route below `prefix`.
    pub fn with(mut self, prefix: impl AsRef<[u8]>, session_limits: Arc<SessionLimits>) -> Self {
        self.prefixes.add(prefix.as_ref(), self.routes.len());
        self.routes.push(session_limits);
        self
    }

    /// The limits of a session on `path`.
    pub fn for_path(&self, path: &PathViews<'_>) -> Option<&Arc<SessionLimits>> {
        let first = |view| self.prefixes.containing(view).min().unwrap_or(usize::MAX);
        let known = path.iter().map(first);
        let unknown = path.is_incomplete().then_some(0..=self.routes.len());
        let limits = |route| (route, self.routes.get(route).or(self.rest.as_ref()));
        let strictness = |limits: &Arc<SessionLimits>| (limits.holds, limits.message_kinds);
        let candidates = known.chain(unknown.into_iter().flatten()).map(limits);
        let strictest =
            candidates.min_by_key(|&(route, limits)| (Reverse(limits.map(strictness)), route));
        strictest.and_then(|(_, limits)| limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MessageKinds;

    #[test]
    fn path_lies_below_a_prefix_by_segment_in_any_view() {
        let named = |route: &str| {
            Arc::new(SessionLimits {
                route: route.into(),
                ..SessionLimits::default()
            })
        };
        let routes = RouteLimits::new(Some(named("rest")))
            .with(*b"/chat", named("chat"))
            .with(*b"/chat/admin", named("shadowed"));
        for (path, route) in [
            ("/chat", "chat"),
            ("/chat/admin", "chat"),
            ("/%63hat/x", "chat"),
            ("/CHAT", "chat"),
            ("/chat;v=1", "chat"),
            ("/chat./x", "chat"),
            ("/x/../chat", "chat"),
            ("/chatter", "rest"),
            ("/x/chat", "rest"),
        ] {
            let session_limits = routes.for_path(&PathViews::new(path.as_bytes())).unwrap();
            assert_eq!(&*session_limits.route, route, "{path}");
        }
        assert_eq!(RouteLimits::default().for_path(&PathViews::new(b"/")), None);
    }

    #[test]
    fn path_with_views_in_two_routes_gets_the_stricter_limits() {
        let session_limits = |route: &str, message_kinds, holds| {
            Arc::new(SessionLimits {
                route: route.into(),
                message_kinds,
                holds,
                ..SessionLimits::default()
            })
        };
        let routes = RouteLimits::new(Some(session_limits("rest", MessageKinds::Text, false)))
            .with(*b"/open", session_limits("open", MessageKinds::None, false))
            .with(*b"/held", session_limits("held", MessageKinds::Text, true));
        for (path, route) in [
            ("/open/%2e%2e/held", "held"),
            ("/open/%2e%2e/x", "rest"),
            ("/held/%2e%2e/open", "held"),
            ("/open/%20", "open"),
            ("/open;v=1", "open"),
            ("/open/../x", "rest"),
        ] {
            let session_limits = routes.for_path(&PathViews::new(path.as_bytes())).unwrap();
            assert_eq!(&*session_limits.route, route, "{path}");
        }
    }
}
