//! Services and groups that are replaced while connections use them.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use gabion_proxy::{
    Balance, HealthCheck, Protocols, Proxy, ProxyOptions, ServeOptions, Upstream, UpstreamGroup,
    UpstreamOptions, Workers, workers,
};
use gabion_testkit::{LoopbackServer, Recorder, eventually, http2_sender};
use http::Request;
use http_body_util::{BodyExt as _, Empty};

use super::{closed_port, named_server, serve_http1};
use crate::support::group;

/// One worker whose group is replaced.
struct Replaceable {
    workers: Option<Workers>,
    group: Arc<Mutex<UpstreamGroup>>,
}

impl Replaceable {
    fn start(first: UpstreamGroup) -> Self {
        let group = Arc::new(Mutex::new(first));
        let (current, options) = (Arc::clone(&group), ProxyOptions::default());
        let protocols = Protocols::Http1AndPriorKnowledge;
        let serve = ServeOptions::default().with_protocols(protocols);
        let workers = workers(
            NonZeroUsize::MIN,
            "127.0.0.1:0".parse().unwrap(),
            &serve,
            move |tunnels| {
                let group = current.lock().unwrap_or_else(|_| panic!("broken")).clone();
                let proxy = Proxy::new(group.clone(), &options, tunnels.clone());
                options.close_unused(tunnels, &[group]);
                proxy
            },
        );
        Self {
            workers: Some(workers.unwrap()),
            group,
        }
    }

    fn workers(&self) -> &Workers {
        self.workers.as_ref().unwrap()
    }

    fn addr(&self) -> SocketAddr {
        self.workers().local_addr()
    }

    async fn replace(&self, group: UpstreamGroup) {
        let continuing = group.continuing(&self.group.lock().unwrap());
        *self.group.lock().unwrap() = continuing;
        let renewal = self.workers().renewal();
        let renewed = tokio::task::spawn_blocking(move || renewal.renew());
        renewed.await.unwrap().unwrap();
    }

    /// Sends a request on a new connection; returns the body.
    async fn get(&self) -> String {
        let addr = self.addr();
        let get = move || get_on(&mut BufReader::new(TcpStream::connect(addr)?));
        tokio::task::spawn_blocking(get).await.unwrap().unwrap()
    }
}

impl Drop for Replaceable {
    fn drop(&mut self) {
        if let Some(workers) = self.workers.take() {
            workers.shutdown(Duration::ZERO);
        }
    }
}

fn get_on(connection: &mut BufReader<TcpStream>) -> io::Result<String> {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    connection.get_mut().write_all(request)?;
    let (mut length, mut line) = (0, String::new());
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim_end().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    Ok(String::from_utf8(body).unwrap())
}

/// A server with the number of its connections, and of those that are open.
async fn counting(name: &'static str) -> (LoopbackServer, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (opened, open) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let counts = (Arc::clone(&opened), Arc::clone(&open));
    let server = LoopbackServer::start(move |stream| {
        let (opened, open) = counts.clone();
        opened.fetch_add(1, Relaxed);
        open.fetch_add(1, Relaxed);
        async move {
            serve_http1(stream, name.to_owned()).await;
            open.fetch_sub(1, Relaxed);
        }
    })
    .await;
    (server, opened, open)
}

