//! The service of one connection.

use std::{error::Error, sync::Arc};

use gabion_core::{Framing, PeerAddr, Scheme};
use http::{Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperServiceFuture;

use super::{
    activity::{Activity, ProgressBody, ProgressFuture},
    framing::FramingQueue,
    upgrade::{UpgradeRequest, UpgradeResponseFuture},
    worker_service::ServiceCopy,
};

/// A tower service that can serve connections: any cloneable service whose future, error and body
/// are `Send`.
///
/// It is implemented for every such service, and not meant to be implemented otherwise.
/// [`serve`](crate::serve) and [`workers`](crate::workers) require it.
///
/// ```
/// use gabion_proxy::{HttpService, Proxy};
///
/// fn serves<S: HttpService>() {}
/// serves::<Proxy>();
/// ```
///
/// A service whose request is not hyper's is rejected by the compiler:
///
/// ```compile_fail
/// # use gabion_proxy::HttpService;
/// # fn serves<S: HttpService>() {}
/// serves::<String>();
/// ```
pub trait HttpService:
    tower_service::Service<
        Request<Incoming>,
        Response = Response<<Self as HttpService>::Body>,
        Error: Into<Box<dyn Error + Send + Sync>>,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static
{
    /// The body of the responses.
    type Body: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;
}

/// A service wrapper that adds the peer, the scheme and the framing to each request, and ends a connection
/// whose request to leave HTTP was refused.
#[derive(Debug)]
pub(super) struct ConnectionService<S> {
    pub(super) service: ServiceCopy<S>,
    pub(super) peer: PeerAddr,
    pub(super) scheme: Scheme,
    pub(super) framing_queue: Arc<FramingQueue>,
    pub(super) activity: Arc<Activity>,
}

// === impl HttpService ===

impl<S, B> HttpService for S
where
    S: tower_service::Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    type Body = B;
}

// === impl ConnectionService ===

impl<S> ConnectionService<S> {
    fn framing(&self, version: Version) -> Framing {
        if version > Version::HTTP_11 {
            self.framing_queue.stop();
            return Framing::AsShown;
        }
        self.framing_queue.pop()
    }
}

impl<S, B> hyper::service::Service<Request<Incoming>> for ConnectionService<S>
where
    S: tower_service::Service<Request<Incoming>, Response = Response<B>> + Clone,
{
    type Response = Response<ProgressBody<B>>;
    type Error = S::Error;
    type Future =
        ProgressFuture<UpgradeResponseFuture<TowerToHyperServiceFuture<S, Request<Incoming>>>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let framing = self.framing(request.version());
        let upgrade = UpgradeRequest::from_request(&request);
        let extensions = request.extensions_mut();
        extensions.insert(self.peer);
        if self.scheme != Scheme::Plain {
            extensions.insert(self.scheme);
        }
        if framing != Framing::AsShown {
            extensions.insert(framing);
        }
        let in_progress = self.activity.begin(&request);
        let response = self.service.call(request);
        let response = UpgradeResponseFuture::new(response, upgrade, &self.framing_queue);
        ProgressFuture::new(response, in_progress)
    }
}
