//! Judging one request, and acting on the verdict.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use gabion_core::{
    BanChange, BanEvent, BanOutcome, Bans, ClientIp, Denial, Diagnosis, Event, Facts, FaultEvent,
    Forward, Head, Mode, Now, Offence, OnFault, Outcome, ReachedEvent, RequestEvent, Sink,
    Snapshot, Source, Terms, Trace, Upgrade, Verdict, What,
};
use http::{Request, Response, StatusCode};

use super::{grpc, ids::EventIds, oblige, offer, quota, seldom::Seldom, stream};
use crate::{
    Clock, Reply, Server, Truce, reply,
    upgrade::{Keeper, Seat, Session},
};

/// What every clone of a guarded service shares.
#[derive(Clone)]
pub(crate) struct Shell {
    pub(super) source: Arc<dyn Source>,
    pub(super) bans: Option<Arc<dyn Bans>>,
    pub(super) sink: Option<Arc<dyn Sink>>,
    pub(super) reply: Arc<dyn Reply>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) server: Arc<dyn Server>,
    pub(super) truce: Truce,
    pub(super) ids: EventIds,
    pub(super) setup: Seldom,
    pub(super) keeper: Option<Arc<Keeper>>,
    pub(super) hand_over_client: bool,
}

/// What becomes of a request.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for a moment, on the stack"
)]
pub(super) enum Ruling {
    /// The service answers; there is something to learn from how.
    Pass(Exchange),
    /// Judging failed and the policy lets such requests pass.
    Unjudged,
    /// We answer.
    Answer(Response<Bytes>),
}

/// One exchange, and the policy that it is held to from head to end.
pub(super) struct Exchange {
    policy: Arc<Snapshot>,
    trace: Trace,
    /// Whether a rule allowed the request, so that nothing about it bans.
    pub(super) allowed: bool,
    /// What a handshake has until the service's stream has it.
    pub(super) seat: Option<Seat>,
    pub(super) session: Option<Arc<Session>>,
    /// The path of a request for server-sent events.
    pub(super) stream_path: Option<Box<str>>,
}

impl Exchange {
    const fn new(policy: Arc<Snapshot>, trace: Trace) -> Self {
        Self {
            policy,
            trace,
            allowed: false,
            seat: None,
            session: None,
            stream_path: None,
        }
    }

    pub(super) const fn trace(&self) -> &Trace {
        &self.trace
    }

    pub(super) fn client(&self) -> &ClientIp {
        self.trace.client()
    }

    /// What the socket that was asked for is held to.
    pub(super) fn terms(&self) -> Option<Arc<Terms>> {
        self.session.as_ref()?.terms_shared()
    }

    pub(super) fn generation(&self) -> u64 {
        self.policy.generation
    }

    /// How the service is given the target.
    pub(super) fn forward(&self) -> Forward {
        self.policy.forward
    }
}

impl Shell {
    /// Judges one request by the policy in force, tells of the verdict, and acts on it.
    pub(super) fn judge<B>(&self, request: &Request<B>) -> Ruling {
        let policy = self.source.current();
        let extensions = request.extensions();
        let Some(peer) = self.server.peer(extensions) else {
            if self.setup.is_due(self.clock.now()) {
                self.tell(|| Event::Setup(self.server.when_no_peer()));
            }
            return Ruling::Answer(reply::plain(StatusCode::SERVICE_UNAVAILABLE));
        };
        let facts = Facts::resolve(self.head(request), peer, &policy.client, self.clock.now());
        let mut trace = Trace::new(&facts);
        if facts.client.is_unclear() && self.setup.is_due(facts.now) {
            self.tell(|| Event::UntrustedProxy(peer.addr()));
        }
        let judged = contained(|| policy.chain.inspect(&facts, &mut trace))
            .map(|verdict| self.truce.soften(verdict, facts.now));
        for denial in trace.observed() {
            self.tell_of(&facts, &policy, || What::Denied(denial.clone()));
        }
        match judged {
            Err(words) => self.fault(&facts, &policy, words),
            Ok(Verdict::Pass) => self.pass(&facts, Exchange::new(policy, trace)),
            Ok(Verdict::Allow(cause)) => {
                self.tell_of(&facts, &policy, || What::Allowed(cause));
                let exchange = Exchange::new(policy, trace);
                let allowed = true;
                self.pass(
                    &facts,
                    Exchange {
                        allowed,
                        ..exchange
                    },
                )
            }
            Ok(verdict @ Verdict::Deny(_)) if !verdict.refuses() => {
                if let Verdict::Deny(denial) = verdict {
                    self.tell_of(&facts, &policy, || What::Denied(denial));
                }
                self.pass(&facts, Exchange::new(policy, trace))
            }
            Ok(Verdict::Deny(denial)) => self.deny(&facts, &Exchange::new(policy, trace), denial),
        }
    }