#[tokio::test(flavor = "multi_thread")]
async fn open_connections_of_both_versions_get_the_new_service() {
    let (one, other) = (named_server("one").await, named_server("other").await);
    let options = UpstreamOptions::default();
    let front = Replaceable::start(group(&[&one.url()], &options));
    let socket = TcpStream::connect(front.addr()).unwrap();
    let mut http1 = BufReader::new(socket);
    let stream = tokio::net::TcpStream::connect(front.addr()).await.unwrap();
    let mut http2 = http2_sender::<Empty<bytes::Bytes>>(stream).await;
    let mut bodies = Vec::new();
    for replacement in [Some(group(&[&other.url()], &options)), None] {
        bodies.push(get_on(&mut http1).unwrap());
        let request = Request::get(format!("http://{}/", front.addr()));
        let response = http2
            .send_request(request.body(Empty::new()).unwrap())
            .await
            .unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        bodies.push(String::from_utf8(body.to_vec()).unwrap());
        if let Some(group) = replacement {
            front.replace(group).await;
        }
    }
    for (body, name) in bodies.iter().zip(["one", "one", "other", "other"]) {
        assert!(body.ends_with(name), "{bodies:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_stays_keeps_its_connection_and_one_that_leaves_loses_it() {
    let (stays, opened, _) = counting("stays").await;
    let (leaves, _, open) = counting("leaves").await;
    let options = UpstreamOptions::default().with_balance(Balance::RoundRobin);
    let front = Replaceable::start(group(&[&stays.url(), &leaves.url()], &options));
    // A client that stays idle keeps the former service.
    let mut idle = BufReader::new(TcpStream::connect(front.addr()).unwrap());
    for _ in 0..4 {
        get_on(&mut idle).unwrap();
    }
    assert_eq!((opened.load(Relaxed), open.load(Relaxed)), (1, 1));
    let sticky = options.with_balance(Balance::Sticky);
    let url: Upstream = stays.url().parse().unwrap();
    let heavier = url.with_weight(7.try_into().unwrap());
    front
        .replace(UpstreamGroup::new([heavier], &sticky).unwrap())
        .await;
    // Sooner than the 4 s after which idle connections close.
    let closed = tokio::time::timeout(
        Duration::from_secs(2),
        eventually(|| (open.load(Relaxed) == 0).then_some(())),
    );
    assert!(closed.await.is_ok(), "its connection is open");
    assert!(front.get().await.ends_with("stays"));
    assert_eq!(opened.load(Relaxed), 1, "the idle connection is used");
}

#[tokio::test(flavor = "multi_thread")]
async fn ejection_and_health_stay_unless_the_health_check_is_another_one() {
    let recorder = Arc::<Recorder>::default();
    let well = named_server("well").await;
    let closed = format!("http://{}", closed_port().await);
    let check = |path| {
        let check = HealthCheck::new(path).unwrap();
        check
            .with_interval(Duration::from_millis(30))
            .with_thresholds(1, 1)
    };
    let options = UpstreamOptions::default()
        .with_balance(Balance::RoundRobin)
        .with_ejection(None)
        .with_health_check(check("/"))
        .with_sink(Arc::clone(&recorder) as _);
    let first = group(&[&well.url(), &closed], &options);
    let checks = tokio::spawn(first.run_health_checks());
    let mut texts = Vec::new();
    let mut event = async |text: &str| {
        let found = eventually(|| {
            texts.extend(recorder.take_texts());
            texts.iter().any(|event| event.contains(text)).then_some(())
        });
        found.await
    };
    assert!(event("is unhealthy").await.is_some());
    checks.abort();
    let _ = checks.await;
    let second = group(&[&closed, &well.url()], &options).continuing(&first);
    assert!(recorder.take().is_empty(), "its state stays");
    let other = options.with_health_check(check("/other"));
    let _third = group(&[&closed], &other).continuing(&second);
    assert!(
        event("is up, it was unhealthy: its health check is another one now")
            .await
            .is_some()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn factory_that_panics_keeps_the_service() {
    let one = named_server("one").await;
    let front = Replaceable::start(group(&[&one.url()], &UpstreamOptions::default()));
    // The worker has its first service once it answers.
    assert!(front.get().await.ends_with("one"));
    let locked = Arc::clone(&front.group);
    let poisoned = std::thread::spawn(move || {
        let _group = locked.lock().unwrap();
        panic!("poisons the lock");
    });
    assert!(poisoned.join().is_err());
    let renewal = front.workers().renewal();
    let error = tokio::task::spawn_blocking(move || renewal.renew().unwrap_err());
    assert_eq!(
        error.await.unwrap().to_string(),
        "1 of 1 workers did not take the new service within 5 s"
    );
    assert!(front.get().await.ends_with("one"));
}
