//! A guard on loopback, in front of a server that remembers what reached it.

use std::{net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};

use gabion::{
    Event, Guard, GuardBuilder, Sink,
    event::RequestEventKind,
    policy::{Document, Pack},
};
use gabion_proxy::{Protocols, Proxy, ProxyOptions, ServeOptions, Workers, workers};
use gabion_testkit::{Backend, Wire};
use tower::Layer as _;

/// What the guard's binary is made of, within this process.
pub(crate) struct Front {
    guard: Guard,
    addr: SocketAddr,
    // Workers are shut down by value.
    workers: Option<Workers>,
}

/// The policy of a guard that was given none.
pub(crate) const DEFAULT: &str = include_str!("../../../../../examples/guard/src/default.toml");

/// The same with other packs in force, and none that only observes.
pub(crate) fn with_packs(packs: impl IntoIterator<Item = Pack>) -> Document {
    let mut document = Document::parse(DEFAULT, "the built-in policy").unwrap();
    document.packs = packs.into_iter().collect();
    document.observe.clear();
    document
}

/// Every pack that `guard init` may enforce.
pub(crate) fn fitting() -> impl Iterator<Item = Pack> {
    let packs = Pack::ALL.into_iter();
    packs.filter(|pack| *pack != Pack::Leftovers)
}

/// A builder that tells `sink` and lets policies lose whatever they lose.
pub(crate) fn builder(sink: Arc<impl Sink + 'static>) -> GuardBuilder {
    Guard::builder()
        .with_sink(sink)
        .with_shrink_guard(gabion::policy::ShrinkGuard::Accept)
}

/// The rule behind an event, if it is about a request that was refused.
pub(crate) fn rule_of(event: &Event) -> Option<&str> {
    match event {
        Event::Request(event) => match &event.kind {
            RequestEventKind::Denied(denial) => Some(denial.cause.rule.as_str()),
            _ => None,
        },
        _ => None,
    }
}

impl Front {
    /// Stands before `behind`, on two threads of its own.
    pub(crate) fn before(behind: &Backend, guard: Guard) -> Self {
        Self::speaking(Protocols::Http1, &behind.url(), guard)
    }

    /// Stands before the server at `url`, and speaks `protocols` with clients.
    pub(crate) fn speaking(protocols: Protocols, url: &str, guard: Guard) -> Self {
        let upstream: gabion_proxy::Upstream = url.parse().unwrap();
        let wall = guard.layer().insert_client_extension();
        let serve = ServeOptions::default().with_protocols(protocols);
        let proxy = ProxyOptions::default();
        let workers = workers(
            NonZeroUsize::new(2).unwrap(),
            "127.0.0.1:0".parse().unwrap(),
            &serve,
            move |tunnels| wall.layer(Proxy::new(upstream.clone(), &proxy, tunnels.clone())),
        );
        let workers = workers.unwrap();
        Self {
            guard,
            addr: workers.local_addr(),
            workers: Some(workers),
        }
    }

    pub(crate) const fn guard(&self) -> &Guard {
        &self.guard
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) async fn connect(&self) -> Wire {
        Wire::connect(self.addr).await
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if let Some(workers) = self.workers.take() {
            workers.shutdown(Duration::ZERO);
        }
    }
}
