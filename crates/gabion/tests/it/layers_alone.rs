//! Each inspector is a layer by itself. Layers stacked by hand judge separately.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt as _;
use gabion::{
    GuardLayer,
    ban::{BanArbiter, BanConfig, BanTable, List},
    client::ClientRules,
    deny::{Action, Deny, DenyRule},
    inspect::{AllowConfig, Ban, Clock, Config as _, Context, ProtocolRules, State, SystemClock},
};
use gabion_testkit::{ManualClock, Recorder, TestRequest};
use http::{Request, Response};
use http_body_util::Full;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::support::in_process::{InProcess, get};

const HOUR: Duration = Duration::from_hours(1);

fn clients() -> ClientRules {
    ClientRules::default()
}

fn deny(then: Action) -> Deny {
    let rule = DenyRule::new("dotfiles").names([".env"]).then(then);
    [rule]
        .compile(&Context::new(&State::scratch()).with_ban_for(HOUR))
        .unwrap()
}

fn ban(table: &Arc<BanTable>) -> Ban {
    let list = List::parse("drop.netset", "198.51.100.0/24").unwrap();
    let mut config = BanConfig::default();
    config.files = ["drop.netset"].into_iter().collect();
    let arbiter = Arc::new(BanArbiter::new(table.clone(), 16));
    let state = State::scratch().with_arbiter(arbiter);
    config
        .compile(&Context::new(&state).with_lists(vec![list]))
        .unwrap()
}

/// The service behind each stack.
fn service()
-> impl Service<Request<()>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send> + Clone
{
    service_fn(|request: Request<()>| async move { Ok(InProcess::inner(&request)) })
}

/// The statuses of a sequence of requests.
fn statuses<S, B, const N: usize>(guarded: &S, requests: [TestRequest; N]) -> [u16; N]
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible> + Clone,
{
    requests.map(|TestRequest(request)| {
        let Ok(response) = guarded.clone().oneshot(request).now_or_never().unwrap();
        response.status().as_u16()
    })
}

#[test]
fn deny_alone() {
    let events = Arc::new(Recorder::default());
    let layer = GuardLayer::new(deny(Action::Ban(None)), clients()).with_sink(events.clone());
    let guarded = ServiceBuilder::new().layer(layer).service(service());
    let requests = [get("/.env"), get("/%2eenv"), get("/env"), get("/%00")];
    assert_eq!(
        statuses(&guarded, requests),
        [403, 403, 200, 200],
        "without a table it only refuses"
    );
    assert_eq!(events.take().len(), 2);
}

#[test]
fn ban_alone_with_its_table() {
    let table = Arc::new(BanTable::new(8));
    let layer = GuardLayer::new(ban(&table), clients());
    let guarded = ServiceBuilder::new().layer(layer).service(service());
    let requests = [get("/").from("198.51.100.7"), get("/.env")];
    assert_eq!(statuses(&guarded, requests), [403, 200]);
}

#[test]
fn protocol_rules_alone() {
    let layer = GuardLayer::new(ProtocolRules::default(), clients());
    let guarded = ServiceBuilder::new().layer(layer).service(service());
    let requests = [get("/%00"), get("/").without_host(), get("/.env")];
    assert_eq!(statuses(&guarded, requests), [400, 400, 200]);
}

#[test]
fn two_layers_share_a_table_of_bans() {
    let (table, clock) = (Arc::new(BanTable::new(8)), Arc::new(ManualClock::default()));
    let outer = GuardLayer::new(ban(&table), clients()).with_clock(clock.clone());
    let inner = GuardLayer::new(deny(Action::Ban(None)), clients())
        .with_bans(table)
        .with_clock(clock.clone());
    let guarded = ServiceBuilder::new()
        .layer(outer)
        .layer(inner)
        .service(service());
    let requests = [get("/"), get("/.env"), get("/"), get("/").from("192.0.2.1")];
    assert_eq!(statuses(&guarded, requests), [200, 403, 403, 200]);
    clock.advance(HOUR);
    assert_eq!(statuses(&guarded, [get("/")]), [200]);
}

#[test]
fn allow_of_one_layer_does_not_skip_the_next() {
    let networks = vec!["198.51.100.7".parse().unwrap()];
    let mut config = AllowConfig::default();
    config.networks = networks;
    let allow = GuardLayer::new(
        config.compile(&Context::new(&State::scratch())).unwrap(),
        clients(),
    );
    let ban = GuardLayer::new(ban(&Arc::new(BanTable::new(8))), clients());
    let guarded = ServiceBuilder::new()
        .layer(allow)
        .layer(ban)
        .service(service());
    assert_eq!(statuses(&guarded, [get("/").from("198.51.100.7")]), [403]);
}

#[test]
fn layers_share_the_default_clock() {
    let first = SystemClock::new();
    while first.now().mono() < Duration::from_millis(2) {}
    let before = first.now().mono();
    let later = SystemClock::new().now().mono();
    assert!(
        later >= before,
        "a ban placed by one layer would be over for another: {later:?}"
    );
}
