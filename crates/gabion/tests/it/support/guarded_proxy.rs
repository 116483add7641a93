//! A guard in front of an upstream, as in the guard binary.

use std::{net::SocketAddr, sync::Arc};

use gabion::{
    Guard, GuardBuilder,
    event::{Event, RequestEventKind, Sink},
    policy::{Document, Pack},
};
use gabion_proxy::{Protocols, ProxyOptions, ServeOptions};
use gabion_testkit::{ProxyServer, RawConnection};
use tower::Layer as _;

/// A [`ProxyServer`] behind a guard.
pub(crate) struct GuardedProxy {
    guard: Guard,
    server: ProxyServer,
}

/// The built-in policy of the guard binary.
pub(crate) const DEFAULT: &str = include_str!("../../../../../examples/guard/src/default.toml");

/// The built-in policy with these packs, all of them enforced.
pub(crate) fn with_packs(packs: impl IntoIterator<Item = Pack>) -> Document {
    let mut document = Document::parse(DEFAULT, "the built-in policy").unwrap();
    document.packs = packs.into_iter().collect();
    document.observe.clear();
    document
}

/// The packs that `guard init` may enforce.
pub(crate) fn fitting() -> impl Iterator<Item = Pack> {
    let packs = Pack::ALL.into_iter();
    packs.filter(|pack| !matches!(pack, Pack::Leftovers | Pack::NoJsp))
}

/// A builder with this sink whose policies may shrink by any amount.
pub(crate) fn builder(sink: Arc<impl Sink + 'static>) -> GuardBuilder {
    Guard::builder()
        .with_sink(sink)
        .with_shrink_guard(gabion::policy::ShrinkGuard::Accept)
}

/// The rule of a denial; `None` for other events.
pub(crate) fn rule_of(event: &Event) -> Option<&str> {
    match event {
        Event::Request(event) => match &event.kind {
            RequestEventKind::Denied(denial) => Some(denial.cause.rule.as_str()),
            _ => None,
        },
        _ => None,
    }
}

impl GuardedProxy {
    /// A guard in front of the server at `url` that accepts HTTP/1.1.
    pub(crate) fn start(url: &str, guard: Guard) -> Self {
        Self::with_protocols(Protocols::Http1, url, guard)
    }

    /// A guard in front of the server at `url` that accepts `protocols`.
    pub(crate) fn with_protocols(protocols: Protocols, url: &str, guard: Guard) -> Self {
        let options = ServeOptions::default().with_protocols(protocols);
        Self::with_options(&ProxyOptions::default(), &options, url, guard)
    }

    /// Like [`Self::with_protocols`], with the events of the proxy and its accept loop.
    pub(crate) fn with_proxy_events(protocols: Protocols, url: &str, guard: Guard) -> Self {
        let options = ServeOptions::default().with_protocols(protocols);
        let options = options.with_sink(guard.sink());
        let proxy = ProxyOptions::default().with_sink(guard.sink());
        Self::with_options(&proxy, &options, url, guard)
    }

    fn with_options(proxy: &ProxyOptions, serve: &ServeOptions, url: &str, guard: Guard) -> Self {
        let layer = guard.layer().insert_client_extension();
        let wrap = move |proxy| layer.layer(proxy);
        let server = ProxyServer::with_workers(url, proxy, serve, wrap);
        Self { guard, server }
    }

    pub(crate) const fn guard(&self) -> &Guard {
        &self.guard
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    pub(crate) async fn connect(&self) -> RawConnection {
        self.server.connect().await
    }
}
