//! The policy that every figure is of: large, and the same in each run.

use std::{fmt::Write as _, net::Ipv4Addr};

use crate::Numbers;

/// How many networks are banned.
pub const NETWORKS: usize = 100_000;

/// How many deny rules there are, half of them of one path, half of all below one.
pub const RULES: usize = 10_000;

/// What counts, on top of what is certain: two limits that are never reached, and a scan.
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

/// Whom the load comes from, through a trusted hop.
pub const CLIENT: &str = "203.0.113.9";

/// Networks as lists of attackers have them: half of them single addresses, one in a hundred a /16.
/// Those of [`CLIENT`] and of private use are left out.
pub fn networks(count: usize) -> Vec<(Ipv4Addr, u8)> {
    let mut numbers = Numbers::of(0x9e37_79b9_7f4a_7c15);
    let mut networks = Vec::with_capacity(count);
    while networks.len() < count {
        let [a, b, c, d, share, ..] = numbers.next().to_be_bytes();
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

/// The paths that are denied: of one, and of all below it.
pub fn paths() -> impl Iterator<Item = (String, String)> {
    let path = |kind, nth| format!("/probe/{kind}/{nth}.bak");
    (0..RULES / 2).map(move |nth| (path("exact", nth), path("below", nth)))
}

/// The policy, which names the list of [`networks`] at `list`.
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

/// The list of [`networks`], a line each.
pub fn list() -> String {
    let networks = networks(NETWORKS).into_iter();
    let lines = networks.map(|(address, length)| format!("{address}/{length}\n"));
    lines.collect()
}
