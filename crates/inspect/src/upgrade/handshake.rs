//! Validates WebSocket handshakes.

use std::sync::Arc;

use gabion_core::{
    Cause, Denial, Diagnosis, Escaped, Explanation, Facts, Inspect, KnownHeader, Mode, Needs,
    PathPrefixes, Reason, RequestState, RuleId, Upgrade, Verdict, View,
};
use http::{
    HeaderName, HeaderValue, Method, StatusCode, Version,
    header::{CONNECTION, SEC_WEBSOCKET_VERSION, UPGRADE},
};

use super::origin::Origins;
use crate::{HostAllowlist, Limit};

/// Denies WebSocket handshakes. Compiled from [`UpgradeConfig`](crate::UpgradeConfig) as a part of
/// [`CompiledUpgrade`](crate::CompiledUpgrade); immutable.
///
/// # Cost
///
/// For other requests, one comparison, and one lookup of the path among WebSocket-only routes. A
/// handshake allocates its origin.
///
/// # Examples
///
/// ```
/// use gabion_core::{ClientRules, Inspect, RequestState, Verdict};
/// use gabion_inspect::{Config, Context, Messages, State, UpgradeConfig};
/// # use gabion_testkit::OwnedHead;
///
/// let upgrade = UpgradeConfig::default().compile(&Context::new(&State::scratch()))?;
/// let (handshake, _limits) = upgrade.into_parts(&Messages::default());
///
/// let judge = |origin: &str| {
///     let head = OwnedHead::get("/ws").host("app.example").header("cookie", "sid=1");
///     let head = head.header("connection", "upgrade").header("upgrade", "websocket");
///     let head = head.header("origin", origin);
///     let facts = head.facts(&ClientRules::default());
///     handshake.inspect(&facts, &mut RequestState::new(&facts))
/// };
/// assert_eq!(judge("https://app.example"), Verdict::Pass);
/// assert!(judge("https://evil.example").to_string().starts_with("denied (403): rule upgrade/origin"));
/// # Ok::<(), gabion_inspect::ConfigErrors>(())
/// ```
#[derive(Debug)]
pub struct Handshake {
    /// The prefix of each route, with its index.
    prefixes: PathPrefixes,
    routes: Vec<RouteRules>,
    /// The prefixes of the WebSocket-only routes.
    only: PathPrefixes,
    rest: RouteRules,
    /// The names of the server.
    hosts: Option<Arc<HostAllowlist>>,
    mode: Mode,
}

/// The rules for handshakes on a route.
#[derive(Debug)]
pub(super) struct RouteRules {
    pub(super) origins: Origins,
    /// If empty, all subprotocols are allowed.
    pub(super) subprotocols: Vec<Box<str>>,
    pub(super) handshakes: Option<Limit>,
    pub(super) only: bool,
}

// === impl Handshake ===

impl Handshake {
    /// The id of the rule that denies foreign origins.
    pub const ORIGIN: RuleId = RuleId::builtin("upgrade/origin");
    /// The id of the rule that denies subprotocols that are not configured.
    pub const SUBPROTOCOL: RuleId = RuleId::builtin("upgrade/subprotocol");
    /// The id of the rule that denies plain HTTP on a WebSocket-only path.
    pub const PLAIN: RuleId = RuleId::builtin("upgrade/plain");
    /// The id of the rule that limits handshakes. A route with its own rate appends its path.
    pub const HANDSHAKES: &str = "upgrade/handshakes";

    pub(super) fn new(rest: RouteRules, mode: Mode) -> Self {
        Self {
            prefixes: PathPrefixes::default(),
            routes: Vec::new(),
            only: PathPrefixes::default(),
            rest,
            hosts: None,
            mode,
        }
    }

    /// Sets the names of the server, whose pages may open WebSockets where no origins are configured.
    #[must_use]
    pub fn with_hosts(self, hosts: Arc<HostAllowlist>) -> Self {
        let hosts = Some(hosts);
        Self { hosts, ..self }
    }

    pub(super) fn add(&mut self, path: &[u8], route_rules: RouteRules) {
        let index = self.routes.len();
        self.prefixes.add(path, index);
        if route_rules.only {
            self.only.add(path, index);
        }
        self.routes.push(route_rules);
    }

    /// Returns the rules that apply to `facts`: those of one route, unless views of the path lie in
    /// several or are not known.
    fn rules_for(&self, facts: &Facts<'_>) -> impl Iterator<Item = &RouteRules> {
        let route_of = |view: View<'_>| self.prefixes.containing(view).min();
        let applies = move |index| {
            let is_known = facts.path.iter().any(|view| route_of(view) == index);
            is_known || facts.path.is_incomplete()
        };
        let routes = self.routes.iter().enumerate();
        let routes = routes.map(|(index, route_rules)| (Some(index), route_rules));
        let all = routes.chain([(None, &self.rest)]);
        all.filter_map(move |(index, route_rules)| applies(index).then_some(route_rules))
    }

