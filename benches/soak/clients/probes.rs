//! Probes, each from a new address, all of which must be denied.

use std::net::SocketAddr;

use gabion_benches::{Rng, reference};
use gabion_testkit::shared;

use crate::{
    http_client::HttpClient,
    traffic::{Client, new_address},
};

pub(super) struct Probes {
    http: HttpClient,
    rng: Rng,
    paths: Vec<String>,
}

impl Probes {
    pub(super) fn new(addr: SocketAddr, index: usize) -> Self {
        Self {
            http: HttpClient::new(addr),
            rng: Rng::new(index as u64 + 100),
            paths: paths(),
        }
    }
}

impl Client for Probes {
    async fn run(&mut self) -> Result<(), String> {
        let path = &self.paths[self.rng.below(self.paths.len())];
        let refused = self.http.expect(403, path, new_address()).await;
        refused.map(drop)
    }
}

/// Returns the denied paths of the reference policy, and PHP scripts from a list of probes if it is
/// available.
fn paths() -> Vec<String> {
    let of_policy = reference::paths().flat_map(|(exact, below)| [exact, below + "/a"]);
    let mut paths: Vec<_> = of_policy.collect();
    if let Some(list) = shared("data/probe-paths/randomrobbie_php.txt") {
        let list = std::fs::read_to_string(list).expect("a file");
        let plain = |path: &&str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
            let is_script = path.starts_with('/') && path.as_bytes().ends_with(b".php");
            is_script && path.bytes().all(is_plain)
        };
        paths.extend(list.lines().filter(plain).map(ToOwned::to_owned));
    }
    paths
}
