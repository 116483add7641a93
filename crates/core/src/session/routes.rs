//! Which terms hold where.

use std::sync::Arc;

use crate::{PathViews, Terms};

/// The terms of sessions, by the path of their handshake.
///
/// A path lies below a route where it equals its prefix or goes on with `/` after it, in any view:
/// whoever spells it otherwise meets the same terms. Of several routes the first counts.
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
        let below = |prefix: &[u8]| {
            path.iter().any(|view| {
                let rest = view.path.strip_prefix(prefix);
                rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
            })
        };
        let route = self.routes.iter().find(|(prefix, _)| below(prefix));
        route.map(|(_, terms)| terms).or(self.rest.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("/x/../chat", "chat"),
            ("/chatter", "rest"),
            ("/x/chat", "rest"),
        ] {
            let terms = routes.of(&PathViews::of(path.as_bytes())).unwrap();
            assert_eq!(&*terms.route, route, "{path}");
        }
        assert_eq!(Routes::default().of(&PathViews::of(b"/")), None);
    }
}
