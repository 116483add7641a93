//! A cookie is read wherever it stands: HTTP/2 may send each in a field of its own, and the server
//! behind gets them all in one.

use std::sync::Arc;

use bytes::Bytes;
use gabion::{Denial, Facts, Inspect, RequestState, Verdict};
use gabion_proxy::Protocols;
use gabion_testkit::{Backend, Recorder};
use http::Request;
use http_body_util::Empty;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::sockets::{Front, builder, rule_of};

const POLICY: &str = r#"
    version = 1
    [client]
    trusted_proxies = ["127.0.0.0/8"]
    [[limit]]
    id = "session"
    key = "cookie:sid"
    rate = "2/m"
    mode = "enforce"
"#;

/// A rule of one's own, which knows nothing of fields.
struct NoImpersonation;

impl Inspect for NoImpersonation {
    fn name(&self) -> &'static str {
        "no-impersonation"
    }

    fn inspect(&self, facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        match facts.cookies().find(|(name, _)| *name == b"as_user") {
            Some((_, user)) => Denial::forbidden("no-impersonation", "as_user is for support")
                .with_evidence(user)
                .into(),
            None => Verdict::Pass,
        }
    }
}

async fn guarded() -> (Front, Backend, Arc<Recorder>, SendRequest<Empty<Bytes>>) {
    let (behind, events) = (Backend::start().await, Arc::new(Recorder::default()));
    let guard = builder(events.clone()).add_rule(NoImpersonation);
    let guard = guard.with_policy(POLICY, "policy").unwrap();
    let front = Front::speaking(Protocols::Http1AndPriorKnowledge, &behind.url(), guard);
    let stream = TcpStream::connect(front.addr()).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    (front, behind, events, sender)
}

async fn ask(to: &mut SendRequest<Empty<Bytes>>, cookies: &[&str]) -> u16 {
    let mut request = Request::get("http://localhost/").header("x-forwarded-for", "203.0.113.9");
    for cookie in cookies {
        request = request.header("cookie", *cookie);
    }
    let request = request.body(Empty::new()).unwrap();
    to.send_request(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn rule_on_the_second_cookie_field_fires() {
    let (_front, behind, events, mut client) = guarded().await;
    assert_eq!(ask(&mut client, &["theme=dark", "as_user=root"]).await, 403);
    assert_eq!(rule_of(&events.take()[0]), Some("no-impersonation"));
    assert!(behind.take().is_empty());
    assert_eq!(ask(&mut client, &["theme=dark", "lang=ko; a=b"]).await, 200);
    let seen = behind.take();
    let cookies: Vec<_> = seen[0].headers.get_all("cookie").iter().collect();
    assert_eq!(cookies, ["theme=dark; lang=ko; a=b"]);
}

#[tokio::test]
async fn limit_by_cookie_counts_wherever_it_stands() {
    let (_front, behind, _events, mut client) = guarded().await;
    assert_eq!(ask(&mut client, &["sid=1"]).await, 200);
    assert_eq!(ask(&mut client, &["theme=dark", "sid=1"]).await, 200);
    assert_eq!(
        ask(&mut client, &["a=b; theme=dark", "c=d", "sid=1"]).await,
        429
    );
    assert_eq!(ask(&mut client, &["theme=dark", "sid=2"]).await, 200);
    assert_eq!(behind.take().len(), 3);
}
