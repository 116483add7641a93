//! The two layouts of the kit for AWS Elastic Beanstalk, with HAProxy as the load balancer.

mod balancer;
mod figures;
mod instance;
mod scripts;

use std::{fs, net::SocketAddr, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use gabion_testkit::{
    Backend, RawConnection, RawResponse, ReceivedRequest, TempFolder, Tomcat, eventually,
};
use tokio::time::timeout;
use tokio_tungstenite::{client_async, tungstenite::Message};

use self::{
    balancer::Balancer,
    instance::{Instance, Layout},
};
use crate::support::{guard, text};

/// The address of the client. All addresses of a test are loopback.
const CLIENT: &str = "127.0.0.9";

/// An address that the client names as its own.
const FORGED: &str = "203.0.113.77";

/// A web application in Tomcat: a page on every path, and a WebSocket.
const APP: [(&str, &str); 3] = [
    ("WEB-INF/web.xml", include_str!("../../beanstalk/web.xml")),
    ("WEB-INF/page.jsp", include_str!("../../beanstalk/page.jsp")),
    (
        "WEB-INF/socket.jsp",
        include_str!("../../beanstalk/socket.jsp"),
    ),
];

/// An instance behind a load balancer.
struct Environment {
    balancer: Balancer,
    instance: Instance,
}

// === impl Environment ===

impl Environment {
    /// Returns `None`, with a message, if a program is not installed.
    async fn start(layout: Layout, test: &str, app: SocketAddr) -> Option<Self> {
        let instance = Instance::start(layout, test, app).await?;
        let balancer = Balancer::start(test, instance.addr()).await?;
        Some(Self { balancer, instance })
    }

    /// Sends a GET to the balancer, with a forged address.
    async fn get(&self, target: &str, host: &str) -> RawResponse {
        let mut client = RawConnection::connect_from(CLIENT, self.balancer.addr()).await;
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: {FORGED}\r\n\
             X-Forwarded-Host: forged.example\r\nConnection: close\r\n\r\n"
        );
        client.send(request).await;
        client.response("GET").await.expect("a response")
    }

    /// Like [`Self::get`]; returns the status.
    async fn status(&self, target: &str, host: &str) -> u16 {
        self.get(target, host).await.status.as_u16()
    }

    /// Returns `true` if a WebSocket still echoes after this time without messages.
    async fn keeps_open(&self, silence: Duration) -> bool {
        let stream = RawConnection::connect_from(CLIENT, self.balancer.addr()).await;
        let url = "ws://app.example/ws";
        let mut socket = client_async(url, stream.into_stream()).await.unwrap().0;
        let end = async { while let Some(Ok(_)) = socket.next().await {} };
        if timeout(silence, end).await.is_ok() {
            return false;
        }
        socket.send(Message::text("still here")).await.unwrap();
        let echo = async {
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() {
                    return true;
                }
            }
            false
        };
        timeout(Duration::from_secs(5), echo).await.unwrap_or(false)
    }
}

/// Takes the requests that reached the app, without those of health checks.
fn reached(app: &Backend) -> Vec<ReceivedRequest> {
    let mut reached = app.take();
    reached.retain(|request| request.target != "/health");
    reached
}

#[tokio::test]
async fn page_passes_with_the_clients_address_and_a_probe_is_denied() {
    for layout in Layout::BOTH {
        let app = Backend::start().await;
        let Some(environment) = Environment::start(layout, "pages", app.addr()).await else {
            return;
        };
        assert_eq!(environment.status("/page", "app.example").await, 200);
        let [page] = &reached(&app)[..] else {
            panic!("one request");
        };
        assert_eq!(page.target, "/page");
        let header = |name: &str| page.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("x-forwarded-proto"), Some("https"));
        let chain = match layout {
            Layout::NginxInFront => "203.0.113.77, 127.0.0.9, 127.0.0.2, 127.0.0.1",
            Layout::WithoutNginx => "203.0.113.77, 127.0.0.9, 127.0.0.2",
        };
        assert_eq!(header("x-forwarded-for"), Some(chain));
        assert_eq!(header("x-forwarded-host"), Some("app.example"));

        assert_eq!(environment.status("/.env", "app.example").await, 403);
        assert_eq!(environment.status("/page", "other.example").await, 421);
        assert!(reached(&app).is_empty());
        let client = format!("client={CLIENT}");
        environment
            .instance
            .guard()
            .logged([&*client, "/.env"])
            .await;
    }
}

