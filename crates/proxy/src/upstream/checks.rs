//! Runs active health checks.

use std::{error::Error, pin::pin, sync::Arc};

use http::{
    Request, StatusCode, Uri,
    header::{HOST, USER_AGENT},
    uri::Scheme,
};
use hyper::{
    client::conn::{http1, http2},
    rt::{Read, Write},
};
use hyper_util::rt::TokioExecutor;
use tokio::{
    select,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};
use tracing::debug;

use super::{Connected, Connector, Group, HealthCheck, HttpVersion, Member, UpstreamGroup};

type BoxError = Box<dyn Error + Send + Sync>;

/// hyper's requests need a body type.
type NoBody = String;

// === impl UpstreamGroup ===

impl UpstreamGroup {
    /// Runs the health checks of [`UpstreamOptions::with_health_check`](crate::UpstreamOptions::with_health_check)
    /// for all clones of this group. Returns at once if none are set; otherwise it runs until it is dropped.
    ///
    /// One task is enough for all workers. State changes are logged by `tracing`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use gabion_proxy::{HealthCheck, Upstream, UpstreamGroup, UpstreamOptions};
    /// use tokio::{io::AsyncReadExt as _, net::TcpListener};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = TcpListener::bind("127.0.0.1:0").await?;
    /// let upstream: Upstream = format!("http://{}", server.local_addr()?).parse()?;
    /// let options = UpstreamOptions::default().with_health_check(HealthCheck::new("/health")?);
    /// let group = UpstreamGroup::new([upstream], &options)?;
    ///
    /// let checks = tokio::spawn(group.run_health_checks());
    /// let (mut connection, _) = server.accept().await?;
    /// let mut head = [0; 20];
    /// connection.read_exact(&mut head).await?;
    /// assert_eq!(&head, b"GET /health HTTP/1.1");
    /// checks.abort();
    /// # Ok(())
    /// # }
    /// ```
    pub fn run_health_checks(&self) -> impl Future<Output = ()> + Send + use<> {
        let group = Arc::clone(self.shared());
        async move {
            let Some(check) = &group.options().health_check else {
                return;
            };
            // Dropping the set ends its tasks.
            let mut checks = JoinSet::new();
            for member in group.members() {
                checks.spawn(run(Arc::clone(&group), Arc::clone(member), check.clone()));
            }
            while checks.join_next().await.is_some() {}
        }
    }
}

/// Checks one member again and again.
async fn run(group: Arc<Group>, member: Arc<Member>, check: HealthCheck) {
    let connector = Connector::new(&group, &member, check.timeout());
    let mut ticks = interval(check.interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let result = match timeout(check.timeout(), status(&connector, &check)).await {
            Ok(Ok(status)) if status.is_success() || status.is_redirection() => Ok(()),
            Ok(Ok(status)) => Err(format!("it answered {}", status.as_u16())),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!(
                "no response within {} s",
                check.timeout().as_secs_f32()
            )),
        };
        if let Err(reason) = &result {
            debug!(target: "gabion::proxy", upstream = %member.upstream(), reason, "health check failed");
        }
        let result = result.as_ref().copied().map_err(String::as_str);
        member.record_check(&check, result, group.now());
    }
}

/// Sends one check on a new connection. Returns the status of its response.
async fn status(connector: &Connector, check: &HealthCheck) -> Result<StatusCode, BoxError> {
    let upstream = connector.member().upstream();
    let version = upstream.http_version();
    let request = Request::get(check.path())
        .header(HOST, upstream.authority())
        .header(USER_AGENT, "gabion-health-check")
        .body(NoBody::new())?;
    match (connector.connect(version).await?, version) {
        (Connected::Tcp(stream), HttpVersion::Http1) => send(stream, request).await,
        (Connected::Other(stream), HttpVersion::Http1) => send(stream, request).await,
        (Connected::Tcp(stream), HttpVersion::Http2) => send_http2(stream, request).await,
        (Connected::Other(stream), HttpVersion::Http2) => send_http2(stream, request).await,
    }
}

async fn send<S>(stream: S, request: Request<NoBody>) -> Result<StatusCode, BoxError>
where
    S: Read + Write + Unpin + Send,
{
    let (mut requests, connection) = http1::handshake(stream).await?;
    let (mut connection, mut response) = (pin!(connection), pin!(requests.send_request(request)));
    // The connection also ends after a response with `Connection: close`, which is then ready.
    let ended = select! {
        biased;
        response = response.as_mut() => return Ok(response?.status()),
        ended = connection.as_mut() => ended,
    };
    ended?;
    Ok(response.await?.status())
}

async fn send_http2<S>(stream: S, request: Request<NoBody>) -> Result<StatusCode, BoxError>
where
    S: Read + Write + Unpin + Send + 'static,
{
    let (mut requests, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
    let (mut parts, body) = request.into_parts();
    let mut uri = parts.uri.into_parts();
    uri.scheme = Some(Scheme::HTTP);
    if let Some(host) = parts.headers.remove(HOST) {
        uri.authority = Some(host.as_bytes().try_into()?);
    }
    parts.uri = Uri::from_parts(uri)?;
    let response = requests.send_request(Request::from_parts(parts, body));
    select! {
        biased;
        response = response => Ok(response?.status()),
        ended = connection => Err(ended.err().map_or_else(|| "the connection ended".into(), Into::into)),
    }
}
