//! Where the name of an upstream leads.

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

/// A resolver that leaves out addresses that are never an upstream. Where none is left, that is an
/// error.
///
/// It is asked for each connection, so a name cannot come to mean another server later on. A literal
/// is not resolved: [`Upstream`](crate::Upstream) has judged it.
#[derive(Clone, Debug)]
pub(super) struct Resolver<R = GaiResolver>(R);

// === impl Resolver ===

impl Resolver {
    /// Asks the system.
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
    use crate::forward::{
        error::{Failure, UpstreamError},
        pool::connect,
        upstream_connection::UpstreamConnection,
    };

    /// Every name leads there. A connection to a multicast address fails at home, so that nobody is
    /// asked even where the resolver lets it pass.
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
        connect(connector, target).await
    }

    #[tokio::test]
    async fn name_that_leads_nowhere_else_is_an_error_that_says_where() {
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
                reasons.contains("is never an upstream: a multicast"),
                "{reasons}"
            );
            assert_eq!(failure.to_response().status(), 502);
        }
    }

    #[tokio::test]
    async fn name_that_leads_elsewhere_too_goes_there() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let linked = connect_to(&["224.0.0.1", "127.0.0.1"], port);
        let both = async { tokio::join!(linked, listener.accept()) };
        let (linked, accepted) = timeout(Duration::from_secs(5), both).await.unwrap();
        linked.unwrap();
        accepted.unwrap();
    }
}
