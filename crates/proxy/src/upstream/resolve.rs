//! Name resolution for upstreams.

use std::{
    error::Error,
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
    task::{Context, Poll},
    time::Duration,
    vec,
};

use hyper_util::client::legacy::connect::dns::Name;
use tokio::{net::lookup_host, task::spawn_blocking, time::Instant};
use tower_service::Service;
use tracing::{debug, info};

use super::{millis::millis, status::Status};
use crate::forbidden::ForbiddenAddress;

type BoxError = Box<dyn Error + Send + Sync>;

type LookupFn = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// The source of addresses.
#[derive(Clone)]
pub(crate) enum Lookup {
    /// The system's resolver.
    System,
    /// A function that may block.
    Custom(Arc<LookupFn>),
}

/// The addresses of one upstream's name, kept for an interval.
///
/// Addresses that are never an upstream ([`ForbiddenAddress`]) are removed from each answer, so that a name cannot
/// change to one later. It is an error if none is left. Addresses in the URL are not resolved:
/// [`Upstream`](crate::Upstream) checks them when parsed.
pub(crate) struct Resolution {
    /// `None` if the upstream has an address, or a socket path.
    name: Option<Box<str>>,
    lookup: Lookup,
    interval: Duration,
    status: Arc<Status>,
    answer: Mutex<Answer>,
    /// The number of times that the addresses changed.
    generation: AtomicUsize,
    /// The index of the first address of the next connection.
    next: AtomicUsize,
    created: Instant,
    /// The time of the next refresh, in milliseconds since `created`.
    refresh_at: AtomicU64,
}

#[derive(Default)]
struct Answer {
    addrs: Vec<SocketAddr>,
    /// The time of the answer; `None` if the name has to be resolved before the next connection.
    at: Option<Instant>,
}

/// Resolves the name of one upstream for hyper-util's connector.
#[derive(Clone, Debug)]
pub(crate) struct Resolver(pub(crate) Arc<Resolution>);

// === impl Lookup ===

impl Lookup {
    pub(super) fn custom(
        lookup: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        Self::Custom(Arc::new(lookup))
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::System, Self::System) => true,
            (Self::Custom(lookup), Self::Custom(other)) => Arc::ptr_eq(lookup, other),
            _ => false,
        }
    }

    /// The connector sets the port, so that it is zero here.
    async fn resolve(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::System => Ok(lookup_host((name, 0)).await?.collect()),
            Self::Custom(lookup) => {
                let (lookup, name) = (Arc::clone(lookup), name.to_owned());
                spawn_blocking(move || lookup(&name, 0)).await?
            }
        }
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Custom(_) => "Custom",
        })
    }
}

// === impl Resolution ===

impl Resolution {
    pub(super) fn new(
        name: Option<&str>,
        lookup: Lookup,
        interval: Duration,
        status: Arc<Status>,
    ) -> Self {
        Self {
            name: name.map(Into::into),
            lookup,
            interval,
            status,
            answer: Mutex::default(),
            generation: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            created: Instant::now(),
            refresh_at: AtomicU64::new(u64::MAX),
        }
    }

    /// Returns the number of times that the addresses changed. A connection of an earlier generation may lead to an
    /// address that the name no longer has.
    pub(crate) fn generation(&self) -> usize {
        self.generation.load(Acquire)
    }

    /// Resolves the name before the next connection, because an address does not respond. At most once a second.
    pub(super) fn expire(&self) {
        let mut answer = self.answer();
        let is_new = |at: &Instant| at.elapsed() < Duration::from_secs(1);
        answer.at = answer.at.filter(is_new);
    }

    /// Resolves the name in the background if its interval is over. Without this, connections that are always in use
    /// would lead to a former address for ever.
    pub(crate) fn refresh(self: &Arc<Self>, now: Instant) {
        let now = millis(now.duration_since(self.created));
        let refresh_at = self.refresh_at.load(Relaxed);
        if now < refresh_at {
            return;
        }
        let next = now.saturating_add(millis(self.interval));
        let claimed = self
            .refresh_at
            .compare_exchange(refresh_at, next, Relaxed, Relaxed);
        if claimed.is_err() {
            return;
        }
        let resolution = Arc::clone(self);
        tokio::spawn(async move {
            // The failure is an event.
            let _ = resolution.resolve().await;
        });
    }

    /// Returns the addresses of the name, each time beginning with another one.
    async fn addrs(&self) -> Result<Vec<SocketAddr>, BoxError> {
        let current = self.current();
        let mut addrs = match current {
            Some(addrs) => addrs,
            None => self.resolve().await?,
        };
        let first = self.next.fetch_add(1, Relaxed) % addrs.len().max(1);
        addrs.rotate_left(first);
        Ok(addrs)
    }

    /// Returns the known addresses if their interval is not over.
    fn current(&self) -> Option<Vec<SocketAddr>> {
        let answer = self.answer();
        let is_current = answer.at.is_some_and(|at| at.elapsed() < self.interval);
        is_current.then(|| answer.addrs.clone())
    }

