//! Judgment of one request, and enforcement of the verdict.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use gabion_core::{
    BanChange, BanEvent, BanOutcome, ClientIp, Denial, Diagnosis, Event, Facts, FaultEvent,
    Findings, Head, Mode, Needs, Now, Offense, OffenseRecorder, OnFault, Outcome, PeerAddr,
    PolicySource, ProbeHitEvent, RequestEvent, RequestEventKind, RequestState, Resolution, Sink,
    Snapshot, Upgrade, Verdict,
};
use http::{Request, Response, StatusCode};

use super::{
    event_stream, exchange::Exchange, grpc, ids::EventIds, offer, once_per_minute::OncePerMinute,
    quota, required_headers, sharing::Sharing,
};
use crate::{Clock, ConnectionSource, ObserveOverride, Reply, reply, websocket::SessionEnforcer};

/// The configuration and state that all clones of a guarded service share.
#[derive(Clone)]
pub(crate) struct Engine {
    pub(super) source: Arc<dyn PolicySource>,
    pub(super) bans: Option<Arc<dyn OffenseRecorder>>,
    pub(super) sink: Option<Arc<dyn Sink>>,
    pub(super) reply: Arc<dyn Reply>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) connection: Arc<dyn ConnectionSource>,
    pub(super) observe_override: ObserveOverride,
    pub(super) ids: EventIds,
    pub(super) setup: OncePerMinute,
    pub(super) enforcer: Option<Arc<SessionEnforcer>>,
    pub(super) sharing: Sharing,
    pub(super) insert_client_extension: bool,
}

/// The result of [`Engine::judge`].
pub(super) enum Decision {
    /// The inner service responds. Its response is passed to the inspectors.
    Pass(Exchange),
    /// Judgment failed, and the policy lets such requests pass.
    Unjudged,
    /// The layer responds itself.
    Respond(Response<Bytes>),
}

impl Engine {
    /// Judges one request by the current policy, reports the verdict and acts on it.
    pub(super) fn judge<B>(&self, request: &Request<B>) -> Decision {
        let policy = self.source.current();
        let extensions = request.extensions();
        let Some(peer) = self.connection.peer(extensions) else {
            if self.setup.is_due(self.clock.now()) {
                self.report(|| Event::Setup(self.connection.missing_peer_help()));
            }
            return Decision::Respond(self.missing_peer_response());
        };
        let outer = self.sharing.outer_resolution(extensions);
        let reused = self.reuse(request, peer, outer);
        let leaves_resolution =
            (self.sharing).leaves_resolution(outer, reused.is_some(), self.bans.is_some());
        let facts = reused.unwrap_or_else(|| {
            let (head, now) = (self.head(request), self.clock.now());
            Facts::resolve(head, peer, &policy.client, now)
        });
        let mut exchange = Exchange::new(policy, RequestState::new(&facts));
        exchange.leaves_resolution = leaves_resolution;
        let state = &mut exchange.state;
        state.set_counted(outer.is_some_and(Resolution::is_counted));
        if facts.client.is_unclear() && self.setup.is_due(facts.now) {
            self.report(|| Event::UntrustedProxy(peer.addr()));
        }
        let judged = catch_panic(|| exchange.policy.chain.inspect(&facts, state))
            .map(|verdict| self.observe_override.apply(verdict, facts.now));
        for denial in exchange.state.observed().to_vec() {
            self.observe(&facts, &mut exchange, denial);
        }
        self.decide(&facts, exchange, judged)
    }

    /// Acts on the verdict, or on a panic while judging.
    fn decide(
        &self,
        facts: &Facts<'_>,
        mut exchange: Exchange,
        judged: Result<Verdict, String>,
    ) -> Decision {
        let policy = &exchange.policy;
        match judged {
            Err(message) => self.fault(facts, policy, message),
            Ok(Verdict::Pass) => self.pass(facts, exchange),
            Ok(Verdict::Allow(cause)) => {
                self.report_request(facts, policy, || RequestEventKind::Allowed(*cause));
                exchange.allowed = true;
                self.pass(facts, exchange)
            }
            Ok(Verdict::Deny(denial)) if denial.is_observed() => {
                self.observe(facts, &mut exchange, *denial);
                self.pass(facts, exchange)
            }
            Ok(Verdict::Deny(denial)) => self.deny(facts, exchange, *denial),
        }
    }

