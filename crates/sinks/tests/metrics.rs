//! What the recorder of the process gets of events and requests.

#![cfg(feature = "metrics")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step must end the test"
)]

mod events;

use std::{
    collections::BTreeSet,
    io::Write as _,
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, UNIX_EPOCH},
};

use gabion_core::{
    Cause, ClientRules, Denial, Event, Judgment, Meter as _, Mode, PolicyEvent, Reason,
    RequestEvent, RequestEventKind, RuleId, Sink,
};
use gabion_sinks::{EventBudget, MetricKind, Metrics};
use gabion_testkit::{OwnedHead, Recorder, program};
use http::StatusCode;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};

use crate::events::{Written, every_event};

/// Passes events to a recorder.
struct ToRecorder(Arc<Recorder>);

impl Sink for ToRecorder {
    fn record(&self, event: &Event) {
        self.0.record(event);
    }
}

/// Runs `test` with metrics of its own, and returns what an exporter would write.
fn rendered(test: impl FnOnce(Arc<Metrics>)) -> String {
    let matcher = Matcher::Full("gabion_added_seconds".to_owned());
    let builder = PrometheusBuilder::new();
    let builder = builder.set_buckets_for_metric(matcher, &Metrics::BUCKETS);
    let recorder: PrometheusRecorder = builder.unwrap().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        let metrics = Arc::new(Metrics::new());
        test(Arc::clone(&metrics));
        metrics.publish();
    });
    recorder.handle().render()
}

/// A denied request, or one that would have been.
fn denied(rule: &str, mode: Mode) -> Event {
    let head = OwnedHead::get("/")
        .from("203.0.113.9")
        .at(Duration::from_secs(7));
    let facts = head.facts(&ClientRules::default());
    let cause = Cause::new(RuleId::new(rule).unwrap(), Reason::Name);
    let denial = Denial::new(cause, StatusCode::FORBIDDEN).with_mode(mode);
    let kind = RequestEventKind::Denied(denial.into());
    Event::Request(RequestEvent::new(&facts, 1, kind))
}

/// What a client writes, each part recognizable.
fn hostile() -> Written {
    Written {
        method: "MARKER-METHOD".to_owned(),
        target: "/MARKER-TARGET?MARKER-QUERY=\"}\n".replace(['"', '\n'], "%22"),
        text: "MARKER-TEXT\"} 1\ngabion_forged 1\n".to_owned(),
    }
}

/// The names of metrics in a text, without the suffixes of histograms.
fn names(text: &str) -> BTreeSet<&str> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split(' ').next().unwrap()).collect()
}

