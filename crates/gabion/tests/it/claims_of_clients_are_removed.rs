//! A header that servers trust a proxy for reaches the server only if a trusted proxy writes it, in the
//! one spelling that the policy lists.

use std::{collections::HashSet, sync::Arc};

use gabion::{
    client::Claim,
    event::{Event, RequestEventKind},
};
use gabion_proxy::Protocols;
use gabion_testkit::{Backend, Http2Client, Recorder};
use http::{HeaderMap, Method};

use crate::support::guarded_proxy::{GuardedProxy, builder};

/// The claims that the issue of this promise found at the server, and more of their kind.
const CLAIMS: [&str; 26] = [
    "CF-Connecting-IP",
    "CF-Connecting-IPv6",
    "Client-Cert",
    "Client-IP",
    "CloudFront-Viewer-Address",
    "Fastly-Client-IP",
    "Forwarded",
    "Proxy",
    "Proxy-Client-IP",
    "Remote-Groups",
    "Remote-User",
    "SSL-Client-S-DN",
    "True-Client-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Forwarded-Prefix",
    "X-Forwarded-Uri",
    "X-Forwarded-User",
    "X-Original-Host",
    "X-Original-URL",
    "X-Real-IP",
    "X-Remote-User",
    "X-Rewrite-URL",
    "X-Script-Name",
    "X-SSL-Client-Cert",
    "X-SSL-Client-Verify",
];

/// Headers that are no claims, although they look like one.
const OTHERS: [&str; 5] = [
    "Referer",
    "X-Client-Id",
    "X-HTTP-Method-Override",
    "X-Request-Id",
    "X-Requested-With",
];

/// The rules that would refuse a request with a claim before it is forwarded.
const FORWARDING_ALL: &str = "[protocol]\noff = ['header/override', 'header/underscore']\n";

const TRUSTING: &str = "version = 1\n[client]\ntrusted_proxies = ['127.0.0.0/8']\n";

struct Setup {
    proxy: GuardedProxy,
    backend: Backend,
    events: Arc<Recorder>,
}

// === impl Setup ===

impl Setup {
    async fn start(policy: &str) -> Self {
        let backend = Backend::start().await;
        let events = Arc::new(Recorder::default());
        let guard = builder(events.clone()).with_policy(policy, "policy");
        let protocols = Protocols::Http1AndPriorKnowledge;
        Self {
            proxy: GuardedProxy::with_proxy_events(protocols, &backend.url(), guard.unwrap()),
            backend,
            events,
        }
    }

    /// The status, and the headers that the server receives.
    async fn get(&self, lines: &str) -> (u16, Option<HeaderMap>) {
        let mut client = self.proxy.connect().await;
        let response = client.get("/", lines).await.unwrap();
        let received = self.backend.take().pop();
        (
            response.status.as_u16(),
            received.map(|request| request.headers),
        )
    }

    async fn forwarded(&self, lines: &str) -> HeaderMap {
        let (status, headers) = self.get(lines).await;
        assert_eq!(status, 200, "{lines}");
        headers.unwrap()
    }

    fn removals(&self) -> Vec<String> {
        let events = self.events.take().into_iter();
        let removals = events.filter(|event| matches!(event, Event::ClaimRemoved(_)));
        removals.map(|event| event.to_string()).collect()
    }
}

/// Every spelling that CGI servers read as `name`.
fn spellings(name: &str) -> impl Iterator<Item = String> {
    let separators = ["-", "_", ".", "+", "~", "--", "_-"].into_iter();
    separators.map(|separator| name.replace('-', separator))
}

fn all_claims() -> String {
    let lines = CLAIMS.iter().flat_map(|name| {
        let mut all: Vec<_> = spellings(name).collect();
        all.dedup();
        all.into_iter().map(|name| format!("{name}: forged\r\n"))
    });
    lines.collect()
}

fn others() -> String {
    let lines = OTHERS.map(|name| format!("{name}: kept\r\n"));
    lines.concat()
}

#[track_caller]
fn assert_none_forged(headers: &HeaderMap) {
    let forged = headers.iter().filter(|(_, value)| *value == "forged");
    let forged: Vec<_> = forged.map(|(name, _)| name.as_str()).collect();
    assert_eq!(forged, [""; 0]);
}

