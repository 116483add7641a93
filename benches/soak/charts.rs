//! The charts of a soak: resources and response times over time.

use std::{fs, io, path::Path, time::Duration};

use gabion_benches::Chart;

use crate::{latencies::Latencies, samples::Sample};

/// The number of points of a curve, each the maximum of its interval.
const POINTS: u32 = 180;

/// The shortest interval, in which 99 % of the clean requests are many.
const MIN_INTERVAL: Duration = Duration::from_secs(10);

/// Draws memory, descriptors and response times into `folder`.
pub(crate) fn draw(samples: &[Sample], latencies: &Latencies, folder: &Path) -> io::Result<()> {
    let whole = samples.last().map_or(Duration::ZERO, |last| last.at);
    let interval = (whole / POINTS).max(MIN_INTERVAL);
    let seconds = interval.as_secs();

    let title = format!("Memory of guard, its policy rewritten every 5 s: the most in {seconds} s");
    let memory = most(samples, interval, |sample| sample.memory);
    let memory = memory.map(|(at, kib)| (at, kib / 1024.0));
    let memory = Chart::new(title, "minutes", "MiB").add("anonymous memory", memory);
    save(memory, folder, "memory")?;

    let title = format!("Open descriptors of guard: the most in {seconds} s");
    let descriptors = most(samples, interval, |sample| sample.descriptors as u64);
    let descriptors = Chart::new(title, "minutes", "number").add("descriptors", descriptors);
    save(descriptors, folder, "descriptors")?;

    let mut chart = Chart::new("Response times of clean requests", "minutes", "ms");
    for (name, percent) in [("99 %", 99), ("median", 50)] {
        let points = latencies.percentiles(percent, interval);
        let points = points.into_iter();
        chart = chart.add(
            format!("{name} in {seconds} s"),
            points.map(|(at, took)| (minutes(at), took.as_secs_f64() * 1e3)),
        );
    }
    save(chart, folder, "latency")
}

fn save(chart: Chart, folder: &Path, name: &str) -> io::Result<()> {
    let file = folder.join(name).with_extension("svg");
    fs::write(file, chart.linear().to_string())
}

/// Returns the maximum of each interval, at its end in minutes.
#[expect(clippy::cast_precision_loss, reason = "resources are far below 2^52")]
fn most(
    samples: &[Sample],
    interval: Duration,
    value: impl Fn(&Sample) -> u64,
) -> impl Iterator<Item = (f64, f64)> {
    let index = move |sample: &Sample| sample.at.as_millis() / interval.as_millis();
    let intervals = samples.chunk_by(move |one, next| index(one) == index(next));
    intervals.map(move |samples| {
        let most = samples.iter().map(&value).max().unwrap_or_default();
        let end = interval * (index(&samples[0]) + 1).try_into().unwrap();
        (minutes(end), most as f64)
    })
}

fn minutes(at: Duration) -> f64 {
    at.as_secs_f64() / 60.0
}