#[tokio::test]
async fn health_check_of_the_balancer_reaches_the_app_by_the_instances_address() {
    for layout in Layout::BOTH {
        let app = Backend::start().await;
        let Some(environment) = Environment::start(layout, "health", app.addr()).await else {
            return;
        };
        let mut checks = 0;
        let checked = eventually(|| {
            let received = app.take();
            checks += received
                .iter()
                .filter(|request| request.target == "/health")
                .count();
            (checks >= 3).then_some(())
        });
        assert!(checked.await.is_some(), "only {checks} health checks");
        // A failed check would have taken the instance out of service: 503.
        assert_eq!(environment.status("/page", "app.example").await, 200);
    }
}

/// Every hop in front of guard closes what is silent for 3 seconds; guard pings each second.
#[tokio::test]
async fn pings_keep_a_websocket_open_beyond_the_timeouts_in_front() {
    for layout in Layout::BOTH {
        let app = Backend::start().await;
        let Some(environment) = Environment::start(layout, "sockets", app.addr()).await else {
            return;
        };
        let is_open = environment.keeps_open(Duration::from_secs(8)).await;
        assert!(
            is_open,
            "{layout:?}: {}",
            environment.instance.guard().log()
        );
    }
}

#[tokio::test]
async fn tomcat_serves_pages_and_websockets_in_both_layouts() {
    let Some(app) = Tomcat::start(&APP).await else {
        return;
    };
    for layout in Layout::BOTH {
        let Some(environment) = Environment::start(layout, "tomcat", app.addr()).await else {
            return;
        };
        let page = environment.get("/page", "app.example").await;
        assert_eq!(page.status, 200, "{}", page.text());
        let expected = format!("/page of app.example for {FORGED}, {CLIENT}, ");
        assert!(page.text().starts_with(&expected), "{}", page.text());
        assert_eq!(
            environment.status("/WEB-INF/web.xml", "app.example").await,
            404
        );
        let is_open = environment.keeps_open(Duration::from_secs(5)).await;
        assert!(
            is_open,
            "{layout:?}: {}",
            environment.instance.guard().log()
        );
    }
}

#[tokio::test]
async fn guard_without_nginx_writes_the_health_log() {
    let app = Backend::start().await;
    let environment = Environment::start(Layout::WithoutNginx, "log", app.addr()).await;
    let Some(environment) = environment else {
        return;
    };
    assert_eq!(
        environment
            .status("/page?token=secret", "app.example")
            .await,
        200
    );
    assert_eq!(environment.status("/.env", "app.example").await, 403);
    let client = format!("{FORGED}, {CLIENT}");
    for expected in ["/page\"200\"", "/.env\"403\""] {
        let line = eventually(|| {
            let lines = environment.instance.health_log();
            let mut lines = lines.lines().map(ToOwned::to_owned);
            lines.find(|line| line.contains(&format!("\"{expected}")))
        });
        let line = line.await.expect("a line");
        let fields: Vec<_> = line.split('"').collect();
        let [completed, _, _, elapsed, upstream, forwarded_for] = fields[..] else {
            panic!("{line}");
        };
        assert!(completed.parse::<f64>().unwrap() > 1.7e9, "{line}");
        assert!(elapsed.parse::<f64>().unwrap() < 10.0, "{line}");
        assert_eq!((upstream, forwarded_for), (elapsed, &*client), "{line}");
    }
    // Health checks have no `X-Forwarded-For`.
    let checked = eventually(|| {
        let lines = environment.instance.health_log();
        let is_check = |line: &str| line.contains("\"/health\"200\"") && line.ends_with("\"-");
        lines.lines().any(is_check).then_some(())
    });
    assert!(
        checked.await.is_some(),
        "{}",
        environment.instance.health_log()
    );
    assert!(!environment.instance.health_log().contains("secret"));
}

#[tokio::test]
async fn guard_does_not_start_without_a_health_log_that_it_was_told_to_write() {
    let folder = TempFolder::new("beanstalk-no-log");
    let missing = folder.file("missing");
    let run = guard(["--listen", "127.0.0.1:0", "--eb-health-log", &missing]);
    assert!(!run.status.success());
    let error = text(&run.stderr);
    assert!(
        error.contains(&missing) && error.contains("create the folder"),
        "{error}"
    );
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
}
