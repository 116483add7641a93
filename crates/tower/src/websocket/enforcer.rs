//! Enforcement of the policy in open sessions.

use std::{fmt, sync::Arc};

use gabion_core::{
    BanEvent, ChangeListener, ClientIp, CloseReason, Denial, Event, Facts, MessageDenial,
    MessageDenials, MessageFacts, Mode, Now, Offense, OffenseRecorder, OnFault, PolicySource,
    Snapshot,
};
use http::HeaderMap;
use ipnet::IpNet;

use super::{Session, SessionPermit, Sessions};
use crate::{
    Clock, ObserveOverride,
    guard::engine::{catch_panic, record_offense},
};

/// Enforces the current policy in open [`Sessions`].
///
/// A session is rechecked when its client is banned, when the policy is replaced, and when it
/// opens, for changes since its handshake was judged. Messages are judged as they arrive, if the
/// [`SessionLimits`](gabion_core::SessionLimits) of the session select them.
///
/// A recheck judges the parts of the handshake that are kept: the client and the path
/// ([`Inspect::recheck`](gabion_core::Inspect::recheck)). A session that the policy allows stays
/// open, and a rule in observe mode closes none. The client stays as resolved at the handshake,
/// whatever proxies a new policy trusts.
///
/// Pass it to [`GuardLayer::with_session_enforcer`](crate::GuardLayer::with_session_enforcer),
/// which registers sessions, and subscribe it to [`ChangeListeners`](gabion_core::ChangeListeners).
///
/// # Examples
///
/// Two clients receive server-sent events; one of them is banned:
///
/// ```
/// # use std::{convert::Infallible, sync::{Arc, Mutex}};
/// # use bytes::Bytes;
/// # use gabion_core::{
/// #     ClientIp, ClientRules, Denial, Facts, Inspect, Now, PathViews, PeerAddr, RequestState,
/// #     Snapshot, Verdict,
/// # };
/// # use http::{Request, Response};
/// # use http_body_util::{BodyExt, Full};
/// # use ipnet::IpNet;
/// # use tower::{Layer, ServiceExt, service_fn};
/// use gabion_core::ChangeListener;
/// use gabion_tower::{ObserveOverride, SessionEnforcer, Sessions, SystemClock, guard_layer};
///
/// # struct BanList(Mutex<Vec<IpNet>>);
/// # impl Inspect for BanList {
/// #     fn name(&self) -> &'static str {
/// #         "bans"
/// #     }
/// #     fn inspect(&self, facts: &Facts<'_>, _: &mut RequestState) -> Verdict {
/// #         self.recheck(&facts.client, &facts.path, facts.now)
/// #     }
/// #     fn recheck(&self, client: &ClientIp, _: &PathViews<'_>, _: Now) -> Verdict {
/// #         match self.0.lock().unwrap().contains(&client.network()) {
/// #             true => Denial::forbidden("bans", "client is banned").into(),
/// #             false => Verdict::Pass,
/// #         }
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let bans = Arc::new(BanList(Mutex::default()));
/// # let policy = Arc::new(Snapshot::new(ClientRules::default(), bans.clone()));
/// # let clock = Arc::new(SystemClock::new());
/// # let service = service_fn(|_: Request<()>| async {
/// #     let response = Response::builder().header("content-type", "text/event-stream");
/// #     Ok::<_, Infallible>(response.body(Full::<Bytes>::from("data: 1\n\n")).unwrap())
/// # });
/// # let get = |client: &str| {
/// #     let peer = PeerAddr::new((client.parse::<std::net::IpAddr>().unwrap(), 4711).into());
/// #     Request::get("/events").extension(peer).body(()).unwrap()
/// # };
/// let (sessions, observe) = (Sessions::new(clock.clone()), ObserveOverride::default());
/// let enforcer = Arc::new(SessionEnforcer::new(sessions, policy.clone(), clock, observe));
/// let guarded = guard_layer(policy).with_session_enforcer(enforcer.clone()).layer(service);
///
/// let mut first = guarded.clone().oneshot(get("203.0.113.9")).await?.into_body();
/// let mut second = guarded.oneshot(get("198.51.100.7")).await?.into_body();
/// assert_eq!(enforcer.sessions().len(), 2);
///
/// # bans.0.lock().unwrap().push("203.0.113.9/32".parse()?);
/// enforcer.on_ban("203.0.113.9/32".parse()?);
/// assert!(first.frame().await.is_none(), "the stream of the banned client ends");
/// assert!(second.frame().await.is_some());
/// # Ok(())
/// # }
/// ```
pub struct SessionEnforcer {
    sessions: Arc<Sessions>,
    source: Box<dyn PolicySource>,
    bans: Option<Arc<dyn OffenseRecorder>>,
    clock: Arc<dyn Clock>,
    observe_override: ObserveOverride,
}

// === impl SessionEnforcer ===

impl SessionEnforcer {
    /// Creates an enforcer that judges `sessions` by the current policy of `source`, and closes
    /// none while `observe_override` is active.
    ///
    /// The caller subscribes it to bans and policy changes ([`ChangeListener`]).
    pub fn new(
        sessions: Sessions,
        source: impl PolicySource + 'static,
        clock: Arc<dyn Clock>,
        observe_override: ObserveOverride,
    ) -> Self {
        Self {
            sessions: Arc::new(sessions),
            source: Box::new(source),
            bans: None,
            clock,
            observe_override,
        }
    }

    /// Records offenses with `bans`. If unset, a message that a rule would ban for only closes the
    /// session.
    pub fn with_bans(mut self, bans: Arc<dyn OffenseRecorder>) -> Self {
        self.bans = Some(bans);
        self
    }