/// Allows as many headers as the accept loop does, in parts.
fn parts(lines: &str) -> Vec<String> {
    let lines: Vec<_> = lines.split_inclusive("\r\n").collect();
    lines.chunks(80).map(<[&str]>::concat).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_spelling_of_every_claim_is_removed_from_any_peer() {
    for client in [
        "",
        "header = 'cf-connecting-ip'\n",
        "trusted_proxies = ['10.0.0.0/8']\nheader = 'true-client-ip'\ntrusted_headers = ['x-real-ip']\n",
        "trusted_proxies = ['127.0.0.0/8']\n",
        "trusted_proxies = ['127.0.0.0/8']\ntrusted_headers = []\n",
    ] {
        let setup = Setup::start(&format!("version = 1\n[client]\n{client}{FORWARDING_ALL}")).await;
        for part in parts(&all_claims()) {
            assert_none_forged(&setup.forwarded(&part).await);
            let nominated = format!("{part}Connection: close, Remote-User, X-Real-IP, Proxy\r\n");
            assert_none_forged(&setup.forwarded(&nominated).await);
        }
        let headers = setup.forwarded(&others()).await;
        for name in OTHERS {
            assert_eq!(headers[name], "kept", "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_of_http2_clients_are_removed() {
    let setup = Setup::start(&format!("version = 1\n{FORWARDING_ALL}")).await;
    let mut client = Http2Client::connect(setup.proxy.addr()).await;
    let names: Vec<_> = CLAIMS.iter().flat_map(|name| spellings(name)).collect();
    for names in names.chunks(80) {
        let names: Vec<_> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        let headers: Vec<_> = names.iter().map(|name| (&**name, "forged")).collect();
        assert_eq!(client.send(Method::GET, "/", &headers).await.status(), 200);
        assert_none_forged(&setup.backend.take().pop().unwrap().headers);
    }
}

/// The default policy refuses what it does not remove.
#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_arrives_by_default() {
    let setup = Setup::start("version = 1").await;
    for name in CLAIMS {
        for name in spellings(name) {
            let (status, headers) = setup.get(&format!("{name}: forged\r\n")).await;
            match headers {
                Some(headers) => assert_none_forged(&headers),
                None => assert_eq!(status, 400, "{name}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn listed_claims_of_a_trusted_proxy_arrive_in_that_spelling_only() {
    let listed: Vec<_> = Claim::ALL.iter().map(|claim| claim.name()).collect();
    let setup = Setup::start(&format!(
        "{TRUSTING}trusted_headers = {listed:?}\n{FORWARDING_ALL}"
    ))
    .await;
    for name in CLAIMS {
        let headers = setup
            .forwarded(&format!("{name}: written\r\nConnection: close, {name}\r\n"))
            .await;
        assert_eq!(headers[name], "written", "{name}");
        for disguised in spellings(name).skip(1).filter(|other| *other != name) {
            let headers = setup.forwarded(&format!("{disguised}: forged\r\n")).await;
            assert_none_forged(&headers);
        }
    }
    let with_dash = CLAIMS.iter().filter(|name| name.contains('-'));
    let disguised: HashSet<_> = with_dash
        .map(|name| Claim::of(&name.to_ascii_lowercase()).unwrap())
        .collect();
    assert_eq!(setup.removals().len(), disguised.len(), "one for each");
}

#[tokio::test(flavor = "multi_thread")]
async fn header_that_names_the_client_arrives_without_a_list() {
    let policy = format!("{TRUSTING}header = 'cf-connecting-ip'\ntrusted_headers = []\n");
    let setup = Setup::start(&policy).await;
    let lines = "CF-Connecting-IP: 203.0.113.9\r\nX-Forwarded-For: 6.6.6.6\r\n\
                 X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\n";
    let headers = setup.forwarded(lines).await;
    assert_eq!(headers["cf-connecting-ip"], "203.0.113.9");
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(headers["x-forwarded-host"], "localhost");
}

#[tokio::test(flavor = "multi_thread")]
async fn first_removal_is_an_event_with_the_setting_that_keeps_the_header() {
    let setup = Setup::start(&format!("{TRUSTING}{FORWARDING_ALL}")).await;
    setup.forwarded("X_Real_IP: 203.0.113.9\r\n").await;
    let disguised = setup.removals();
    assert_eq!(disguised.len(), 1, "{disguised:?}");
    assert!(!disguised[0].contains("set in"), "{disguised:?}");
    for _ in 0..3 {
        let lines = "X-Real-IP: 203.0.113.9\r\nX-Forwarded-Uri: /a\r\n";
        let headers = setup.forwarded(lines).await;
        assert!(!headers.contains_key("x-real-ip"));
    }
    let mut removals = setup.removals();
    removals.sort();
    let [family, exact] = &removals[..] else {
        panic!("{removals:?}");
    };
    assert!(family.contains("\"x-forwarded-uri\"") && family.contains("\"x-forwarded-*\""));
    let (text, setting) = exact.split_once("set in [client]: ").unwrap();
    assert!(text.starts_with("removed the header \"x-real-ip\" of a request by 127.0.0.1"));
    let setup = Setup::start(&format!("{TRUSTING}{setting}\n")).await;
    let headers = setup.forwarded("X-Real-IP: 203.0.113.9\r\n").await;
    assert_eq!(headers["x-real-ip"], "203.0.113.9");
    assert_eq!(setup.removals(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn url_override_is_refused_unless_the_proxy_writes_it() {
    let deny = "[[deny]]\nid = 'admin'\nprefix = '/admin'\n";
    for header in ["X-Original-URL", "X-Rewrite-URL"] {
        let lines = format!("{header}: /admin\r\n");
        for policy in ["version = 1\n", TRUSTING] {
            let setup = Setup::start(&format!("{policy}{deny}")).await;
            assert_eq!(setup.get(&lines).await, (400, None), "{header}");
            let denial = setup
                .events
                .take()
                .into_iter()
                .find_map(|event| match event {
                    Event::Request(event) => match event.kind {
                        RequestEventKind::Denied(denial) => Some(denial),
                        _ => None,
                    },
                    _ => None,
                });
            let denial = denial.unwrap();
            assert_eq!(denial.cause.rule.as_str(), "header/override");
            let text = denial.to_string();
            let (_, setting) = text.split_once("set in [client]: ").unwrap();
            let (setting, _) = setting.rsplit_once(": `/admin`").unwrap();
            let setting = setting.replace("], ", "]\n");
            let believing = match policy {
                TRUSTING => format!("{TRUSTING}{setting}\n"),
                _ => format!("version = 1\n[client]\n{setting}\n"),
            };
            let setup = Setup::start(&format!("{believing}{deny}")).await;
            let headers = setup.forwarded(&lines).await;
            assert_eq!(headers[header], "/admin");
        }
        let setup = Setup::start("version = 1\nmode = 'observe'").await;
        let headers = setup.forwarded(&lines).await;
        assert!(!headers.contains_key(header), "it bypasses no rule");
    }
}