    /// Keeps a denial that does not take effect, to report it with the response.
    pub(super) fn observe(&self, facts: &Facts<'_>, exchange: &mut Exchange, denial: Denial) {
        if let Some(sink) = &self.sink {
            let kind = RequestEventKind::Denied(denial);
            let event = RequestEvent::new(facts, exchange.generation(), kind);
            exchange.observed.push(sink, event);
        }
    }

    /// Returns facts with the resolution of an outer layer, if it still applies to `request`.
    fn reuse<'r, B>(
        &self,
        request: &'r Request<B>,
        peer: PeerAddr,
        outer: Option<&Resolution>,
    ) -> Option<Facts<'r>> {
        let outer = outer.filter(|_| self.sharing == Sharing::Outer)?;
        Facts::reuse(self.head(request), peer, outer, self.clock.now())
    }

    /// Returns `true` if the client must be inserted into the extensions of `request`.
    pub(super) fn inserts_client<B>(&self, request: &Request<B>) -> bool {
        self.insert_client_extension || self.connection.inserts_client(request.extensions())
    }

    /// Creates the response to a request whose peer address is unknown. In debug builds the body
    /// holds the fix.
    fn missing_peer_response(&self) -> Response<Bytes> {
        let mut response = reply::plain(StatusCode::SERVICE_UNAVAILABLE);
        if cfg!(debug_assertions) {
            let help = self.connection.missing_peer_help();
            *response.body_mut() = Bytes::from_static(help.as_bytes());
        }
        response
    }

    /// Lets a request pass. A WebSocket handshake needs a permit.
    fn pass(&self, facts: &Facts<'_>, mut exchange: Exchange) -> Decision {
        match self.permit(facts, &mut exchange) {
            Ok(permit) => exchange.permit = permit,
            Err(denial) => return self.deny(facts, exchange, *denial),
        }
        exchange.state.keep_target(facts);
        if exchange.leaves_resolution {
            let is_counted = exchange.state.is_counted() || self.bans.is_some();
            exchange.resolution = Some(Arc::new(facts.resolution().with_counted(is_counted)));
        }
        if self.enforcer.is_some() && event_stream::is_accepted(facts.headers) {
            exchange.stream_path = Some(facts.uri.path().into());
        }
        Decision::Pass(exchange)
    }

    fn deny(&self, facts: &Facts<'_>, mut exchange: Exchange, mut denial: Denial) -> Decision {
        exchange.observed.report(None);
        denial.event = Some(self.ids.next());
        if facts.upgrade == Upgrade::WebSocket {
            denial.diagnosis.get_or_insert(Diagnosis::Denied);
        }
        let mut response = self.denial_response(facts, &exchange.policy, &denial);
        quota::add_rate_limit(&exchange.state, response.headers_mut());
        let outcome = Outcome::new(response.status(), Some(&denial), Duration::ZERO);
        self.process_outcome(&exchange, outcome);
        grpc::translate(&mut response, &denial, facts);
        Decision::Respond(response)
    }

    /// Removes the upgrade offers of a request, except that of a WebSocket, whether it was judged
    /// or not.
    pub(super) fn strip_upgrade_offers<B>(&self, request: &mut Request<B>) {
        if offer::has_upgrade_offer(request.headers()) {
            let upgrade = Upgrade::detect(&self.head(request));
            offer::strip(request, upgrade);
        }
    }

    fn head<'r, B>(&self, request: &'r Request<B>) -> Head<'r> {
        let extensions = request.extensions();
        Head {
            method: request.method(),
            uri: self.connection.target(extensions, request.uri()),
            version: request.version(),
            headers: request.headers(),
            protocol: self.connection.protocol(extensions),
            framing: self.connection.framing(extensions),
            scheme: self.connection.scheme(extensions),
        }
    }

    /// Passes the status and the body length of the service's response to the inspectors.
    pub(super) fn on_response(
        &self,
        exchange: &mut Exchange,
        status: StatusCode,
        length: Option<u64>,
    ) {
        exchange.observed.report(Some(status));
        self.process_outcome(
            exchange,
            Outcome::new(status, None, Duration::ZERO).with_length(length),
        );
    }

    fn process_outcome(&self, exchange: &Exchange, mut outcome: Outcome<'_>) {
        let Exchange { policy, state, .. } = exchange;
        if !policy.needs.contains(Needs::RESPONSES) {
            return;
        }
        if policy.needs.contains(Needs::ELAPSED) {
            outcome.elapsed = (self.clock.now().mono()).saturating_sub(state.now().mono());
        }
        let mut findings = Findings::default();
        let on_response = || policy.chain.on_response(state, &outcome, &mut findings);
        if let Err(message) = catch_panic(on_response) {
            let (at, generation) = (self.clock.now().wall(), policy.generation);
            let event = FaultEvent::new(at, *state.client(), generation, message);
            return self.report(|| Event::Fault(event));
        }
        self.act_on(exchange, findings, outcome.status);
    }

    /// Reports the findings about an exchange, and records the offense.
    fn act_on(&self, exchange: &Exchange, findings: Findings, status: StatusCode) {
        let (state, client) = (&exchange.state, *exchange.client());
        if let Some(event) = findings.diagnosis {
            self.report(|| Event::Diagnosis(event));
        }
        if let Some(cause) = findings.probe_hit {
            let at = self.clock.now().wall();
            self.report(|| Event::ProbeHit(ProbeHitEvent::new(at, state, cause, status)));
        }
        let Some(offense) = findings.offense else {
            return;
        };
        let now = self.clock.now();
        if exchange.allowed && self.bans.is_some() {
            let change = BanChange::Withheld("a rule allowed the request");
            self.report(|| Event::Ban(BanEvent::new(now.wall(), client, offense, change)));
        } else {
            self.record_offense(client, offense, now);
        }
    }

    fn denial_response(
        &self,
        facts: &Facts<'_>,
        policy: &Snapshot,
        denial: &Denial,
    ) -> Response<Bytes> {
        let mut response =
            catch_panic(|| self.reply.reply(denial, facts)).unwrap_or_else(|message| {
                self.report_request(facts, policy, || RequestEventKind::Fault(message));
                reply::plain(denial.status)
            });
        required_headers::add(denial, facts, response.headers_mut());
        quota::add_retry_after(denial, facts, response.headers_mut());
        response.extensions_mut().insert(denial.clone());
        self.report_request(facts, policy, || RequestEventKind::Denied(denial.clone()));
        if let Some(offense) = denial.offense.clone() {
            self.record_offense(facts.client, offense, facts.now);
        }
        response
    }

    fn record_offense(&self, client: ClientIp, offense: Offense, now: Now) {
        let Some(bans) = &self.bans else {
            return;
        };
        if let Some(change) = record_offense(&**bans, &self.observe_override, client, &offense, now)
        {
            self.report(|| Event::Ban(BanEvent::new(now.wall(), client, offense, change)));
        }
    }

    fn fault(&self, facts: &Facts<'_>, policy: &Snapshot, message: String) -> Decision {
        self.report_request(facts, policy, || RequestEventKind::Fault(message));
        match policy.on_fault {
            OnFault::Pass => Decision::Unjudged,
            OnFault::Refuse => Decision::Respond(reply::plain(StatusCode::SERVICE_UNAVAILABLE)),
        }
    }

    pub(super) fn report_request(
        &self,
        facts: &Facts<'_>,
        policy: &Snapshot,
        kind: impl FnOnce() -> RequestEventKind,
    ) {
        self.report(|| Event::Request(RequestEvent::new(facts, policy.generation, kind())));
    }

    pub(super) fn report(&self, event: impl FnOnce() -> Event) {
        if let Some(sink) = &self.sink {
            sink.record(&event());
        }
    }
}

