//! Selection of a service by host and path.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use gabion_core::{PathPrefixes, PathViews, Sink, View};
use http::{HeaderValue, Request, Response, StatusCode, header};
use tower_service::Service;

use crate::{
    answer::{AnsweredBody, AnsweredFuture},
    event_sink::{EventSink, client_addr},
    host,
};

/// A tower service that passes each request to one of several services, by its host and its path.
///
/// A route has a host (`shop.example`, or `*.shop.example` for all names below it), a path prefix, or both. The most
/// specific one applies: with the exact host, else with the longest `*.` host, else without a host; of these the
/// one with the longest prefix. Hosts are compared without case, port and final dot. A path lies below a prefix by
/// segment, in any form in which a server may read it ([`PathPrefixes`]), so that no spelling of a path avoids its
/// route.
///
/// A path that lies below two prefixes, neither of which is below the other, depending on how it is read, is answered
/// with 400 and an [event](gabion_core::Event::ProxyFailure): the rules of one route would otherwise not apply to what
/// another serves.
///
/// # Cost
///
/// The views of the path, and a lookup for the host and for each view. A service is cloned for each request.
///
/// # Examples
///
/// ```
/// use std::{convert::Infallible, future::{Ready, ready}};
///
/// use bytes::Bytes;
/// use gabion_proxy::{Route, Router};
/// use http::{Request, Response};
/// use http_body_util::{BodyExt as _, Full};
/// use tower::{ServiceExt as _, service_fn};
///
/// type Answer = Ready<Result<Response<Full<Bytes>>, Infallible>>;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let serve = |name: &'static str| {
///     service_fn(move |_: Request<()>| -> Answer { ready(Ok(Response::new(name.into()))) })
/// };
/// let router = Router::new(serve("pages"))
///     .with_route(&Route::below("/api"), serve("api"))?
///     .with_route(&Route::of_host("*.shop.example").and_below("/api"), serve("shop"))?;
///
/// for (host, path, served) in [
///     ("a.example", "/", "pages"),
///     ("a.example", "/api/items", "api"),
///     ("eu.shop.example:8080", "/%61pi", "shop"),
///     ("eu.shop.example", "/apis", "pages"),
/// ] {
///     let request = Request::get(path).header("host", host).body(())?;
///     let response = router.clone().oneshot(request).await?;
///     assert_eq!(response.into_body().collect().await?.to_bytes(), served);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Router<S> {
    services: Arc<Vec<S>>,
    table: Arc<Table>,
    event_sink: EventSink,
}

/// The requests of a [`Router`]'s service: of a host, below a path, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    host: Option<String>,
    prefix: Option<String>,
}

/// The error for a route that no request would take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// The host is not a name or an address.
    #[error(
        "invalid host `{0}`: write a name such as `shop.example` or `*.shop.example`, without a port"
    )]
    Host(String),
    /// The prefix is not a path.
    #[error("invalid path `{0}`: it must begin with `/`")]
    Path(String),
    /// Another route has the same host and prefix.
    #[error("another route has the same host and path")]
    Duplicate,
}

/// The indices of services, by host and prefix.
#[derive(Clone, Debug, Default)]
struct Table {
    hosts: HashMap<Box<str>, PathPrefixes>,
    /// By the name after `*.`, the longest first.
    wildcards: Vec<(Box<str>, PathPrefixes)>,
    any: PathPrefixes,
}

/// The reason why no service is selected.
#[derive(Debug)]
struct Ambiguous;

// === impl Route ===

impl Route {
    /// Requests of `host`.
    pub fn of_host(host: impl Into<String>) -> Self {
        Self {
            host: Some(host.into()),
            prefix: None,
        }
    }

    /// Requests below `prefix`, of any host.
    pub fn below(prefix: impl Into<String>) -> Self {
        Self::default().and_below(prefix)
    }

    /// Restricts the route to requests below `prefix`.
    pub fn and_below(self, prefix: impl Into<String>) -> Self {
        let prefix = Some(prefix.into());
        Self { prefix, ..self }
    }
}

// === impl Router ===

impl<S> Router<S> {
    /// Passes every request to `service`.
    pub fn new(service: S) -> Self {
        Self {
            services: Arc::new(vec![service]),
            table: Arc::default(),
            event_sink: EventSink::default(),
        }
    }

    /// Replaces each service by `replace` of it; the routes stay.
    pub fn map<T>(&self, replace: impl FnMut(&S) -> T) -> Router<T> {
        Router {
            services: Arc::new(self.services.iter().map(replace).collect()),
            table: Arc::clone(&self.table),
            event_sink: self.event_sink.clone(),
        }
    }

    /// Sets the destination of events about requests that are not passed on. If unset, they are dropped.
    pub fn with_sink(self, sink: Arc<dyn Sink>) -> Self {
        let event_sink = EventSink::new(sink);
        Self { event_sink, ..self }
    }
}

