//! The engine: what the heads of requests and open sessions are judged with.

mod ids;
mod once_per_minute;
mod sharing;

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use gabion_core::{
    BanChange, BanEvent, BanOutcome, ClientIp, Event, Mode, Now, Offense, OffenseRecorder,
    PolicySource, RemoteLimits, Sink,
};

use crate::{
    BriefReply, Clock, ConnectionSource, ExtensionsSource, ObserveOverride, Reply, SystemClock,
    session::Sessions,
};
use ids::EventIds;
use once_per_minute::OncePerMinute;

pub(crate) use sharing::{Sharing, is_repeatable};

/// The configuration and shared state of a guarded service, used for the heads of requests
/// (`guard`) and for open sessions (`websocket`).
#[derive(Clone)]
pub(crate) struct Engine {
    pub(crate) source: Arc<dyn PolicySource>,
    pub(crate) bans: Option<Arc<dyn OffenseRecorder>>,
    pub(crate) sink: Option<Arc<dyn Sink>>,
    /// Decides about exact limits. `None` if each instance does.
    pub(crate) remote_limits: Option<Arc<dyn RemoteLimits>>,
    pub(crate) reply: Arc<dyn Reply>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) connection: Arc<dyn ConnectionSource>,
    pub(crate) observe_override: ObserveOverride,
    /// The open sessions. `None` if sessions are not supervised.
    pub(crate) sessions: Option<Arc<Sessions>>,
    pub(crate) ids: EventIds,
    /// Limits events about faults in the setup of the server.
    setup: OncePerMinute,
    pub(crate) sharing: Sharing,
    /// `true` if the client is inserted into the extensions of each request that passes.
    pub(crate) inserts_client: bool,
}

// === impl Engine ===

impl Engine {
    /// Creates an engine with the defaults of [`GuardLayer`](crate::GuardLayer).
    pub(crate) fn new(source: Arc<dyn PolicySource>) -> Self {
        Self {
            source,
            bans: None,
            sink: None,
            remote_limits: None,
            reply: Arc::new(BriefReply),
            clock: Arc::new(SystemClock::new()),
            connection: Arc::new(ExtensionsSource),
            observe_override: ObserveOverride::default(),
            sessions: None,
            ids: EventIds::default(),
            setup: OncePerMinute::default(),
            sharing: Sharing::default(),
            inserts_client: false,
        }
    }

    pub(crate) fn report(&self, event: impl FnOnce() -> Event) {
        if let Some(sink) = &self.sink {
            sink.record(&event());
        }
    }

    /// Reports a fault in the setup of the server, at most once a minute.
    pub(crate) fn report_setup(&self, now: Now, event: impl FnOnce() -> Event) {
        if self.setup.is_due(now) {
            self.report(event);
        }
    }

    /// Returns `true` if the observe override is active at `now`.
    pub(crate) fn is_overridden(&self, now: Now) -> bool {
        !self.observe_override.remaining(now).is_zero()
    }

    /// Records an offense, unless the client is exempt from bans, and reports the change.
    pub(crate) fn record_offense(&self, client: ClientIp, offense: Offense, now: Now) {
        let Some(bans) = &self.bans else { return };
        let overridden = (self.is_overridden(now)).then_some("the observe override is active");
        let change = if let Some(why) = client.exempt_from_bans().or(overridden) {
            BanChange::Withheld(why)
        } else if offense.mode == Mode::Observe {
            BanChange::Observed
        } else {
            match bans.record_offense(&client, &offense, now) {
                BanOutcome::Banned(placement) => {
                    let events = BanEvent::placed(now.wall(), client, offense, &placement);
                    events.for_each(|event| self.report(|| Event::Ban(event)));
                    return;
                }
                BanOutcome::Suspected { paths, needed } => BanChange::Suspected { paths, needed },
                BanOutcome::Withheld(why) => BanChange::Withheld(why),
                _ => return,
            }
        };
        self.report(|| Event::Ban(BanEvent::new(now.wall(), client, offense, change)));
    }
}

/// Runs an inspector or a reply. A panic in it becomes an error with the panic message.
pub(crate) fn catch_panic<T>(judge: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(judge)).map_err(|payload| panic_message(&*payload))
}

#[cold]
fn panic_message(payload: &(dyn Any + Send)) -> String {
    let literal = payload.downcast_ref::<&str>().copied();
    let message = literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    message.unwrap_or("a panic without a message").to_owned()
}