    /// Lets a request through. One that asks for a WebSocket needs a seat.
    fn pass(&self, facts: &Facts<'_>, mut exchange: Exchange) -> Ruling {
        match self.seat(facts, &exchange.policy) {
            Ok(seat) => exchange.seat = seat,
            Err(denial) => return self.deny(facts, &exchange, *denial),
        }
        if self.keeper.is_some() && stream::asks(facts.headers) {
            exchange.stream_path = Some(facts.uri.path().into());
        }
        Ruling::Pass(exchange)
    }

    fn deny(&self, facts: &Facts<'_>, exchange: &Exchange, mut denial: Denial) -> Ruling {
        denial.event = Some(self.ids.next());
        if facts.upgrade == Upgrade::WebSocket {
            denial.diagnosis.get_or_insert(Diagnosis::Denied);
        }
        let mut response = self.refuse(facts, &exchange.policy, &denial);
        quota::show(&exchange.trace, response.headers_mut());
        let outcome = Outcome::new(response.status(), Some(&denial), Duration::ZERO);
        self.learn_from(exchange, outcome);
        grpc::translate(&mut response, &denial, facts);
        Ruling::Answer(response)
    }

    /// Readies a request for the service: what it offers to become besides a WebSocket is taken off,
    /// judged or not.
    pub(super) fn settle<B>(&self, request: &mut Request<B>) {
        if offer::stands_in(request.headers()) {
            let upgrade = Upgrade::of(&self.head(request));
            offer::decline(request, upgrade);
        }
    }

