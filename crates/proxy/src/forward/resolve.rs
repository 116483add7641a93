//! Name resolution for the upstream.

use std::{
    error::Error,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;
use tracing::debug;

use crate::forbidden::ForbiddenAddress;

type BoxError = Box<dyn Error + Send + Sync>;

/// A resolver that removes addresses that are never an upstream ([`ForbiddenAddress`]). It is an
/// error if none is left.
///
/// It runs for each connection, so that a name cannot change to a forbidden address later. An
/// address literal is not resolved: [`Upstream`](crate::Upstream) checks it when parsed.
#[derive(Clone, Debug)]
pub(super) struct Resolver<R = GaiResolver>(R);

// === impl Resolver ===

impl Resolver {
    /// Uses the system's resolver.
    pub(super) fn new() -> Self {
        Self(GaiResolver::new())
    }
}

impl<R> Service<Name> for Resolver<R>
where
    R: Service<Name, Response: Iterator<Item = SocketAddr>, Error: Into<BoxError>>,
    R::Future: Send + 'static,
{
    type Response = vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolved = self.0.call(name);
        Box::pin(
            async move { Ok(filter_forbidden(resolved.await.map_err(Into::into)?)?.into_iter()) },
        )
    }
}

fn filter_forbidden(
    addrs: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, ForbiddenAddress> {
    let mut forbidden = None;
    let allowed: Vec<_> = addrs
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

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        future::{Ready, ready},
        time::Duration,
    };

    use http::Uri;
    use hyper_util::client::legacy::connect::HttpConnector;
    use tokio::{net::TcpListener, time::timeout};

    use super::*;
    use crate::{
        HeaderCase,
        forward::{
            error::{Failure, UpstreamError},
            pool::connect,
            upstream_connection::UpstreamConnection,
        },
    };

    /// Resolves every name to these addresses. Connecting to a multicast address fails locally, so
    /// that no packet leaves this machine even if the resolver lets one through.
    #[derive(Clone)]
    struct FixedResolver(&'static [&'static str]);

    impl Service<Name> for FixedResolver {
        type Response = vec::IntoIter<SocketAddr>;
        type Error = Infallible;
        type Future = Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _name: Name) -> Self::Future {
            let addrs = self
                .0
                .iter()
                .map(|addr| SocketAddr::new(addr.parse().unwrap(), 0));
            ready(Ok(addrs.collect::<Vec<_>>().into_iter()))
        }
    }

    async fn connect_to(
        addrs: &'static [&'static str],
        port: u16,
    ) -> Result<UpstreamConnection, Failure> {
        let connector = HttpConnector::new_with_resolver(Resolver(FixedResolver(addrs)));
        let target: Uri = format!("http://app.example:{port}/").parse().unwrap();
        connect(connector, target, HeaderCase::Lower).await
    }

    #[tokio::test]
    async fn name_with_only_forbidden_addresses_is_an_error() {
        for addrs in [
            &["224.0.0.1"][..],
            &["ff02::1", "224.0.0.2", "::ffff:239.1.2.3"],
        ] {
            let failure = connect_to(addrs, 80).await.unwrap_err();
            let Failure::Upstream(UpstreamError::Forbidden(forbidden)) = &failure else {
                panic!("{failure:?}");
            };
            assert_eq!(
                forbidden.addr(),
                addrs[addrs.len() - 1].parse::<std::net::IpAddr>().unwrap()
            );
            let reasons = failure.error_chain().to_string();
            assert!(
                reasons.contains("is not allowed as an upstream: it is a multicast"),
                "{reasons}"
            );
            assert_eq!(failure.to_response().status(), 502);
        }
    }

    #[tokio::test]
    async fn name_with_an_allowed_address_connects_to_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connecting = connect_to(&["224.0.0.1", "127.0.0.1"], port);
        let both = async { tokio::join!(connecting, listener.accept()) };
        let (connected, accepted) = timeout(Duration::from_secs(5), both).await.unwrap();
        connected.unwrap();
        accepted.unwrap();
    }
}
