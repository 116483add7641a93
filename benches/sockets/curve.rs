//! What each socket costs among many.

use std::{fs, net::SocketAddr};

use gabion_benches::Chart;

use crate::{
    measure,
    proxy::{self, Stand},
};

/// How many stand beside each other.
const COUNTS: [usize; 5] = [300, 600, 1_200, 2_400, 4_800];

/// A socket among the most takes at most so many times what it takes among the fewest.
const FLAT: f64 = 1.25;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/growth/sockets.svg");

/// Draws the curves of those that are here, and holds guard to its own.
pub(crate) fn draw(echo: SocketAddr) {
    let mut chart = Chart::new("An idle WebSocket among others", "sockets", "KiB each");
    for stand in [Stand::Guard, Stand::HaProxy, Stand::Nginx] {
        let mut points = Vec::new();
        for count in COUNTS {
            // Each has a process of its own: one that had more would have room left.
            let Some(running) = proxy::start(stand, Some(echo)) else {
                break;
            };
            #[expect(clippy::cast_precision_loss, reason = "some thousands")]
            let point = (count as f64, measure(&running, count).idle as f64 / 1024.0);
            println!("{stand:<34} {count:>8} {:>8.2} KiB", point.1);
            points.push(point);
        }
        if let (Stand::Guard, Some(first), Some(last)) = (stand, points.first(), points.last()) {
            assert!(last.1 <= first.1 * FLAT, "{points:?}");
        }
        if !points.is_empty() {
            let name = stand.to_string();
            chart = chart.add(name.split(',').next().unwrap_or(&name), points);
        }
    }
    fs::write(FILE, chart.to_string()).expect("a file");
}
