//! Denials by path and agent: the [`DenyLayer`].

use std::{sync::Arc, time::Duration};

use gabion_core::Mode;
use gabion_inspect::{Config as _, ConfigErrors, Period};

use crate::{
    bans::Bans,
    layer::{Compiled, LayerError, Rules, SingleLayer, context, with_bans},
};

pub use gabion_inspect::{Action, ActionError, Deny, DenyRule};

/// Refuses requests by their path or their `User-Agent`, with 403. A path matches in any way in which some
/// server would read it ([`PathViews`](crate::inspect::PathViews)).
///
/// The parts of one layer are alternatives: any that matches denies.
///
/// # Examples
///
/// ```
/// # use std::{convert::Infallible, net::SocketAddr};
/// # use bytes::Bytes;
/// # use http_body_util::Full;
/// # use tower::{Layer, ServiceExt, service_fn};
/// use gabion::{DenyLayer, PeerAddr};
/// use http::{Request, Response};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layer = DenyLayer::new().extensions(["php"]).names([".env", ".git"])?;
/// let service = layer.layer(service_fn(|_: Request<()>| async {
///     Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
/// }));
/// let status = async |path: &str| {
///     let peer = PeerAddr::new(SocketAddr::from(([203, 0, 113, 9], 4711)));
///     let request = Request::get(path).extension(peer).body(()).unwrap();
///     service.clone().oneshot(request).await.unwrap().status()
/// };
/// assert_eq!(status("/environment").await, 200);
/// assert_eq!(status("/.env").await, 403);
/// assert_eq!(status("/index.ph%70;x=1").await, 403);
///
/// assert!(DenyLayer::new().names(["a/b"]).is_err(), "a name is one segment");
/// # Ok(())
/// # }
/// ```
pub type DenyLayer = SingleLayer<DenyRules>;

/// The rules of a [`DenyLayer`].
#[derive(Clone, Debug)]
pub struct DenyRules {
    rule: DenyRule,
    bans: Option<Bans>,
}

impl DenyLayer {
    /// Creates a layer that matches nothing yet. Its rule is called `deny`.
    pub fn new() -> Self {
        Self::from_rules(DenyRules {
            rule: DenyRule::new("deny"),
            bans: None,
        })
    }

    /// Sets the name of the rule in events. Give each of several layers its own.
    ///
    /// Errors are reported as for [`Self::extensions`].
    pub fn id(self, id: impl Into<String>) -> Self {
        self.with_rule(|mut rule| {
            rule.id = id.into();
            rule
        })
    }

    /// Matches segments with these extensions, such as `"php"`, whatever their case.
    ///
    /// An entry that is not one is reported by the next method that returns a `Result`, or by
    /// [`build`](SingleLayer::build); else the layer panics when it is applied.
    pub fn extensions<S: Into<String>>(self, extensions: impl IntoIterator<Item = S>) -> Self {
        self.with_rule(|rule| rule.extensions(extensions))
    }

    /// Matches a `User-Agent` that contains one of these parts, of at least 3 characters, whatever their case.
    ///
    /// Errors are reported as for [`Self::extensions`].
    pub fn agents<S: Into<String>>(self, parts: impl IntoIterator<Item = S>) -> Self {
        self.with_rule(|rule| rule.agents(parts))
    }

    /// Matches segments with these names, such as `".git"`, whatever their case.
    ///
    /// # Errors
    ///
    /// Every entry, of this and of other parts, that cannot be compiled.
    pub fn names<S: Into<String>>(
        self,
        names: impl IntoIterator<Item = S>,
    ) -> Result<Self, LayerError> {
        self.with_rule(|rule| rule.names(names)).checked()
    }

    /// Matches these whole paths.
    ///
    /// # Errors
    ///
    /// As for [`Self::names`].
    pub fn exact<S: Into<String>>(
        self,
        paths: impl IntoIterator<Item = S>,
    ) -> Result<Self, LayerError> {
        self.with_rule(|rule| rule.exact(paths)).checked()
    }

    /// Matches these paths and everything below them.
    ///
    /// # Errors
    ///
    /// As for [`Self::names`].
    pub fn prefix<S: Into<String>>(
        self,
        paths: impl IntoIterator<Item = S>,
    ) -> Result<Self, LayerError> {
        self.with_rule(|rule| rule.prefix(paths)).checked()
    }

    /// Matches paths in which one of these expressions is found.
    ///
    /// # Errors
    ///
    /// As for [`Self::names`].
    pub fn regex<S: Into<String>>(
        self,
        patterns: impl IntoIterator<Item = S>,
    ) -> Result<Self, LayerError> {
        self.with_rule(|rule| rule.regex(patterns)).checked()
    }

    /// Answers 404 instead of 403.
    pub fn not_found(self) -> Self {
        self.with_rule(|rule| rule.then(Action::NotFound))
    }

    /// Also bans the client for `duration`, if the request is evidence against it
    /// ([`Attribution`](crate::ban::Attribution)), and refuses clients banned in `bans`.
    pub fn ban(self, bans: &Bans, duration: Duration) -> Self {
        self.with_rules(|rules| DenyRules {
            rule: rules.rule.then(Action::Ban(Some(Period(duration)))),
            bans: Some(bans.clone()),
        })
    }

    fn with_rule(self, change: impl FnOnce(DenyRule) -> DenyRule) -> Self {
        self.with_rules(|rules| DenyRules {
            rule: change(rules.rule),
            ..rules
        })
    }
}

impl Default for DenyLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl Rules for DenyRules {
    fn compile(&self, mode: Mode) -> Result<Compiled, ConfigErrors> {
        let deny = [self.rule.clone()].compile(&context(mode, None))?;
        Ok(Compiled {
            inspector: match &self.bans {
                Some(bans) => with_bans(bans, mode, deny)?,
                None => Arc::new(deny),
            },
            bans: self.bans.clone(),
        })
    }
}
