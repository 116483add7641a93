//! Cookies are read from all `Cookie` fields. HTTP/2 may send several; the upstream receives one.

use std::{iter, sync::Arc};

use gabion::{Denial, Facts, Inspect, RequestState, Verdict};
use gabion_proxy::Protocols;
use gabion_testkit::{Backend, Http2Client, Recorder};
use http::Method;

use crate::support::guarded_proxy::{GuardedProxy, builder, rule_of};

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

/// A custom rule that reads cookies and no header fields.
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

async fn guarded() -> (GuardedProxy, Backend, Arc<Recorder>, Http2Client) {
    let (backend, events) = (Backend::start().await, Arc::new(Recorder::default()));
    let guard = builder(events.clone()).add_rule(NoImpersonation);
    let guard = guard.with_policy(POLICY, "policy").unwrap();
    let protocols = Protocols::Http1AndPriorKnowledge;
    let proxy = GuardedProxy::with_protocols(protocols, &backend.url(), guard);
    let client = Http2Client::connect(proxy.addr()).await;
    (proxy, backend, events, client)
}

async fn request(client: &mut Http2Client, cookies: &[&str]) -> u16 {
    let cookies = cookies.iter().map(|cookie| ("cookie", *cookie));
    let headers: Vec<_> = iter::once(("x-forwarded-for", "203.0.113.9"))
        .chain(cookies)
        .collect();
    let response = client.send(Method::GET, "/", &headers).await;
    response.status().as_u16()
}

#[tokio::test]
async fn rule_on_the_second_cookie_field_fires() {
    let (_front, backend, events, mut client) = guarded().await;
    assert_eq!(
        request(&mut client, &["theme=dark", "as_user=root"]).await,
        403
    );
    assert_eq!(rule_of(&events.take()[0]), Some("no-impersonation"));
    assert!(backend.take().is_empty());
    assert_eq!(
        request(&mut client, &["theme=dark", "lang=ko; a=b"]).await,
        200
    );
    let seen = backend.take();
    let cookies: Vec<_> = seen[0].headers.get_all("cookie").iter().collect();
    assert_eq!(cookies, ["theme=dark; lang=ko; a=b"]);
}

#[tokio::test]
async fn limit_by_cookie_reads_every_field() {
    let (_front, backend, _events, mut client) = guarded().await;
    assert_eq!(request(&mut client, &["sid=1"]).await, 200);
    assert_eq!(request(&mut client, &["theme=dark", "sid=1"]).await, 200);
    assert_eq!(
        request(&mut client, &["a=b; theme=dark", "c=d", "sid=1"]).await,
        429
    );
    assert_eq!(request(&mut client, &["theme=dark", "sid=2"]).await, 200);
    assert_eq!(backend.take().len(), 3);
}
