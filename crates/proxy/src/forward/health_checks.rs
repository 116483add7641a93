//! Runs active health checks.

use std::sync::Arc;

use http::{
    HeaderValue, Request, StatusCode,
    header::{HOST, USER_AGENT},
};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};
use tracing::debug;

use super::{
    error::Failure,
    options::ProxyOptions,
    pool::{Pool, Reuse},
    upload::Upload,
};
use crate::{
    HealthCheck, Tunnels, UpstreamGroup,
    upstream::{Group, Member},
};

// === impl UpstreamGroup ===

impl UpstreamGroup {
    /// Runs the health checks of [`UpstreamOptions::with_health_check`](crate::UpstreamOptions::with_health_check)
    /// for all clones of this group. Returns at once if none are set; otherwise it runs until it is dropped.
    ///
    /// One task is enough for all workers. State changes are events
    /// ([`UpstreamOptions::with_sink`](crate::UpstreamOptions::with_sink)).
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
    let mut ticks = interval(check.interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let result = match timeout(check.timeout(), status(&group, &member, &check)).await {
            Ok(Ok(status)) if status.is_success() || status.is_redirection() => Ok(()),
            Ok(Ok(status)) => Err(format!("it answered {}", status.as_u16())),
            Ok(Err(failure)) => Err(failure.error_chain().to_string()),
            Err(_) => Err(format!(
                "no response within {} s",
                check.timeout().as_secs_f32()
            )),
        };
        if let Err(reason) = &result {
            debug!(target: "gabion::proxy", upstream = %member.upstream(), reason, "health check failed");
        }
        let result = result.as_ref().copied().map_err(String::as_str);
        member.record_check(&check, result);
    }
}

/// Sends one check on a new connection. Returns the status of its response.
async fn status(
    group: &Group,
    member: &Arc<Member>,
    check: &HealthCheck,
) -> Result<StatusCode, Failure> {
    let options = ProxyOptions::default().with_connect_timeout(check.timeout());
    let pool = Pool::new(group, member, &options, Tunnels::default().worker());
    let mut request = Request::new(Upload::none());
    *request.uri_mut() = check.path().clone().into();
    let headers = request.headers_mut();
    let host = HeaderValue::from_str(member.upstream().authority());
    headers.extend(host.ok().map(|host| (HOST, host)));
    headers.insert(USER_AGENT, HeaderValue::from_static("gabion-health-check"));
    let exchange = pool.send(&mut Some(request), Reuse::Never, None).await;
    let exchange = exchange.map_err(|unanswered| unanswered.failure)?;
    Ok(exchange.response.status())
}