impl<S: Clone> Router<S> {
    /// Passes the requests of `route` to `service`.
    ///
    /// # Errors
    ///
    /// Rejects a route that no request would take.
    pub fn with_route(mut self, route: &Route, service: S) -> Result<Self, RouteError> {
        let services = Arc::make_mut(&mut self.services);
        Arc::make_mut(&mut self.table).add(route, services.len())?;
        services.push(service);
        Ok(self)
    }
}

impl<S, B, R> Service<Request<B>> for Router<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<AnsweredBody<R>>;
    type Error = S::Error;
    type Future = AnsweredFuture<S::Future>;

    /// A clone of the selected service must be ready at once, as those of this crate are.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let found = self
            .table
            .find(requested_host(&request), request.uri().path());
        let service = found.map(|index| self.services.get(index).or_else(|| self.services.first()));
        if let Ok(Some(service)) = service {
            return AnsweredFuture::passed(service.clone().call(request));
        }
        let status = StatusCode::BAD_REQUEST;
        let target = request.uri().path_and_query();
        self.event_sink.record_unrouted(
            client_addr(request.extensions()),
            (
                request.method(),
                target.map_or("", |target| target.as_str()),
            ),
            (status, &Ambiguous),
        );
        let mut response = Response::new(Bytes::from(format!("{status}: {Ambiguous}\n")));
        *response.status_mut() = status;
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
        AnsweredFuture::answered(response)
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

/// The host of the target, or else of the first `Host` header.
fn requested_host<B>(request: &Request<B>) -> &[u8] {
    let of_header = || {
        request
            .headers()
            .get(header::HOST)
            .map(HeaderValue::as_bytes)
    };
    let authority = request.uri().authority();
    let of_target = authority.map(|authority| authority.as_str().as_bytes());
    of_target.or_else(of_header).unwrap_or_default()
}

// === impl Table ===

impl Table {
    fn add(&mut self, route: &Route, index: usize) -> Result<(), RouteError> {
        let prefix = route.prefix.as_deref().unwrap_or("/");
        if !prefix.starts_with('/') {
            return Err(RouteError::Path(prefix.to_owned()));
        }
        let prefixes = match &route.host {
            None => &mut self.any,
            Some(host) => {
                let name = host.strip_prefix("*.").unwrap_or(host);
                let Some(known) =
                    host_key(name.as_bytes()).filter(|known| known.len() == name.len())
                else {
                    return Err(RouteError::Host(host.clone()));
                };
                if name == host {
                    self.hosts.entry(known).or_default()
                } else {
                    self.wildcard(known)
                }
            }
        };
        let count = prefixes.iter().count();
        prefixes.add(prefix.as_bytes(), index);
        if prefixes.iter().count() == count {
            return Err(RouteError::Duplicate);
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.wildcards.is_empty() && self.any.iter().next().is_none()
    }

    fn wildcard(&mut self, name: Box<str>) -> &mut PathPrefixes {
        let known = self.wildcards.iter().position(|(known, _)| *known == name);
        let at = known.unwrap_or_else(|| {
            let is_longer = |(known, _): &(Box<str>, _)| known.len() > name.len();
            let at = self.wildcards.partition_point(is_longer);
            self.wildcards.insert(at, (name, PathPrefixes::default()));
            at
        });
        &mut self.wildcards[at].1
    }

    /// Returns the index of the service for a request; that of the first if no route matches.
    fn find(&self, host: &[u8], path: &str) -> Result<usize, Ambiguous> {
        if self.is_empty() {
            return Ok(0);
        }
        let name = (!self.hosts.is_empty() || !self.wildcards.is_empty())
            .then(|| host_key(host))
            .flatten()
            .unwrap_or_default();
        let is_below = |(parent, _): &&(Box<str>, PathPrefixes)| {
            let rest = name.strip_suffix(&**parent);
            rest.is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        };
        let sets = || {
            let wildcards = self.wildcards.iter().filter(is_below);
            let wildcards = wildcards.map(|(_, prefixes)| prefixes);
            let exact = self.hosts.get(&name).into_iter();
            exact.chain(wildcards).chain([&self.any])
        };
        let path = PathViews::new(path.as_bytes());
        let most_specific = |view| {
            let found = sets().find_map(|prefixes| prefixes.containing(view).last());
            found.unwrap_or(0)
        };
        // The route of one reading, if those of all others contain it.
        let decides = |view: &View<'_>| {
            let is_above = |route| {
                let mut containing = sets().flat_map(|prefixes| prefixes.containing(*view));
                route == 0 || containing.any(|found| found == route)
            };
            path.iter().map(most_specific).all(is_above)
        };
        if path.is_incomplete() {
            return Err(Ambiguous);
        }
        match path.iter().find(decides) {
            Some(view) => Ok(most_specific(view)),
            // It does not begin with a slash.
            None if path.iter().next().is_none() => Ok(0),
            None => Err(Ambiguous),
        }
    }
}

/// Returns the name or address without port and final dot, in lower case; `None` if it is not one.
fn host_key(host: &[u8]) -> Option<Box<str>> {
    let name = host::name(str::from_utf8(host).ok()?)?;
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty()).then(|| name.to_ascii_lowercase().into())
}

impl fmt::Display for Ambiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the path belongs to different routes, depending on how it is read")
    }
}