    fn judge(&self, facts: &Facts<'_>, mut count: impl FnMut(&Limit) -> Verdict) -> Verdict {
        let found = match facts.upgrade {
            Upgrade::WebSocket => self.rules_for(facts).find_map(|route_rules| {
                let denial = route_rules
                    .check_origin(facts, self.hosts.as_deref())
                    .or_else(|| route_rules.check_subprotocol(facts));
                match denial {
                    Some(denial) => Some(denial.with_mode(self.mode).into()),
                    None => route_rules.handshakes.as_ref().map(&mut count),
                }
                .filter(|verdict| *verdict != Verdict::Pass)
            }),
            Upgrade::None | Upgrade::Other => self.check_plain(facts).map(Into::into),
            _ => None,
        };
        found.unwrap_or(Verdict::Pass)
    }

    /// Denies plain HTTP on a WebSocket-only path (RFC 9110, section 15.5.22). On HTTP/1.1 the
    /// response has an `Upgrade` header, which HTTP/2 forbids (RFC 9113, section 8.2.2).
    fn check_plain(&self, facts: &Facts<'_>) -> Option<Denial> {
        if *facts.method != Method::GET || !self.only.contain_any(&facts.path) {
            return None;
        }
        let why = "plain HTTP request to a WebSocket-only path";
        let denial = deny(Self::PLAIN, why.into(), StatusCode::UPGRADE_REQUIRED)
            .with_diagnosis(Diagnosis::PlainGet)
            .with_mode(self.mode)
            .with_header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        let add = |denial: Denial, (name, value): (HeaderName, &'static str)| {
            denial.with_header(name, HeaderValue::from_static(value))
        };
        let headers = [(UPGRADE, "websocket"), (CONNECTION, "Upgrade")];
        let headers = headers
            .into_iter()
            .filter(|_| facts.version == Version::HTTP_11);
        Some(headers.fold(denial, add))
    }
}

impl Inspect for Handshake {
    fn name(&self) -> &'static str {
        "handshake"
    }

    fn needs(&self) -> Needs {
        Needs::REQUESTS
    }

    fn inspect(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        self.judge(facts, |limit| limit.inspect(facts, state))
    }

    /// Judges without counting the handshake.
    fn explain(
        &self,
        facts: &Facts<'_>,
        state: &mut RequestState,
        steps: &mut Explanation,
    ) -> Verdict {
        let mut limit_steps = Explanation::default();
        let verdict = self.judge(facts, |limit| limit.explain(facts, state, &mut limit_steps));
        steps.note(self.name(), &verdict);
        verdict
    }
}

// === impl RouteRules ===

impl RouteRules {
    fn check_origin(&self, facts: &Facts<'_>, hosts: Option<&HostAllowlist>) -> Option<Denial> {
        let mut origins = facts.index.lines(KnownHeader::Origin);
        let foreign = origins.find(|origin| self.origins.is_foreign(facts, hosts, origin))?;
        let why = match self.origins.advice(facts, hosts, foreign) {
            Some(advice) => format!(
                "cross-origin WebSocket from {}; to allow this origin, {advice}",
                Escaped(foreign)
            ),
            None => "cross-origin WebSocket from a malformed origin".into(),
        };
        let denial = deny(Handshake::ORIGIN, why, StatusCode::FORBIDDEN);
        Some(
            denial
                .with_evidence(foreign)
                .with_diagnosis(Diagnosis::ForeignOrigin),
        )
    }

    /// Denies a handshake without an allowed subprotocol. A browser closes a connection on which
    /// the server selects none of its subprotocols (RFC 6455, section 4.2.2, item 5.5).
    fn check_subprotocol(&self, facts: &Facts<'_>) -> Option<Denial> {
        let mut offers = facts
            .index
            .tokens(KnownHeader::SecWebSocketProtocol)
            .peekable();
        let first = *offers.peek()?;
        let known = |offer: &[u8]| {
            self.subprotocols
                .iter()
                .any(|name| name.as_bytes() == offer)
        };
        if self.subprotocols.is_empty() || offers.any(known) {
            return None;
        }
        let why = "none of the offered subprotocols is in [upgrade] subprotocols";
        let denial = deny(Handshake::SUBPROTOCOL, why.into(), StatusCode::BAD_REQUEST);
        Some(denial.with_evidence(first))
    }
}

fn deny(rule: RuleId, why: String, status: StatusCode) -> Denial {
    let cause = Cause::new(rule, Reason::Other(why.into()));
    Denial::new(cause, status)
}
