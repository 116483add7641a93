//! State that outlives the process or spans instances: the store in the folder of `--state`, and Redis.

mod redis;
mod stored_events;

use std::{
    error::Error,
    path::Path,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use gabion::{
    Guard,
    limit::{LimitSharing, RemoteLimits},
    policy::Document,
};
use gabion_admin::{Admin, Durability, NotDurable, SharedState, SubsystemStatus};
use gabion_store::{
    PartState, SharedBans, SharedState as Connection, Store, StoreError, StoreOptions,
};
use tracing::{info, warn};

use crate::cli::RunArgs;
pub(crate) use redis::RedisArgs;
pub(crate) use stored_events::StoringSink;

/// The store and the connection to other instances, until they are dropped.
#[derive(Debug, Default)]
pub(crate) struct State {
    store: Option<Arc<Store>>,
    shared: Option<Arc<SharedBans>>,
}

/// The store of a guard, which is opened after its sink was created; empty without `--state`, and once the store
/// is closed.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoreSlot(Arc<OnceLock<Weak<Store>>>);

/// The connection to other instances, for its status.
struct SharedSlot(Weak<SharedBans>);

/// The time that an operator waits for a durable change.
const SYNC_TIMEOUT: Duration = Duration::from_secs(5);

/// The time that a start waits for the bans of other instances.
const SHARED_TIMEOUT: Duration = Duration::from_secs(3);

/// Returns a warning for each exact limit of a policy, for a guard without Redis.
pub(crate) fn exact_alone(document: &Document) -> impl Iterator<Item = String> {
    let exact = document.limit.iter();
    let exact = exact.filter(|rule| rule.shared == LimitSharing::Exact);
    exact.map(|rule| {
        format!(
            "limit `{}` is exact: without Redis (`redis_url_file`), each guard counts it alone",
            rule.id
        )
    })
}

// === impl State ===

impl State {
    /// Opens what the options name, restores the bans, and keeps those of `guard` from now on. The bans of other
    /// instances that are not known in time arrive later.
    pub(crate) fn open(
        args: &RunArgs,
        guard: &Guard,
        slot: &StoreSlot,
    ) -> Result<Self, Box<dyn Error>> {
        let folder = args.https.state.as_deref();
        let store = folder.map(|folder| slot.open(folder, guard)).transpose()?;
        let shared = args.redis.options()?;
        let shared = shared.map(|options| {
            let peers = guard.clone();
            let shared = SharedBans::start(options, guard.sink(), move |update| {
                if let Err(why) = peers.apply_from_peer(&update) {
                    let network = update.network();
                    warn!("the ban of {network} by another instance is not applied: {why}");
                }
            })?;
            let shared = Arc::new(shared);
            guard.subscribe(&shared);
            shared.attach(guard.ban_source());
            shared.share_limits(guard.limit_counts());
            if !shared.wait_ready(SHARED_TIMEOUT) {
                warn!("Redis does not respond: the bans of other instances arrive when it does");
            }
            Ok::<_, Box<dyn Error>>(shared)
        });
        let shared = shared.transpose()?;
        if shared.is_none() {
            let document = guard.document();
            exact_alone(&document).for_each(|warning| warn!("{warning}"));
        }
        Ok(Self { store, shared })
    }

    /// Returns the decisions about exact limits, if other instances are connected.
    pub(crate) fn exact_limits(&self) -> Option<Arc<dyn RemoteLimits>> {
        self.shared.as_ref().map(|shared| shared.exact_limits())
    }

    /// Shows the store and the connection in the admin API, whose changes wait for the store.
    pub(crate) fn show_in(&self, admin: Admin, slot: &StoreSlot) -> Admin {
        let admin = match &self.store {
            Some(_) => admin.with_durability(Arc::new(slot.clone())),
            None => admin,
        };
        match &self.shared {
            Some(shared) => admin.with_shared_state(Arc::new(SharedSlot(Arc::downgrade(shared)))),
            None => admin,
        }
    }
}

// === impl StoreSlot ===

impl StoreSlot {
    fn open(&self, folder: &Path, guard: &Guard) -> Result<Arc<Store>, StoreError> {
        let store = Arc::new(Store::open(StoreOptions::new(folder), guard.sink())?);
        let restored = guard.restore(&store.restored());
        guard.subscribe(&store);
        store.attach(guard.ban_source());
        info!("bans are kept in {}: {restored} restored", folder.display());
        self.0.get_or_init(|| Arc::downgrade(&store));
        Ok(store)
    }

    fn get(&self) -> Option<Arc<Store>> {
        self.0.get().and_then(Weak::upgrade)
    }
}

impl Durability for StoreSlot {
    fn sync(&self) -> Result<(), NotDurable> {
        let store = self.get();
        let store = store.ok_or_else(|| NotDurable::new("the store is closed"))?;
        let synced = store.sync(SYNC_TIMEOUT);
        synced.map_err(|error| NotDurable::new(error.to_string()))
    }

    fn status(&self) -> SubsystemStatus {
        let Some(store) = self.get() else {
            return SubsystemStatus::new("redb", false).with_detail("closed");
        };
        let status = store.status();
        let parts = [&status.bans, &status.events];
        let bad = parts.iter().find(|part| part.state != PartState::Ready);
        let error = bad.and_then(|part| part.last_error.as_deref());
        let error = error.map(|error| format!("; {error}")).unwrap_or_default();
        let detail = format!(
            "bans {}, events {}, {} changes queued{error}",
            status.bans.state, status.events.state, status.queued
        );
        SubsystemStatus::new("redb", bad.is_none()).with_detail(detail)
    }
}

impl SharedState for SharedSlot {
    fn status(&self) -> SubsystemStatus {
        let Some(shared) = self.0.upgrade() else {
            return SubsystemStatus::new("redis", false).with_detail("closed");
        };
        let status = shared.status();
        let is_healthy = status.state == Connection::Ready;
        let error = status.last_error.as_deref().filter(|_| !is_healthy);
        let error = error.map(|error| format!("; {error}")).unwrap_or_default();
        let limits = if status.shares_limits {
            "shared"
        } else {
            "not shared"
        };
        let detail = format!(
            "{} changes sent, {} received, {} queued; limits {limits}: {} counts sent, {} received, \
             {} exact decisions, {} without an answer{error}",
            status.published,
            status.received,
            status.queued,
            status.counts_published,
            status.counts_received,
            status.exact_decided,
            status.exact_undecided
        );
        SubsystemStatus::new("redis", is_healthy).with_detail(detail)
    }
}
