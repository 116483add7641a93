//! Which terms hold where.

use std::{cmp::Reverse, sync::Arc};

use crate::{PathViews, Terms};

/// The terms of sessions, by the path of their handshake.
///
/// A path lies below a route where a view of it does ([`View::lies_below`](crate::View::lies_below));
/// of several routes the first counts. Where two views lie below different routes, the terms count
/// that have messages held until they are judged, or else those that have more of them read: nobody
/// spells his way past a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    routes: Vec<(Box<[u8]>, Arc<Terms>)>,
    rest: Option<Arc<Terms>>,
}

impl Routes {
    /// `rest` everywhere; nothing is asked of a session where there are no terms.
    pub const fn new(rest: Option<Arc<Terms>>) -> Self {
        let routes = Vec::new();
        Self { routes, rest }
    }

    /// Adds a route below `prefix`, without a slash at its end.
    pub fn with(mut self, prefix: impl Into<Box<[u8]>>, terms: Arc<Terms>) -> Self {
        self.routes.push((prefix.into(), terms));
        self
    }

    /// The terms of a session on `path`.
    pub fn of(&self, path: &PathViews<'_>) -> Option<&Arc<Terms>> {
        let routes = path.iter().map(|view| {
            let mut below = self.routes.iter().enumerate();
            let route = below.find(|(_, (prefix, _))| view.lies_below(prefix));
            route.map_or((usize::MAX, self.rest.as_ref()), |(at, (_, terms))| {
                (at, Some(terms))
            })
        });
        let strict = |terms: Option<&Arc<Terms>>| terms.map(|terms| (terms.holds, terms.reads));
        let chosen = routes.min_by_key(|&(at, terms)| (Reverse(strict(terms)), at));
        chosen.and_then(|(_, terms)| terms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reads;

    #[test]
    fn path_lies_below_a_prefix_by_segment_in_any_view() {
        let named = |route: &str| {
            Arc::new(Terms {
                route: route.into(),
                ..Terms::default()
            })
        };
        let routes = Routes::new(Some(named("rest")))
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
            let terms = routes.of(&PathViews::of(path.as_bytes())).unwrap();
            assert_eq!(&*terms.route, route, "{path}");
        }
        assert_eq!(Routes::default().of(&PathViews::of(b"/")), None);
    }
    #[test]
    fn of_views_below_two_routes_the_one_that_is_read_counts() {
        let terms = |route: &str, reads, holds| {
            Arc::new(Terms {
                route: route.into(),
                reads,
                holds,
                ..Terms::default()
            })
        };
        let routes = Routes::new(Some(terms("rest", Reads::Text, false)))
            .with(*b"/open", terms("open", Reads::Nothing, false))
            .with(*b"/held", terms("held", Reads::Text, true));
        for (path, route) in [
            ("/open/%2e%2e/held", "held"),
            ("/open/%2e%2e/x", "rest"),
            ("/held/%2e%2e/open", "held"),
            ("/open/%20", "open"),
            ("/open;v=1", "open"),
            ("/open/../x", "rest"),
        ] {
            let terms = routes.of(&PathViews::of(path.as_bytes())).unwrap();
            assert_eq!(&*terms.route, route, "{path}");
        }
    }
}
