//! The dashboard, the alert rules and the guide name metrics that exist.

use std::{collections::BTreeSet, fmt::Write as _};

use gabion::event::{MetricDescription, Metrics};
use gabion_admin::Admin;
use gabion_testkit::program;

use super::{Measured, promtool};
use crate::kits;

/// The metric of the servers behind the proxy, which the program itself measures.
const SERVERS: &str = "gabion_upstream_servers";

fn descriptions() -> impl Iterator<Item = MetricDescription> {
    Metrics::DESCRIPTIONS.into_iter().chain(Admin::METRICS)
}

/// The names of all metrics.
fn known() -> BTreeSet<String> {
    let names = descriptions().map(|metric| metric.name.to_owned());
    names.chain([SERVERS.to_owned()]).collect()
}

/// The names of metrics in a text, without the suffixes of histograms.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| word.starts_with("gabion_"));
    let base = |name: &str| {
        let suffixes = ["_bucket", "_sum", "_count"];
        let base = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
        base.unwrap_or(name).to_owned()
    };
    names.map(base).collect()
}

#[test]
fn dashboard_and_alerts_name_metrics_that_exist() {
    for file in ["grafana-dashboard.json", "alerts.yml", "alerts_test.yml"] {
        let names = named(&kits::read(&format!("prometheus/{file}")));
        assert!(names.len() > 4, "{file}: {names:?}");
        let unknown: Vec<_> = names.difference(&known()).cloned().collect();
        assert!(
            unknown.is_empty(),
            "{file} names unknown metrics: {unknown:?}"
        );
    }
    let dashboard = kits::read("prometheus/grafana-dashboard.json");
    let shown = named(&dashboard);
    // Those that are not for a chart.
    let others = [
        "gabion_uptime_seconds",
        "gabion_ready",
        "gabion_policy_rejected_timestamp_seconds",
    ];
    let hidden: Vec<_> = known().difference(&shown).cloned().collect();
    assert!(
        hidden.iter().all(|name| others.contains(&&**name)),
        "{hidden:?}"
    );
    let json: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    assert!(
        json["panels"]
            .as_array()
            .is_some_and(|panels| panels.len() > 10)
    );
}

#[test]
fn promtool_accepts_the_queries_and_rules_of_the_kit() {
    let Some(tool) = program("promtool") else {
        return;
    };
    let folder = kits::path("prometheus");
    promtool(&tool, &folder, &["check", "rules", "alerts.yml"], "");
    promtool(&tool, &folder, &["test", "rules", "alerts_test.yml"], "");
    let config = ["check", "config", "--syntax-only", "prometheus.yml"];
    promtool(&tool, &folder, &config, "");
    // Every query of the dashboard, as a recording rule.
    let dashboard = kits::read("prometheus/grafana-dashboard.json");
    let json: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let panels = json["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    for (nth, target) in targets.enumerate() {
        let query = target["expr"]
            .as_str()
            .unwrap()
            .replace("$__rate_interval", "1m");
        let query = serde_json::to_string(&query).unwrap();
        writeln!(rules, "      - {{record: \"panel:{nth}\", expr: {query}}}").unwrap();
    }
    let written = gabion_testkit::TempFolder::new("dashboard");
    let file = written.write("rules.yml", &rules);
    promtool(&tool, written.path(), &["check", "rules", &file], "");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test reads the guide")]
fn guide_has_a_row_for_every_metric() {
    let page = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../crates/gabion/guide/metrics.md"
    );
    let page = std::fs::read_to_string(page).unwrap();
    let rows: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `gabion_"))
        .map(|row| format!("gabion_{}", row.split('`').next().unwrap()))
        .collect();
    assert_eq!(rows, known());
    for metric in descriptions() {
        let labels: Vec<_> = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let labels = labels.join(", ");
        let row = format!("| `{}` | {labels} |", metric.name).replace("|  |", "| |");
        assert!(page.contains(&row), "no {row}");
    }
}

#[tokio::test]
async fn a_running_guard_has_every_metric_of_its_state() {
    let measured = Measured::start().await;
    let text = measured.metrics().await;
    let shown: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP "))
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    let state = Admin::METRICS.map(|metric| metric.name);
    for name in state
        .iter()
        .chain(&[SERVERS, "gabion_requests_total", "gabion_added_seconds"])
    {
        assert!(shown.contains(name), "no {name} in\n{text}");
    }
    let typed = text
        .lines()
        .filter(|line| line.starts_with("# TYPE "))
        .count();
    assert_eq!(typed, shown.len(), "each metric has both\n{text}");
}
