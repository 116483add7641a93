//! Tables for terminals.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use gabion::{
    inspect::{Clock as _, SystemClock},
    policy::Period,
};
use gabion_admin::Timestamp;

/// The current time.
pub(super) fn now() -> SystemTime {
    SystemClock::new().now().wall()
}

/// The whole seconds left until `until`, such as `1h 30m`.
pub(super) fn left(until: Timestamp, now: SystemTime) -> String {
    let left = until.0.duration_since(now).unwrap_or_default().as_secs();
    // The two largest units are enough.
    let left = match left {
        0..3600 => left,
        3600..86_400 => left / 60 * 60,
        _ => left / 3600 * 3600,
    };
    Period(Duration::from_secs(left)).to_string()
}

/// Writes rows below a head, each column as wide as its widest cell. Cells have no control characters.
pub(super) fn write(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    let all = || [&head].into_iter().chain(rows);
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let cells = all().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in all() {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string does not fail.
            let _ = write!(line, "{cell:<width$}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