    /// Resolves the name, and records whether it does, if that changed.
    async fn resolve(&self) -> Result<Vec<SocketAddr>, BoxError> {
        let name = self.name.as_deref().unwrap_or_default();
        let looked_up = self.lookup.resolve(name).await.map_err(BoxError::from);
        let mut addrs = match looked_up.and_then(|addrs| Ok(filter_forbidden(addrs)?)) {
            Ok(addrs) => addrs,
            Err(error) => {
                let reason = format_args!("its name does not resolve: {error}");
                self.status
                    .change(|causes| causes.is_unresolved = true, reason);
                return Err(error);
            }
        };
        self.status.change(
            |causes| causes.is_unresolved = false,
            "its name resolves again",
        );
        // Resolvers rotate their answers.
        addrs.sort_unstable();
        let mut answer = self.answer();
        let now = Instant::now();
        answer.at = Some(now);
        let next = now.duration_since(self.created) + self.interval;
        self.refresh_at.store(millis(next), Relaxed);
        if answer.addrs != addrs {
            if !answer.addrs.is_empty() {
                self.generation.fetch_add(1, AcqRel);
                info!(target: "gabion::proxy", name, ?addrs, "upstream name has new addresses");
            }
            answer.addrs.clone_from(&addrs);
        }
        Ok(addrs)
    }

    /// A panic under this lock could only come from an allocation, which leaves the answer consistent.
    fn answer(&self) -> MutexGuard<'_, Answer> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolution")
            .field("addrs", &self.answer().addrs)
            .finish_non_exhaustive()
    }
}

fn filter_forbidden(
    addrs: impl IntoIterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, ForbiddenAddress> {
    let mut forbidden = None;
    let allowed: Vec<_> = addrs
        .into_iter()
        .filter(|addr| match ForbiddenAddress::check(addr.ip()) {
            Some(found) => {
                debug!(target: "gabion::proxy", "{found}");
                forbidden = Some(found);
                false
            }
            None => true,
        })
        .collect();
    match forbidden {
        Some(forbidden) if allowed.is_empty() => Err(forbidden),
        _ => Ok(allowed),
    }
}

// === impl Resolver ===

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    /// Resolves the upstream's name, which is the one that the connector is given.
    fn call(&mut self, _name: Name) -> Self::Future {
        let resolution = Arc::clone(&self.0);
        Box::pin(async move { Ok(resolution.addrs().await?.into_iter()) })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::IpAddr,
        sync::atomic::{AtomicUsize, Ordering::SeqCst},
    };

    use super::*;
    use crate::event_sink::EventSink;

    fn socket(addr: &str) -> SocketAddr {
        SocketAddr::new(addr.parse().unwrap(), 0)
    }

    /// Resolves every name to the addresses of `answers`, one after the other and the last one again, and counts.
    fn resolution(
        answers: &'static [&'static [&'static str]],
    ) -> (Arc<Resolution>, Arc<AtomicUsize>) {
        let lookups = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&lookups);
        let lookup = Lookup::custom(move |name, _port| {
            assert_eq!(name, "app.example");
            let nth = counted.fetch_add(1, SeqCst).min(answers.len() - 1);
            Ok(answers[nth].iter().map(|addr| socket(addr)).collect())
        });
        (
            Arc::new(Resolution::new(
                Some("app.example"),
                lookup,
                Duration::from_secs(30),
                Arc::new(Status::new("app.example", EventSink::default())),
            )),
            lookups,
        )
    }

    async fn addrs(resolution: &Resolution) -> Vec<SocketAddr> {
        resolution.addrs().await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn forbidden_addresses_are_removed_and_never_the_only_ones() {
        let (resolution, _) = resolution(&[
            &["169.254.169.254", "127.0.0.1"],
            &["224.0.0.1"],
            &["ff02::1", "224.0.0.2", "::ffff:239.1.2.3"],
        ]);
        assert_eq!(addrs(&resolution).await, [socket("127.0.0.1")]);
        for last in ["224.0.0.1", "::ffff:239.1.2.3"] {
            tokio::time::advance(Duration::from_secs(31)).await;
            let error = resolution.addrs().await.unwrap_err();
            let forbidden: &ForbiddenAddress = error.downcast_ref().unwrap();
            assert_eq!(forbidden.addr(), last.parse::<IpAddr>().unwrap());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn name_is_resolved_after_the_interval_and_after_a_failure() {
        let (resolution, lookups) = resolution(&[
            &["127.0.0.1", "127.0.0.2"],
            &["127.0.0.2", "127.0.0.1"],
            &["127.0.0.3"],
        ]);
        // Each connection begins with another address.
        let first = addrs(&resolution).await;
        assert_ne!(addrs(&resolution).await, first);
        assert_eq!(lookups.load(SeqCst), 1);
        tokio::time::advance(Duration::from_secs(31)).await;
        addrs(&resolution).await;
        assert_eq!(lookups.load(SeqCst), 2);
        assert_eq!(
            resolution.generation(),
            0,
            "the order of an answer has no meaning"
        );
        resolution.expire();
        assert_eq!(
            addrs(&resolution).await.len(),
            2,
            "resolved less than a second ago"
        );
        tokio::time::advance(Duration::from_secs(2)).await;
        resolution.expire();
        assert_eq!(addrs(&resolution).await, [socket("127.0.0.3")]);
        assert_eq!((lookups.load(SeqCst), resolution.generation()), (3, 1));
    }
}