#[test]
fn verdicts_are_counted_by_rule_action_and_mode() {
    let text = rendered(|metrics| {
        for _ in 0..3 {
            metrics.record(&denied("dotfiles", Mode::Enforce));
        }
        metrics.record(&denied("dotfiles", Mode::Observe));
        metrics.record(&denied("php", Mode::Enforce));
    });
    for line in [
        r#"gabion_verdicts_total{rule="dotfiles",action="deny",mode="enforce"} 3"#,
        r#"gabion_verdicts_total{rule="dotfiles",action="deny",mode="observe"} 1"#,
        r#"gabion_verdicts_total{rule="php",action="deny",mode="enforce"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn every_metric_is_described_and_every_description_is_of_a_metric() {
    let text = rendered(|metrics| {
        for event in every_event(&hostile()) {
            metrics.record(&event);
        }
        let audit = gabion_core::AuditEvent::new(
            UNIX_EPOCH,
            "MARKER-ACTOR",
            gabion_core::AuditAction::Ban,
            None,
            "MARKER-DETAIL",
        );
        metrics.record(&Event::Audit(audit));
        let log = gabion_core::LogEvent::degraded(UNIX_EPOCH, "MARKER-LOG", "MARKER-ERROR");
        metrics.record(&Event::Log(log));
        for judgment in Judgment::ALL {
            metrics.count(judgment);
            metrics.add_time(judgment, Duration::from_micros(3));
        }
    });
    let described: BTreeSet<_> = Metrics::DESCRIPTIONS
        .iter()
        .map(|metric| metric.name)
        .collect();
    assert_eq!(names(&text), described, "{text}");
    for metric in Metrics::DESCRIPTIONS {
        let help = format!("# HELP {} {}", metric.name, metric.help);
        assert!(text.lines().any(|line| line == help), "{help}\n{text}");
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let kind = format!("# TYPE {} {kind}", metric.name);
        assert!(text.lines().any(|line| line == kind), "{kind}\n{text}");
        // Of a series, every label is described.
        for line in text.lines().filter(|line| line.starts_with(metric.name)) {
            let labels = line.split_once('{').map_or("", |(_, labels)| labels);
            let keys = labels.split(',').filter_map(|label| label.split_once('='));
            for (key, _) in keys.filter(|(key, _)| *key != "le") {
                assert!(metric.labels.contains(&key), "{key} of {line}");
            }
        }
    }
    promtool(&text);
}

#[test]
fn no_label_holds_what_a_client_wrote() {
    let text = rendered(|metrics| {
        for event in every_event(&hostile()) {
            metrics.record(&event);
        }
    });
    for part in ["MARKER", "forged", "203.0.113", "127.0.0.1", "http:"] {
        assert!(!text.contains(part), "{part} is in\n{text}");
    }
}

#[test]
fn ids_of_rules_are_bounded_in_number() {
    let text = rendered(|metrics| {
        for reload in 0..2_000 {
            metrics.record(&denied(&format!("rule-{reload}"), Mode::Enforce));
        }
        // Those that are known still count as themselves.
        metrics.record(&denied("rule-0", Mode::Enforce));
    });
    let series = text
        .lines()
        .filter(|line| line.starts_with("gabion_verdicts_total{"));
    assert_eq!(series.count(), Metrics::MAX_RULES + 1);
    let other = r#"{rule="(other)",action="deny",mode="enforce"} 1000"#;
    assert!(text.contains(other), "{text}");
    assert!(text.contains(r#"{rule="rule-0",action="deny",mode="enforce"} 2"#));
    assert!(
        RuleId::new(Metrics::OTHER_RULES).is_err(),
        "no rule has that id"
    );
}

#[test]
fn requests_of_many_threads_are_counted_exactly() {
    let text = rendered(|metrics| {
        thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        metrics.count(Judgment::Passed);
                    }
                    metrics.count(Judgment::Refused);
                });
            }
        });
        metrics.flush(UNIX_EPOCH);
        metrics.count(Judgment::Passed);
    });
    for line in [
        r#"gabion_requests_total{outcome="passed"} 40001"#,
        r#"gabion_requests_total{outcome="refused"} 40"#,
        r#"gabion_requests_total{outcome="unjudged"} 0"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn one_of_64_requests_of_a_thread_is_timed() {
    let text = rendered(|metrics| {
        let timed = (0..640).filter(|_| metrics.is_timed()).count();
        assert_eq!(timed, 10);
        for _ in 0..timed {
            metrics.add_time(Judgment::Passed, Duration::from_micros(30));
        }
    });
    for line in [
        r#"gabion_added_seconds_bucket{outcome="passed",le="0.000025"} 0"#,
        r#"gabion_added_seconds_bucket{outcome="passed",le="0.00005"} 10"#,
        r#"gabion_added_seconds_count{outcome="passed"} 10"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn events_beyond_the_budget_of_the_log_are_counted() {
    let text = rendered(|metrics| {
        let log = Arc::new(Recorder::default());
        let budget = EventBudget {
            per_client: 3,
            ..EventBudget::default()
        };
        let sink = metrics.before_bounded(ToRecorder(log.clone()), budget);
        for _ in 0..100 {
            sink.record(&denied("dotfiles", Mode::Enforce));
        }
        sink.flush(UNIX_EPOCH + Duration::from_secs(8));
        assert_eq!(log.take().len(), 4, "three denials, and the report");
    });
    assert!(text.contains(r#"{rule="dotfiles",action="deny",mode="enforce"} 100"#));
    assert!(text.contains("gabion_events_suppressed_total 97"), "{text}");
}

#[test]
fn a_rejected_policy_is_counted() {
    let text = rendered(|metrics| metrics.record(&Event::Policy(PolicyEvent::kept(1, "why"))));
    assert!(text.contains(r#"gabion_policy_events_total{change="rejected"} 1"#));
}

/// Checks a text as Prometheus reads it.
fn promtool(text: &str) {
    let Some(promtool) = program("promtool") else {
        return;
    };
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let report = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}\n{text}",
        String::from_utf8_lossy(&report)
    );
}
