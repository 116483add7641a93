//! The ways from the browser to the guard.

use std::{net::SocketAddr, path::Path, sync::Arc};

use gabion::{Guard, PeerAddr};
use gabion_proxy::{ProxyOptions, ServeOptions};
use gabion_testkit::{Backend, Nginx, ProxyServer, RawConnection, Recorder};
use http::Request;
use hyper::body::Incoming;
use tower::{Layer as _, ServiceBuilder};

use crate::support::guarded_proxy::builder;

/// The address of the browser, as the guard sees it.
pub(super) const VISITOR: &str = "203.0.113.9";

const POLICY: &str = r#"
    version = 1
    [client]
    trusted_proxies = ["127.0.0.0/8"]
    hops = 1
    [scan]
    [[deny]]
    id = "dotfiles"
    names = [".env"]
    then = "ban 1h"
"#;

/// The lines of every location. nginx sees the browser on loopback, which is never banned.
const LINES: &str =
    "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For 203.0.113.9;";

const UPGRADES: &str = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; \
                        proxy_set_header Connection $http_connection;";

/// A way: without a hop, or through nginx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Direct,
    Http11,
    Decoding,
    Http10,
}

/// A guard in front of a server, behind the hop of a way.
pub(super) struct Chain {
    pub(super) events: Arc<Recorder>,
    pub(super) backend: Backend,
    front: SocketAddr,
    _nginx: Option<Nginx>,
    _guard: ProxyServer,
}

impl Way {
    pub(super) const ALL: [Self; 4] = [Self::Direct, Self::Http11, Self::Decoding, Self::Http10];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Http11 => "nginx, HTTP/1.1",
            Self::Decoding => "nginx, `$uri`",
            Self::Http10 => "nginx, HTTP/1.0",
        }
    }

    pub(super) async fn start(self, nginx: &Path, name: &str) -> Chain {
        let backend = Backend::start().await;
        let events = Arc::<Recorder>::default();
        let guard = builder(events.clone()).with_policy(POLICY, "policy");
        let guard = serve(self, &backend.url(), &guard.unwrap());
        let name = format!("hostile-{name}-{self:?}");
        let (target, lines) = match self {
            Self::Direct | Self::Http10 => ("", LINES.to_owned()),
            Self::Http11 => ("", format!("{LINES}{UPGRADES}")),
            Self::Decoding => ("$uri$is_args$args", format!("{LINES}{UPGRADES}")),
        };
        let nginx = match self {
            Self::Direct => None,
            _ => Some(Nginx::with_target(nginx, &name, guard.addr(), target, &lines).await),
        };
        Chain {
            events,
            backend,
            front: nginx.as_ref().map_or_else(|| guard.addr(), Nginx::addr),
            _nginx: nginx,
            _guard: guard,
        }
    }
}

/// Starts the accept loop of the guard. Without a hop, the peer is the visitor.
fn serve(way: Way, upstream: &str, guard: &Guard) -> ProxyServer {
    let layer = guard.layer().insert_client_extension();
    let options = ServeOptions::default().with_sink(guard.sink());
    ProxyServer::start(upstream, &ProxyOptions::default(), options, |proxy| {
        let visitor = PeerAddr::new((VISITOR.parse::<std::net::IpAddr>().unwrap(), 4711).into());
        let set_peer = move |mut request: Request<Incoming>| {
            if way == Way::Direct {
                request.extensions_mut().insert(visitor);
            }
            request
        };
        let guarded = layer.layer(proxy);
        ServiceBuilder::new().map_request(set_peer).service(guarded)
    })
}

// === impl Chain ===

impl Chain {
    pub(super) const fn addr(&self) -> SocketAddr {
        self.front
    }

    /// Sends a GET of a tool, from the visitor's address, and returns the status.
    pub(super) async fn status(&self, target: &str) -> u16 {
        let mut client = RawConnection::connect(self.front).await;
        let lines = "User-Agent: curl/8.5.0\r\nAccept: */*\r\nConnection: close\r\n";
        let response = client.get(target, lines).await;
        response.expect("a response").status.as_u16()
    }
}
