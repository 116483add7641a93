//! Probes, each from an address that nobody has met: all are refused.

use std::net::SocketAddr;

use gabion_benches::{Numbers, reference};
use gabion_testkit::shared;

use crate::{
    asker::Asker,
    stage::{Actor, stranger},
};

pub(super) struct Probes {
    asker: Asker,
    numbers: Numbers,
    paths: Vec<String>,
}

impl Probes {
    pub(super) fn new(addr: SocketAddr, lane: usize) -> Self {
        Self {
            asker: Asker::new(addr),
            numbers: Numbers::of(lane as u64 + 100),
            paths: paths(),
        }
    }
}

impl Actor for Probes {
    async fn act(&mut self) -> Result<(), String> {
        let path = &self.paths[self.numbers.below(self.paths.len())];
        let refused = self.asker.expect(403, path, stranger()).await;
        refused.map(drop)
    }
}

/// Those of the reference policy, and scripts that scanners ask for, where there is a list of them.
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
