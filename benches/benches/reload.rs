//! The time to load a new policy, and the latency of requests meanwhile.
//!
//! `cargo bench -p gabion-benches --bench reload [-- RELOADS]`
//!
//! The reference policy is read, compiled and put in force repeatedly, beside nginx, which tests a
//! configuration with equal rules (`nginx -t`; it gets the prefixes as exact paths, since its `map` does
//! not match prefixes). Then the latency of requests through the guard is measured, without and with
//! reloads. The longest latencies come from the scheduler of the machine; reloads must not increase them.
//! At the end, the list grows to 1,000,000 networks.

#![allow(
    missing_docs,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a bench reads the system's state and may panic"
)]

use std::{
    collections::BTreeSet,
    convert::Infallible,
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use axum::body::Body;
use futures_util::FutureExt as _;
use gabion::{Guard, GuardLayer};
use gabion_benches::{PolicyFiles, is_test, reference, requests};
use gabion_testkit::{peer, program};
use http::{Request, Response, StatusCode};
use tower::{Layer as _, Service as _, service_fn};

/// The networks of the large list.
const MANY_NETWORKS: usize = 1_000_000;

/// The number of reloads.
const RELOADS: usize = 50;

const NGINX: &str = "
pid FOLDER/nginx.pid; error_log stderr crit;
events {}
http {
  access_log off;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/temp; fastcgi_temp_path FOLDER/temp;
  uwsgi_temp_path FOLDER/temp; scgi_temp_path FOLDER/temp;
  map_hash_max_size 262144; map_hash_bucket_size 128;
  geo $banned { default 0; include FOLDER/networks.geo; }
  map $uri $denied { default 0; include FOLDER/paths.map; '~\\.php($|/)' 1; }
  limit_req_zone $binary_remote_addr zone=client:16m rate=1000000r/s;
  limit_req_zone $server_name zone=all:1m rate=1000000r/s;
  server {
    listen 127.0.0.1:1;
    if ($banned) { return 403; }
    if ($denied) { return 403; }
    limit_req zone=client burst=1000000 nodelay;
    limit_req zone=all burst=1000000 nodelay;
  }
}
";

/// Latencies of requests, in ascending order.
struct Latencies(Vec<Duration>);

fn main() {
    let reloads = env::args().skip(1).find_map(|arg| arg.parse().ok());
    let reloads = match reloads {
        Some(reloads) => reloads,
        None if is_test() => 2,
        None => RELOADS,
    };
    let files = PolicyFiles::new().unwrap();
    let guard = Guard::builder().with_policy_file(files.policy()).unwrap();
    let nginx = program("nginx").map(|nginx| nginx_with_equal_rules(&files, nginx));

    // In turns, so that other load on the machine affects both equally.
    let (mut gabion_times, mut nginx_times) = (Vec::new(), Vec::new());
    for _ in 0..reloads {
        gabion_times.push(timed(|| reload(&guard)));
        if let Some(nginx) = &nginx {
            nginx_times.push(timed(|| test(nginx)));
        }
    }
    let gabion_times = median(gabion_times);
    println!("{:<24}{:>9} {:>7}", "", "ms", "ratio");
    println!(
        "{:<24}{:>9.1}{:>8.2}",
        "gabion, in force",
        millis(gabion_times),
        1.0
    );
    if !nginx_times.is_empty() {
        let nginx_times = median(nginx_times);
        let ratio = nginx_times.as_secs_f64() / gabion_times.as_secs_f64();
        println!("{:<24}{:>9.1}{ratio:>8.2}", "nginx -t", millis(nginx_times));
    }

    let layer = guard.layer();
    let at_rest = Latencies::during(&layer, || {
        thread::sleep(gabion_times * u32::try_from(reloads).unwrap());
    });
    let meanwhile = Latencies::during(&layer, || {
        for _ in 0..reloads {
            reload(&guard);
        }
    });
    println!(
        "\n{:<24}{:>12}{:>12}{:>12}{:>12}",
        "requests, in us", "count", "median", "99.9 %", "longest"
    );
    at_rest.print("at rest");
    meanwhile.print("while policies change");
    let latency = meanwhile.p999();
    assert!(
        latency < gabion_times / 10,
        "a request in 1,000 takes {latency:?} while a policy loads in {gabion_times:?}"
    );

    many_networks(&files, reloads.div_ceil(5));
}

/// Measures reloads with a list of [`MANY_NETWORKS`].
fn many_networks(files: &PolicyFiles, reloads: usize) {
    let list = reference::list(MANY_NETWORKS);
    fs::write(files.folder().join("networks.netset"), list).unwrap();
    // The list covers more of IPv4 than the default permits.
    let policy = reference::policy("networks.netset");
    let policy = policy.replace("[ban]\n", "[ban]\nmax_share = '100%'\n");
    fs::write(files.policy(), policy).unwrap();
    let guard = Guard::builder().with_policy_file(files.policy()).unwrap();
    let times = (0..reloads).map(|_| timed(|| reload(&guard)));
    let time = millis(median(times.collect()));
    println!("\ngabion, {MANY_NETWORKS} networks: {time:.1} ms");
}

/// Writes an nginx configuration with equal rules. Returns the paths of nginx and of the configuration.
fn nginx_with_equal_rules(files: &PolicyFiles, nginx: PathBuf) -> (PathBuf, PathBuf) {
    let folder = files.folder();
    // A set, because nginx warns about duplicate keys.
    let map = |name: &str, keys: &mut dyn Iterator<Item = String>| {
        let lines: BTreeSet<_> = keys.map(|key| key + " 1;\n").collect();
        fs::write(folder.join(name), String::from_iter(lines)).unwrap();
    };
    let (list, paths) = (reference::list(reference::NETWORKS), reference::paths());
    map("networks.geo", &mut list.lines().map(str::to_owned));
    map(
        "paths.map",
        &mut paths.flat_map(|(exact, below)| [exact, below]),
    );
    let text = NGINX.replace("FOLDER", &folder.display().to_string());
    let conf = folder.join("nginx.conf");
    fs::write(&conf, text).unwrap();
    (nginx, conf)
}

fn reload(guard: &Guard) {
    guard.policy_handle().reload().unwrap();
}

fn test((nginx, conf): &(PathBuf, PathBuf)) {
    let mut command = Command::new(nginx);
    let tested = command.arg("-t").arg("-q").arg("-c").arg(conf);
    let status = tested.stdin(Stdio::null()).status().unwrap();
    assert!(status.success(), "nginx rejects the configuration");
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

// === impl Latencies ===

impl Latencies {
    /// Sends requests while `work` runs, and measures each.
    fn during(layer: &GuardLayer, work: impl FnOnce()) -> Self {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let mut latencies = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    latencies.push(send(layer));
                }
                latencies
            });
            work();
            done.store(true, Ordering::Relaxed);
            let mut latencies = sender.join().unwrap();
            latencies.sort();
            Self(latencies)
        })
    }

    /// The 99.9th percentile.
    fn p999(&self) -> Duration {
        self.0[self.0.len() - 1 - self.0.len() / 1_000]
    }

    fn print(&self, name: &str) {
        let micros = |wait: Duration| wait.as_secs_f64() * 1e6;
        let (count, median) = (self.0.len(), micros(self.0[self.0.len() / 2]));
        let (rare, longest) = (micros(self.p999()), micros(self.0[count - 1]));
        println!("{name:<24}{count:>12}{median:>12.1}{rare:>12.1}{longest:>12.1}");
    }
}

fn send(layer: &GuardLayer) -> Duration {
    let page = requests::page("/articles/2026/11?page=2");
    let page = page.extension(peer(reference::CLIENT)).body(Body::empty());
    let mut service = layer.layer(service_fn(answer));
    let page = page.unwrap();
    timed(|| {
        let response = service.call(page).now_or_never().unwrap();
        assert!(response.is_ok_and(|response| response.status() == StatusCode::OK));
    })
}

async fn answer(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::empty()))
}