/// Records an offense, unless the client is exempt from bans. Returns the change to report, if any.
pub(crate) fn record_offense(
    bans: &dyn OffenseRecorder,
    observe_override: &ObserveOverride,
    client: ClientIp,
    offense: &Offense,
    now: Now,
) -> Option<BanChange> {
    let observe_override =
        (!observe_override.remaining(now).is_zero()).then_some("the observe override is active");
    if let Some(why) = client.exempt().or(observe_override) {
        return Some(BanChange::Withheld(why));
    }
    if offense.mode == Mode::Observe {
        return Some(BanChange::Observed);
    }
    match bans.record_offense(&client, offense, now) {
        BanOutcome::Banned { evicted: None } => Some(BanChange::Placed),
        BanOutcome::Banned {
            evicted: Some(gone),
        } => Some(BanChange::Evicted(gone)),
        BanOutcome::Suspected { paths, needed } => Some(BanChange::Suspected { paths, needed }),
        BanOutcome::Withheld(why) => Some(BanChange::Withheld(why)),
        _ => None,
    }
}

/// Runs an inspector or a reply. A panic in it becomes an error with the panic message.
pub(crate) fn catch_panic<T>(judge: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(judge)).map_err(|payload| panic_message(&*payload))
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let literal = payload.downcast_ref::<&str>().copied();
    let message = literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    message.unwrap_or("a panic without a message").to_owned()
}
