//! Who may knock.

use gabion_core::{
    Cause, Denial, Diagnosis, Escaped, Explanation, Facts, Inspect, Mode, Reason, RequestState,
    RuleId, Upgrade, Verdict, tokens,
};
use http::{
    HeaderName, HeaderValue, Method, StatusCode, Version,
    header::{CONNECTION, ORIGIN, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE},
};

use super::origin::Origins;
use crate::Limit;

/// Refuses handshakes. Compiled from [`UpgradeConfig`](crate::UpgradeConfig); immutable.
///
/// # Cost
///
/// For what is no handshake, one comparison, and one of its path with each route that is a WebSocket
/// and nothing else. A handshake allocates its origin.
#[derive(Debug)]
pub struct Handshake {
    routes: Vec<(Box<[u8]>, RouteRules)>,
    rest: RouteRules,
    mode: Mode,
}

/// What the handshakes of one route are held to.
#[derive(Debug)]
pub(super) struct RouteRules {
    pub(super) origins: Origins,
    /// Any where there is none.
    pub(super) subprotocols: Vec<Box<str>>,
    pub(super) handshakes: Option<Limit>,
    pub(super) only: bool,
}

// === impl Handshake ===

impl Handshake {
    /// The rule that refuses foreign origins.
    pub const ORIGIN: RuleId = RuleId::builtin("upgrade/origin");
    /// The rule that refuses subprotocols that are not listed.
    pub const SUBPROTOCOL: RuleId = RuleId::builtin("upgrade/subprotocol");
    /// The rule that refuses plain HTTP where there is nothing but a WebSocket.
    pub const PLAIN: RuleId = RuleId::builtin("upgrade/plain");
    /// The rule that counts handshakes; a route that has a figure of its own adds its path.
    pub const HANDSHAKES: &str = "upgrade/handshakes";

    pub(super) const fn new(rest: RouteRules, mode: Mode) -> Self {
        let routes = Vec::new();
        Self { routes, rest, mode }
    }

    pub(super) fn add(&mut self, path: Box<[u8]>, route_rules: RouteRules) {
        self.routes.push((path, route_rules));
    }

    /// The doors that `facts` stand before: one, but for a path that can be read in two ways.
    fn doors(&self, facts: &Facts<'_>) -> impl Iterator<Item = &RouteRules> {
        let first = |view: gabion_core::View<'_>| {
            let mut routes = self.routes.iter();
            routes.position(|(path, _)| view.lies_below(path))
        };
        let is_asked = move |nth| facts.path.iter().any(|view| first(view) == nth);
        let routes = self.routes.iter().enumerate();
        let routes = routes.map(|(nth, (_, route_rules))| (Some(nth), route_rules));
        let all = routes.chain([(None, &self.rest)]);
        all.filter_map(move |(nth, route_rules)| is_asked(nth).then_some(route_rules))
    }

    fn judge(&self, facts: &Facts<'_>, mut count: impl FnMut(&Limit) -> Verdict) -> Verdict {
        let found = match facts.upgrade {
            Upgrade::WebSocket => self.doors(facts).find_map(|route_rules| {
                let refused = route_rules
                    .origin(facts)
                    .or_else(|| route_rules.subprotocol(facts));
                match refused {
                    Some(denial) => Some(denial.with_mode(self.mode).into()),
                    None => route_rules.handshakes.as_ref().map(&mut count),
                }
                .filter(|verdict| *verdict != Verdict::Pass)
            }),
            Upgrade::None | Upgrade::Other => self.plain(facts).map(Into::into),
            _ => None,
        };
        found.unwrap_or(Verdict::Pass)
    }

    /// RFC 9110, 15.5.22: the answer says what to upgrade to, where it can be (RFC 9113, 8.2.2).
    fn plain(&self, facts: &Facts<'_>) -> Option<Denial> {
        let mut only = self
            .routes
            .iter()
            .filter(|(_, route_rules)| route_rules.only);
        let below = |path: &[u8]| facts.path.iter().any(|view| view.lies_below(path));
        if *facts.method != Method::GET || !only.any(|(path, _)| below(path)) {
            return None;
        }
        let why = "plain HTTP where there is nothing but a WebSocket";
        let denial = refuse(Self::PLAIN, why.into(), StatusCode::UPGRADE_REQUIRED)
            .with_diagnosis(Diagnosis::PlainGet)
            .with_mode(self.mode)
            .with_header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        let upgrade = |denial: Denial, (name, value): (HeaderName, &'static str)| {
            denial.with_header(name, HeaderValue::from_static(value))
        };
        let to = [(UPGRADE, "websocket"), (CONNECTION, "Upgrade")];
        let to = to.into_iter().filter(|_| facts.version == Version::HTTP_11);
        Some(to.fold(denial, upgrade))
    }
}

impl Inspect for Handshake {
    fn name(&self) -> &'static str {
        "handshake"
    }

    fn inspect(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        self.judge(facts, |limit| limit.inspect(facts, state))
    }

    /// Nothing of a handshake is kept but its path.
    fn recheck(&self, _facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        Verdict::Pass
    }

    /// What would be said, at no cost.
    fn explain(
        &self,
        facts: &Facts<'_>,
        state: &mut RequestState,
        steps: &mut Explanation,
    ) -> Verdict {
        let mut counted = Explanation::default();
        let verdict = self.judge(facts, |limit| limit.explain(facts, state, &mut counted));
        steps.note(self.name(), &verdict);
        verdict
    }
}

// === impl Door ===

impl RouteRules {
    fn origin(&self, facts: &Facts<'_>) -> Option<Denial> {
        let mut origins = facts
            .headers
            .get_all(ORIGIN)
            .iter()
            .map(HeaderValue::as_bytes);
        let foreign = origins.find(|origin| self.origins.are_foreign_to(facts, origin))?;
        let why = match self.origins.line_with(facts, foreign) {
            Some(line) => format!(
                "a page of {} may not open sockets; if it is yours, [upgrade] needs: {line}",
                Escaped(foreign)
            ),
            None => "a page of no origin that could be named may not open sockets".into(),
        };
        let denial = refuse(Handshake::ORIGIN, why, StatusCode::FORBIDDEN);
        Some(
            denial
                .with_evidence(foreign)
                .with_diagnosis(Diagnosis::ForeignOrigin),
        )
    }

    /// RFC 6455, 4.2.2, item 5.5: a browser that is given none of those that it offers hangs up.
    fn subprotocol(&self, facts: &Facts<'_>) -> Option<Denial> {
        let mut offers = tokens(facts.headers, &SEC_WEBSOCKET_PROTOCOL).peekable();
        let first = *offers.peek()?;
        let known = |offer: &[u8]| {
            self.subprotocols
                .iter()
                .any(|name| name.as_bytes() == offer)
        };
        if self.subprotocols.is_empty() || offers.any(known) {
            return None;
        }
        let why = "it offers no subprotocol of those in [upgrade] subprotocols";
        let denial = refuse(Handshake::SUBPROTOCOL, why.into(), StatusCode::BAD_REQUEST);
        Some(denial.with_evidence(first))
    }
}

fn refuse(rule: RuleId, why: String, status: StatusCode) -> Denial {
    let cause = Cause::new(rule, Reason::Other(why.into()));
    Denial::new(cause, status)
}