    /// Returns the open sessions.
    pub const fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// Reserves a permit for the WebSocket that `facts` request under `policy`. If `capped`, the
    /// caps of its route apply.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        facts: &Facts<'_>,
        policy: &Snapshot,
        capped: bool,
    ) -> Result<SessionPermit, Box<Denial>> {
        let limits = policy.routes.for_path(&facts.path);
        let session = self
            .sessions
            .open(facts, policy.generation, limits, capped)?;
        Ok(SessionPermit::new(session, Arc::clone(self)))
    }

    /// Reserves a permit for an event stream, or returns `None` if the table is full: a stream is
    /// never denied for that reason.
    pub(crate) fn permit_stream(
        self: &Arc<Self>,
        client: ClientIp,
        path: &str,
        generation: u64,
    ) -> Option<SessionPermit> {
        let session = self.sessions.open_stream(client, path, generation)?;
        Some(SessionPermit::new(session, Arc::clone(self)))
    }

    /// Closes the session if its messages must be inspected and cannot be, or if the current policy
    /// denies it.
    pub(crate) fn on_handshake_response(&self, session: &Session, headers: &HeaderMap) {
        if let Some(close_reason) = session.on_handshake_response(headers) {
            self.end(session, close_reason, session.message_mode());
        }
        self.recheck(session);
    }

    /// Closes a session that the current policy denies.
    pub(crate) fn recheck(&self, session: &Session) {
        if self.is_overridden() {
            return;
        }
        let (policy, now) = (self.source.current(), self.clock.now());
        match catch_panic(|| policy.recheck(&session.client, &session.path, now)) {
            Ok(Some(cause)) => drop(session.end(CloseReason::Refused(cause))),
            Ok(None) => {}
            Err(message) => self
                .sessions
                .report_fault(session, policy.generation, message),
        }
    }

    /// Closes a session. In observe mode, or while the override is active, only records an event.
    /// Returns `true` if the session is closed.
    pub(super) fn end(&self, session: &Session, close_reason: CloseReason, mode: Mode) -> bool {
        let is_enforced = self.is_enforced(mode);
        if is_enforced {
            session.end(close_reason);
        } else {
            self.sessions.report(session, &close_reason, Mode::Observe);
        }
        is_enforced
    }

    /// Returns `true` if `mode` is enforced and the override is not active.
    pub(super) fn is_enforced(&self, mode: Mode) -> bool {
        mode == Mode::Enforce && !self.is_overridden()
    }

    /// Judges a message by the current policy. Returns `true` if it passes; otherwise the session
    /// is closed.
    pub(super) fn allows_message(
        &self,
        session: &Session,
        is_text: bool,
        payload: &[u8],
        offset: u64,
    ) -> bool {
        let (policy, now) = (self.source.current(), self.clock.now());
        let message = MessageFacts {
            client: &session.client,
            path: &session.path,
            is_text,
            payload,
            offset,
            now,
        };
        let mut message_denials = MessageDenials::default();
        let Some(messages) = &policy.messages else {
            return true;
        };
        let judged = catch_panic(|| messages.inspect_message(&message, &mut message_denials));
        let (observed, enforced) = message_denials.into_parts();
        for message_denial in observed {
            self.end(
                session,
                message_close_reason(&message, &message_denial),
                Mode::Observe,
            );
        }
        if let Some(message_denial) = enforced {
            return !self.deny_message(session, &message, message_denial);
        }
        if let Err(panic) = judged {
            self.sessions
                .report_fault(session, policy.generation, panic);
            if policy.on_fault == OnFault::Refuse {
                let close_reason = CloseReason::Uninspectable("an inspector panicked");
                return !self.end(session, close_reason, Mode::Enforce);
            }
        }
        true
    }

    /// Acts on the denial of a message. Returns `true` if the session is closed.
    fn deny_message(
        &self,
        session: &Session,
        message: &MessageFacts<'_>,
        message_denial: MessageDenial,
    ) -> bool {
        let ends = self.end(
            session,
            message_close_reason(message, &message_denial),
            Mode::Enforce,
        );
        if let Some(offense) = message_denial.offense.filter(|_| ends) {
            self.record_offense(session, offense, message.now);
        }
        ends
    }

    fn record_offense(&self, session: &Session, offense: Offense, now: Now) {
        let Some(bans) = &self.bans else { return };
        if let Some(change) = record_offense(
            &**bans,
            &self.observe_override,
            session.client,
            &offense,
            now,
        ) {
            let event = BanEvent::new(now.wall(), session.client, offense, change);
            self.sessions.record(&Event::Ban(event));
        }
    }

    /// Returns `true` while the observe override is active.
    pub(super) fn is_overridden(&self) -> bool {
        !self.observe_override.remaining(self.clock.now()).is_zero()
    }
}

/// Returns the close reason for a denied message.
fn message_close_reason(message: &MessageFacts<'_>, message_denial: &MessageDenial) -> CloseReason {
    CloseReason::MessageDenied {
        rule: message_denial.rule.clone(),
        why: message_denial.why.clone(),
        message: message.evidence(),
    }
}

impl ChangeListener for SessionEnforcer {
    fn on_ban(&self, client: IpNet) {
        if !self.sessions.is_empty() {
            for session in self.sessions.for_client(client) {
                self.recheck(&session);
            }
        }
    }

    fn on_policy_replaced(&self) {
        let all = self.sessions.filtered(|_| true);
        all.for_each(|session| self.recheck(&session));
    }
}

impl fmt::Debug for SessionEnforcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionEnforcer")
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}
