//! What a new policy costs, and whom it keeps waiting.
//!
//! `cargo bench -p gabion-benches --bench reload [-- RELOADS]`
//!
//! The reference policy is read, compiled and put in force again and again, beside nginx that tests a
//! configuration with equal rules (`nginx -t`; it spares itself the prefixes, which its `map` does not
//! know). Meanwhile requests go through the guard, and before that without reloads: the longest of
//! them are what the machine does to a thread, and may not be longer for the reloads.

#![allow(
    missing_docs,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a bench asks its machine, and may stop"
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
use gabion_benches::{Written, asked, is_test, reference};
use gabion_testkit::{peer, program};
use http::{Request, Response, StatusCode};
use tower::{Layer as _, Service as _, service_fn};

/// How often the policy is put in force.
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

/// How long requests took, the shortest first.
struct Waits(Vec<Duration>);

fn main() {
    let reloads = env::args().skip(1).find_map(|arg| arg.parse().ok());
    let reloads = match reloads {
        Some(reloads) => reloads,
        None if is_test() => 2,
        None => RELOADS,
    };
    let written = Written::new().unwrap();
    let guard = Guard::builder().with_policy_file(written.policy()).unwrap();
    let nginx = program("nginx").map(|nginx| nginx_beside(&written, nginx));

    // In turns, so that whatever else the machine does hits both alike.
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..reloads {
        ours.push(timed(|| reload(&guard)));
        if let Some(nginx) = &nginx {
            theirs.push(timed(|| test(nginx)));
        }
    }
    let ours = median(ours);
    println!("{:<24}{:>9} {:>7}", "", "ms", "ratio");
    println!(
        "{:<24}{:>9.1}{:>8.2}",
        "gabion, in force",
        millis(ours),
        1.0
    );
    if !theirs.is_empty() {
        let theirs = median(theirs);
        let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
        println!("{:<24}{:>9.1}{ratio:>8.2}", "nginx -t", millis(theirs));
    }

    let layer = guard.layer();
    let at_rest = Waits::during(&layer, || {
        thread::sleep(ours * u32::try_from(reloads).unwrap());
    });
    let meanwhile = Waits::during(&layer, || {
        for _ in 0..reloads {
            reload(&guard);
        }
    });
    println!(
        "\n{:<24}{:>12}{:>12}{:>12}{:>12}",
        "requests, in us", "how many", "median", "of 1,000", "longest"
    );
    at_rest.print("at rest");
    meanwhile.print("while policies change");
    let waited = meanwhile.one_of_a_thousand();
    assert!(
        waited < ours / 10,
        "requests wait for a policy: {waited:?} of {ours:?}"
    );
}

/// nginx with equal rules, as it is asked about them.
fn nginx_beside(written: &Written, nginx: PathBuf) -> (PathBuf, PathBuf) {
    let folder = written.folder();
    // It warns of what is there twice.
    let map = |name: &str, keys: &mut dyn Iterator<Item = String>| {
        let lines: BTreeSet<_> = keys.map(|key| key + " 1;\n").collect();
        fs::write(folder.join(name), String::from_iter(lines)).unwrap();
    };
    let (list, paths) = (reference::list(), reference::paths());
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
    assert!(status.success(), "nginx has nothing against it");
}

fn timed(what: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    what();
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

// === impl Waits ===

impl Waits {
    /// How long each request took that went through while something was done.
    fn during(layer: &GuardLayer, what: impl FnOnce()) -> Self {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let asked = scope.spawn(|| {
                let mut waits = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    waits.push(ask(layer));
                }
                waits
            });
            what();
            done.store(true, Ordering::Relaxed);
            let mut waits = asked.join().unwrap();
            waits.sort();
            Self(waits)
        })
    }

    /// Longer than all but one of a thousand.
    fn one_of_a_thousand(&self) -> Duration {
        self.0[self.0.len() - 1 - self.0.len() / 1_000]
    }

    fn print(&self, name: &str) {
        let micros = |wait: Duration| wait.as_secs_f64() * 1e6;
        let (count, median) = (self.0.len(), micros(self.0[self.0.len() / 2]));
        let (rare, longest) = (micros(self.one_of_a_thousand()), micros(self.0[count - 1]));
        println!("{name:<24}{count:>12}{median:>12.1}{rare:>12.1}{longest:>12.1}");
    }
}

fn ask(layer: &GuardLayer) -> Duration {
    let page = asked::page("/articles/2026/11?page=2");
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
