//! Which terms hold where.

use std::{cmp::Reverse, sync::Arc};

use crate::{PathViews, SessionLimits};

/// The terms of sessions, by the path of their handshake.
///
/// A path lies below a route where a view of it does ([`View::lies_below`](crate::View::lies_below));
/// of several routes the first counts. Where two views lie below different routes, the terms count
/// that have messages held until they are judged, or else those that have more of them read: nobody
/// spells his way past a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteLimits {
    routes: Vec<(Box<[u8]>, Arc<SessionLimits>)>,
    rest: Option<Arc<SessionLimits>>,
}

impl RouteLimits {
    /// `rest` everywhere; nothing is asked of a session where there are no terms.
    pub const fn new(rest: Option<Arc<SessionLimits>>) -> Self {
        let routes = Vec::new();
        Self { routes, rest }
    }

    /// Adds a route below `prefix`, without a slash at its end.
    pub fn with(
        mut self,
        prefix: impl Into<Box<[u8]>>,
        session_limits: Arc<SessionLimits>,
    ) -> Self {
        self.routes.push((prefix.into(), session_limits));
        self
    }

    /// The terms of a session on `path`.
    pub fn for_path(&self, path: &PathViews<'_>) -> Option<&Arc<SessionLimits>> {
        let routes = path.iter().map(|view| {
            let mut below = self.routes.iter().enumerate();
            let route = below.find(|(_, (prefix, _))| view.lies_below(prefix));
            route.map_or(
                (usize::MAX, self.rest.as_ref()),
                |(at, (_, session_limits))| (at, Some(session_limits)),
            )
        });
        let strict = |session_limits: Option<&Arc<SessionLimits>>| {
            session_limits
                .map(|session_limits| (session_limits.holds, session_limits.message_kinds))
        };
        let chosen =
            routes.min_by_key(|&(at, session_limits)| (Reverse(strict(session_limits)), at));
        chosen.and_then(|(_, session_limits)| session_limits)
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
            .with(*b"/chat/admin", named("never"));
        for (path, route) in [
            ("/chat", "chat"),
            ("/chat/admin", "chat"),
            ("/%63hat/x", "chat"),
            ("/CHAT", "chat"),
            ("/chat;v=1", "chat"),
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
    fn of_views_below_two_routes_the_one_that_is_read_counts() {
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
