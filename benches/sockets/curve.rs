//! The memory of a socket by the number of open sockets, as curves.

use std::{fs, net::SocketAddr};

use gabion_benches::Chart;

use crate::{
    measure,
    target::{self, Target},
};

/// The numbers of open sockets.
const COUNTS: [usize; 5] = [300, 600, 1_200, 2_400, 4_800];

/// The maximum ratio of the memory per socket at the largest number to that at the smallest.
const MAX_RATIO: f64 = 1.25;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/growth/sockets.svg");

/// Draws the curve of each installed proxy, and asserts that guard's curve is flat.
pub(crate) fn draw(echo: SocketAddr) {
    let mut chart = Chart::new("Memory of an idle WebSocket", "open sockets", "KiB each");
    for target in [Target::Guard, Target::HaProxy, Target::Nginx] {
        let mut points = Vec::new();
        for count in COUNTS {
            // A new process for each point: a process that had more sockets would hold free memory.
            let Some(running) = target::start(target, Some(echo)) else {
                break;
            };
            #[expect(clippy::cast_precision_loss, reason = "some thousands")]
            let point = (count as f64, measure(&running, count).idle as f64 / 1024.0);
            println!("{target:<34} {count:>8} {:>8.2} KiB", point.1);
            points.push(point);
        }
        if let (Target::Guard, Some(first), Some(last)) = (target, points.first(), points.last()) {
            assert!(last.1 <= first.1 * MAX_RATIO, "{points:?}");
        }
        if !points.is_empty() {
            let name = target.to_string();
            chart = chart.add(name.split(',').next().unwrap_or(&name), points);
        }
    }
    fs::write(FILE, chart.to_string()).expect("a file");
}
