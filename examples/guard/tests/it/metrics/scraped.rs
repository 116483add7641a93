//! The values of the metrics.

use gabion_testkit::{RawConnection, ServerProcess, TempFolder, eventually, program};

use super::{Measured, POLICY, promtool, series};
use crate::kits;

#[tokio::test]
async fn counts_are_those_of_the_requests_by_rule_action_and_mode() {
    let measured = Measured::start().await;
    for nth in 0..130 {
        assert_eq!(measured.send("203.0.113.9", &format!("/?{nth}")).await, 200);
    }
    for _ in 0..3 {
        assert_eq!(measured.send("203.0.113.9", "/a.php").await, 403);
    }
    assert_eq!(measured.send("203.0.113.9", "/a.sql").await, 404);
    for target in ["/.env", "/a/.env", "/b/.env"] {
        assert_eq!(measured.send("203.0.113.10", target).await, 403);
    }
    assert_eq!(measured.send("203.0.113.10", "/").await, 403);
    let text = measured.metrics().await;
    let series = series(&text);
    for (name, value) in [
        (r#"gabion_requests_total{outcome="passed"}"#, 131.0),
        (r#"gabion_requests_total{outcome="refused"}"#, 7.0),
        (r#"gabion_requests_total{outcome="unjudged"}"#, 0.0),
        (
            r#"gabion_verdicts_total{rule="php",action="deny",mode="enforce"}"#,
            3.0,
        ),
        (
            r#"gabion_verdicts_total{rule="sql",action="deny",mode="observe"}"#,
            1.0,
        ),
        (
            r#"gabion_verdicts_total{rule="dotfiles",action="deny",mode="enforce"}"#,
            3.0,
        ),
        (
            r#"gabion_verdicts_total{rule="ban/timed",action="deny",mode="enforce"}"#,
            1.0,
        ),
        (r#"gabion_bans_total{rule="dotfiles",change="placed"}"#, 1.0),
        (
            r#"gabion_bans_total{rule="dotfiles",change="suspected"}"#,
            2.0,
        ),
        (r#"gabion_table_entries{table="bans"}"#, 1.0),
        (r#"gabion_table_capacity{table="bans"}"#, 100_000.0),
        (r#"gabion_table_evictions_total{table="bans"}"#, 0.0),
        (r#"gabion_upstream_servers{group="",state="up"}"#, 1.0),
        (r#"gabion_store_healthy{kind="redb"}"#, 1.0),
        (r#"gabion_shared_healthy{kind="none"}"#, 1.0),
        ("gabion_policy_rejected", 0.0),
        ("gabion_ready", 1.0),
    ] {
        assert_eq!(series.get(name), Some(&value), "{name} in\n{text}");
    }
    let timed = |(name, value): (&&str, &f64)| {
        name.starts_with("gabion_added_seconds_count")
            .then_some(*value)
    };
    let timed: f64 = series.iter().filter_map(timed).sum();
    assert!(
        (1.0..=2.0).contains(&timed),
        "one in 64 of each thread: {timed}"
    );
}

#[tokio::test]
async fn state_follows_the_policy_and_the_operator() {
    let measured = Measured::start().await;
    let value = |text: &str, name: &str| series(text).get(name).copied();
    let before = measured.metrics().await;
    assert_eq!(value(&before, "gabion_policy_generation"), Some(0.0));
    measured
        .folder
        .replace("policy.toml", "version = 1\n[alow]\n");
    measured.guard.signal("HUP");
    measured.guard.logged(["new policy rejected"]).await;
    let rejected = measured.metrics().await;
    assert_eq!(value(&rejected, "gabion_policy_rejected"), Some(1.0));
    let at = value(&rejected, "gabion_policy_rejected_timestamp_seconds").unwrap();
    assert!(at > 1e9, "{at}");
    measured
        .folder
        .replace("policy.toml", &format!("{POLICY}\n[scan]\n"));
    measured.guard.signal("HUP");
    measured.guard.logged(["policy 1 in force"]).await;
    measured.guard.signal("USR1");
    measured.guard.logged(["NOTHING IS ENFORCED"]).await;
    let after = measured.metrics().await;
    for (name, expected) in [
        ("gabion_policy_generation", 1.0),
        ("gabion_policy_rejected", 0.0),
        ("gabion_policy_rejected_timestamp_seconds", 0.0),
        (r#"gabion_policy_events_total{change="rejected"}"#, 1.0),
        (r#"gabion_policy_events_total{change="replaced"}"#, 1.0),
    ] {
        assert_eq!(value(&after, name), Some(expected), "{name} in\n{after}");
    }
    let left = value(&after, "gabion_observe_override_seconds").unwrap();
    assert!((590.0..=600.0).contains(&left), "{left}");
}

#[tokio::test]
async fn metrics_need_the_token_and_name_no_client() {
    let measured = Measured::start().await;
    let (status, body) = measured.get("").await;
    assert_eq!(status, 401, "{body}");
    assert!(!body.contains("gabion_"), "{body}");
    let marked = "User-Agent: MARKER\"} 1\r\nX-Forwarded-For: 203.0.113.7\r\nReferer: http://MARKER/\r\n\
                  Origin: http://MARKER\r\nX-Real-IP: 203.0.113.8\r\n";
    for target in [
        "/MARKER.php",
        "/MARKER/.env?MARKER=1",
        "/%22%7d%20MARKER%0a.sql",
        "/MARKER%00",
    ] {
        measured
            .guard
            .connect()
            .await
            .get(target, marked)
            .await
            .unwrap();
    }
    let mut unparsable = measured.guard.connect().await;
    unparsable
        .send("MARKER-METHOD\u{1} / HTTP/1.1\r\n\r\n")
        .await;
    unparsable.end().await;
    measured.guard.logged(["not a request"]).await;
    let text = measured.metrics().await;
    for part in ["MARKER", "203.0.113", "127.0.0.1", "http:"] {
        assert!(!text.contains(part), "{part} is in\n{text}");
    }
    assert!(
        text.contains("gabion_unparsable_requests_total 1"),
        "{text}"
    );
    if let Some(tool) = program("promtool") {
        promtool(&tool, measured.folder.path(), &["check", "metrics"], &text);
    }
}

#[tokio::test]
async fn clients_of_the_proxy_cannot_read_metrics() {
    let measured = Measured::start().await;
    // The demo has no such page.
    assert_eq!(measured.guard.status("/metrics").await, 404);
}

#[tokio::test]
async fn a_real_prometheus_scrapes_the_guard() {
    let (Some(prometheus), Some(tool)) = (program("prometheus"), program("promtool")) else {
        return;
    };
    let measured = Measured::start().await;
    for _ in 0..7 {
        assert_eq!(measured.send("203.0.113.9", "/a.php").await, 403);
    }
    let folder = TempFolder::new("prometheus");
    let config = kits::read("prometheus/prometheus.yml")
        .replace("127.0.0.1:9443", &measured.admin())
        .replace("/etc/prometheus/guard.token", &measured.token)
        .replace("15s", "1s");
    folder.write("prometheus.yml", &config);
    folder.write("alerts.yml", &kits::read("prometheus/alerts.yml"));
    promtool(
        &tool,
        folder.path(),
        &["check", "config", "prometheus.yml"],
        "",
    );
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let listen = format!("--web.listen-address={port}");
    let args = [
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        &listen,
    ];
    let ready = "Server is ready to receive web requests";
    let Some(_running) = ServerProcess::start(folder, &prometheus, &args, ready).await else {
        return;
    };
    let url = format!("http://{port}");
    let query = "sum by (rule, mode) (gabion_verdicts_total{rule=\"php\"})";
    let here = measured.folder.path();
    let found = eventually(|| {
        let answer = promtool(&tool, here, &["query", "instant", &url, query], "");
        answer.contains("=> 7 ").then_some(answer)
    });
    let found = found.await.expect("a scrape");
    assert!(found.contains(r#"mode="enforce", rule="php""#), "{found}");
    // Prometheus loaded the rules of the kit.
    let mut connection = RawConnection::connect(port).await;
    let rules = connection.get("/api/v1/rules", "").await.unwrap().text();
    assert!(rules.contains("GuardPolicyRejected"), "{rules}");
}