    fn head<'r, B>(&self, request: &'r Request<B>) -> Head<'r> {
        let extensions = request.extensions();
        Head {
            method: request.method(),
            uri: self.server.target(extensions, request.uri()),
            version: request.version(),
            headers: request.headers(),
            protocol: self.server.protocol(extensions),
            framing: self.server.framing(extensions),
            scheme: self.server.scheme(extensions),
        }
    }

    /// Lets the inspectors learn how the service answered: its status, and how long its body is.
    pub(super) fn learn(&self, exchange: &Exchange, status: StatusCode, length: Option<u64>) {
        self.learn_from(
            exchange,
            Outcome::new(status, None, Duration::ZERO).with_length(length),
        );
    }

    fn learn_from(&self, exchange: &Exchange, mut outcome: Outcome<'_>) {
        let Exchange {
            policy,
            trace,
            allowed,
            ..
        } = exchange;
        let client = *trace.client();
        let now = self.clock.now();
        outcome.elapsed = now.mono().saturating_sub(trace.now().mono());
        let learn = || {
            (
                policy.chain.learn(trace, &outcome),
                policy.chain.diagnose(trace, &outcome),
                policy.chain.reached(trace, &outcome),
            )
        };
        let learned = contained(learn).map(|(offence, diagnosis, reached)| {
            if let Some(event) = diagnosis {
                self.tell(|| Event::Diagnosis(event));
            }
            if let Some(cause) = reached {
                let event = ReachedEvent::new(now.wall(), trace, cause, outcome.status);
                self.tell(|| Event::Reached(event));
            }
            offence
        });
        match learned {
            Ok(None) => {}
            Ok(Some(offence)) if *allowed && self.bans.is_some() => {
                let change = BanChange::Withheld("the policy allows what it did");
                self.tell(|| Event::Ban(BanEvent::new(now.wall(), client, offence, change)));
            }
            Ok(Some(offence)) => self.punish(client, offence, now),
            Err(words) => self.tell(|| {
                Event::Fault(FaultEvent::new(
                    now.wall(),
                    client,
                    policy.generation,
                    words,
                ))
            }),
        }
    }

    fn refuse(&self, facts: &Facts<'_>, policy: &Snapshot, denial: &Denial) -> Response<Bytes> {
        let mut response = contained(|| self.reply.reply(denial, facts)).unwrap_or_else(|words| {
            self.tell_of(facts, policy, || What::Fault(words));
            reply::plain(denial.status)
        });
        oblige::add(denial, facts, response.headers_mut());
        quota::tell_when(denial, facts, response.headers_mut());
        response.extensions_mut().insert(denial.clone());
        self.tell_of(facts, policy, || What::Denied(denial.clone()));
        if let Some(offence) = denial.offence.clone() {
            self.punish(facts.client, offence, facts.now);
        }
        response
    }

    fn punish(&self, client: ClientIp, offence: Offence, now: Now) {
        let Some(bans) = &self.bans else {
            return;
        };
        if let Some(change) = punish(&**bans, &self.truce, client, &offence, now) {
            self.tell(|| Event::Ban(BanEvent::new(now.wall(), client, offence, change)));
        }
    }

    fn fault(&self, facts: &Facts<'_>, policy: &Snapshot, words: String) -> Ruling {
        self.tell_of(facts, policy, || What::Fault(words));
        match policy.on_fault {
            OnFault::Pass => Ruling::Unjudged,
            OnFault::Refuse => Ruling::Answer(reply::plain(StatusCode::SERVICE_UNAVAILABLE)),
        }
    }

    pub(super) fn tell_of(
        &self,
        facts: &Facts<'_>,
        policy: &Snapshot,
        what: impl FnOnce() -> What,
    ) {
        self.tell(|| Event::Request(RequestEvent::new(facts, policy.generation, what())));
    }

    pub(super) fn tell(&self, event: impl FnOnce() -> Event) {
        if let Some(sink) = &self.sink {
            sink.record(&event());
        }
    }
}

/// Bans the client, unless it is one who is never banned; what came of it, where that is worth
/// telling.
pub(crate) fn punish(
    bans: &dyn Bans,
    truce: &Truce,
    client: ClientIp,
    offence: &Offence,
    now: Now,
) -> Option<BanChange> {
    let truce = (!truce.left(now).is_zero()).then_some("everything is observed for a while");
    let observed = (offence.mode == Mode::Observe).then_some("the rule only observes");
    if let Some(why) = client.exempt().or(truce).or(observed) {
        return Some(BanChange::Withheld(why));
    }
    match bans.ban(&client, offence, now) {
        BanOutcome::Banned { evicted: None } => Some(BanChange::Placed),
        BanOutcome::Banned {
            evicted: Some(gone),
        } => Some(BanChange::Evicted(gone)),
        BanOutcome::Suspected { paths } => Some(BanChange::Suspected { paths }),
        BanOutcome::Withheld(why) => Some(BanChange::Withheld(why)),
        _ => None,
    }
}

/// Runs foreign judgement; a panic in it becomes its words.
pub(crate) fn contained<T>(judge: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(judge)).map_err(|payload| words(&*payload))
}

fn words(payload: &(dyn Any + Send)) -> String {
    let literal = payload.downcast_ref::<&str>().copied();
    let words = literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    words.unwrap_or("a panic without words").to_owned()
}
