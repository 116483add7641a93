//! The reference policy, used by all benches: large, and the same in each run.

use std::{fmt::Write as _, net::Ipv4Addr};

use crate::Rng;

/// The number of banned networks.
pub const NETWORKS: usize = 100_000;

/// The number of deny rules: half of them match one path, half a path prefix.
pub const RULES: usize = 10_000;

/// The sections that keep state per client: two limits that are never reached, and `[scan]`.
pub const COUNTING: &str = r#"
[[limit]]
id = "per-client"
rate = "1000000/s"
mode = "enforce"

[[limit]]
id = "in-all"
key = "global"
rate = "1000000/s"
mode = "enforce"

[scan]
"#;

/// The client address of the load, which a trusted proxy forwards.
pub const CLIENT: &str = "203.0.113.9";

/// Generates networks as in published attacker lists: half are single addresses, 1 in 100 is a /16.
///
/// First octets with private or special networks, and that of [`CLIENT`], are left out.
pub fn networks(count: usize) -> Vec<(Ipv4Addr, u8)> {
    let mut rng = Rng::new(0x9e37_79b9_7f4a_7c15);
    let mut networks = Vec::with_capacity(count);
    while networks.len() < count {
        let [a, b, c, d, share, ..] = rng.next_u64().to_be_bytes();
        let length = match u16::from(share) * 100 / 256 {
            0..50 => 32,
            50..85 => 24,
            85..95 => 22,
            95..99 => 20,
            _ => 16,
        };
        let special = matches!(a, 0 | 10 | 100 | 127 | 169 | 172 | 192 | 198 | 203 | 224..);
        if !special {
            let mask = u32::MAX << (32 - u32::from(length));
            let address = u32::from_be_bytes([a, b, c, d]) & mask;
            networks.push((address.into(), length));
        }
    }
    networks
}

/// The denied paths, in pairs: an exact path and a path prefix.
pub fn paths() -> impl Iterator<Item = (String, String)> {
    let path = |kind, nth| format!("/probe/{kind}/{nth}.bak");
    (0..RULES / 2).map(move |nth| (path("exact", nth), path("below", nth)))
}

/// The text of the policy. Its `[ban]` section names the file `list`, which must hold [`list()`].
pub fn policy(list: &str) -> String {
    let mut text = format!(
        r#"version = 1

[client]
trusted_proxies = ["127.0.0.0/8"]

[ban]
files = ["{list}"]
{COUNTING}
[[deny]]
id = "php"
extensions = ["php"]
"#
    );
    for (nth, (exact, below)) in paths().enumerate() {
        let _ = write!(
            text,
            "\n[[deny]]\nid = \"exact-{nth}\"\nexact = \"{exact}\"\n\
             \n[[deny]]\nid = \"below-{nth}\"\nprefix = \"{below}\"\n"
        );
    }
    text
}

/// The text of a list of `count` [`networks()`], one network a line.
pub fn list(count: usize) -> String {
    let networks = networks(count).into_iter();
    let lines = networks.map(|(address, length)| format!("{address}/{length}\n"));
    lines.collect()
}
