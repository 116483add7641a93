//! Events about the state of upstreams: one for each change.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use gabion_core::{Event, UpstreamState};
use gabion_proxy::{Balance, Ejection, HealthCheck, UpstreamOptions};
use gabion_testkit::{ProxyServer, Recorder, eventually};
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};

use super::{closed_port, get, named_server, serve_http1};
use crate::support::{Setup, group};

/// Serves on a given address until the task is aborted.
async fn server_on(addr: std::net::SocketAddr) -> JoinHandle<()> {
    let listener = TcpListener::bind(addr).await.unwrap();
    tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(serve_http1(stream, "returning".to_owned()));
        }
    })
}

fn options(recorder: &Arc<Recorder>) -> UpstreamOptions {
    let ejection =
        Ejection::default().with_times(Duration::from_millis(50), Duration::from_millis(100));
    UpstreamOptions::default()
        .with_balance(Balance::RoundRobin)
        .with_slow_start(Duration::ZERO)
        .with_ejection(ejection)
        .with_sink(Arc::clone(recorder) as _)
}

/// The states of the events, each with its reason.
fn states(events: &[Event]) -> Vec<(UpstreamState, UpstreamState, String)> {
    let states = events.iter().map(|event| match event {
        Event::Upstream(event) => (event.old, event.new, event.reason.to_string()),
        other => panic!("{other}"),
    });
    states.collect()
}

/// Sends requests until the server that returns has answered several of them.
async fn until_it_serves(front: &ProxyServer) {
    let mut served = 0;
    while served < 5 {
        served += usize::from(get(front).await.ends_with("returning"));
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn server_that_stops_and_returns_is_one_event_down_and_one_up() {
    let recorder = Arc::<Recorder>::default();
    let (stays, addr) = (named_server("stays").await, closed_port().await);
    let returning = server_on(addr).await;
    let urls = [stays.url(), format!("http://{addr}")];
    let group = group(&[&urls[0], &urls[1]], &options(&recorder));
    let front = Setup::default().before_group(group);
    until_it_serves(&front).await;
    assert_eq!(states(&recorder.take()), [], "nothing changed");

    returning.abort();
    let _ = returning.await;
    // Several ejections, and a failure after each.
    for _ in 0..100 {
        assert!(get(&front).await.ends_with("stays"));
        sleep(Duration::from_millis(5)).await;
    }
    let returned = server_on(addr).await;
    until_it_serves(&front).await;
    let events = recorder.take();
    let [(up, ejected, reason), (from, to, other)] = &states(&events)[..] else {
        panic!("not one event down and one up: {events:#?}");
    };
    assert_eq!((*up, *ejected), (UpstreamState::Up, UpstreamState::Ejected));
    assert_eq!((*from, *to), (UpstreamState::Ejected, UpstreamState::Up));
    assert!(
        reason.starts_with("no requests for 50ms after 3 failures in a row, the last one: ")
            && reason.contains("Connection refused"),
        "{reason}"
    );
    assert_eq!(other, "a request succeeded");
    assert!(events[0].to_string().contains(&urls[1]), "{}", events[0]);
    assert!(events[0].at().is_some() && events[0].client().is_none());
    returned.abort();
}

#[tokio::test]
async fn ejected_server_that_fails_health_checks_is_up_once_they_succeed() {
    use UpstreamState::{Ejected, Unhealthy, Up};

    let recorder = Arc::<Recorder>::default();
    let (stays, addr) = (named_server("stays").await, closed_port().await);
    let check = HealthCheck::new("/")
        .unwrap()
        .with_interval(Duration::from_millis(60))
        .with_thresholds(3, 2);
    let options = options(&recorder).with_health_check(check);
    let group = group(&[&stays.url(), &format!("http://{addr}")], &options);
    let front = Setup::default().before_group(group.clone());
    for _ in 0..12 {
        assert!(get(&front).await.ends_with("stays"));
    }
    let checks = tokio::spawn(group.run_health_checks());
    let mut events = Vec::new();
    let found = eventually(|| {
        events.extend(recorder.take());
        (events.len() == 2).then_some(())
    });
    found.await.expect("it is not unhealthy");
    let returned = server_on(addr).await;
    until_it_serves(&front).await;
    events.extend(recorder.take());
    let states: Vec<_> = states(&events)
        .into_iter()
        .map(|(old, new, _)| (old, new))
        .collect();
    assert_eq!(
        states,
        [(Up, Ejected), (Ejected, Unhealthy), (Unhealthy, Up)]
    );
    checks.abort();
    returned.abort();
}

#[tokio::test]
async fn name_that_stops_to_resolve_is_one_event_and_one_when_it_resolves_again() {
    let recorder = Arc::<Recorder>::default();
    let server = named_server("named").await;
    let is_broken = Arc::<AtomicBool>::default();
    let (broken, addr) = (Arc::clone(&is_broken), server.addr());
    let options = options(&recorder)
        .with_resolve_interval(Duration::from_millis(20))
        .with_resolver(move |_, _| {
            if broken.load(SeqCst) {
                return Err(io::Error::other("SERVFAIL"));
            }
            Ok(vec![addr])
        });
    let url = format!("http://app.example:{}", server.addr().port());
    let front = Setup::default().before_group(group(&[&url], &options));
    get(&front).await;
    is_broken.store(true, SeqCst);
    let mut events = Vec::new();
    while events.is_empty() {
        // An idle connection leads to the former address.
        get(&front).await;
        sleep(Duration::from_millis(5)).await;
        events.extend(recorder.take());
    }
    for _ in 0..20 {
        get(&front).await;
        sleep(Duration::from_millis(5)).await;
    }
    is_broken.store(false, SeqCst);
    while events.len() < 2 {
        get(&front).await;
        sleep(Duration::from_millis(5)).await;
        events.extend(recorder.take());
    }
    let expected = [
        (
            UpstreamState::Up,
            UpstreamState::Unresolved,
            "its name does not resolve: SERVFAIL",
        ),
        (
            UpstreamState::Unresolved,
            UpstreamState::Up,
            "its name resolves again",
        ),
    ];
    assert_eq!(
        states(&events),
        expected.map(|(old, new, reason)| (old, new, reason.to_owned()))
    );
}
