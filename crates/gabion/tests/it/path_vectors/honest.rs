//! Honest targets.

use std::sync::Arc;

use gabion_proxy::Protocols;
use gabion_testkit::{Recorder, rows, unescape};

use super::{raw::RequestLines, request_line};
use crate::support::guarded_proxy::{GuardedProxy, builder, rule_of};

const HONEST: &str = include_str!("../../../../inspect/testdata/honest.tsv");

/// No kind, then every kind.
const KINDS: [&str; 10] = [
    "", "generic", "tomcat", "spring", "php", "node", "express", "axum", "python", "nginx",
];

#[tokio::test]
async fn honest_targets_reach_every_kind_of_server_except_for_listed_reasons() {
    let backend = RequestLines::start().await;
    let long = format!("/{}%ED%95%9C", "a-long_name.with~all/".repeat(180));
    let mut targets: Vec<_> = rows(HONEST)
        .iter()
        .map(|row| (unescape(row[0]), row[2].to_owned()))
        .collect();
    targets.push((long.into_bytes(), "-".to_owned()));
    let mut wrong = Vec::new();
    for kind in KINDS {
        let events = Arc::new(Recorder::default());
        let text = format!("behind = '{kind}'");
        let policy = format!(
            "version = 1\npacks = ['never']\n[server]\n{}",
            if kind.is_empty() { "" } else { &text }
        );
        let guard = builder(events.clone()).with_policy(&policy, kind).unwrap();
        let proxy = GuardedProxy::with_protocols(Protocols::Http1, &backend.url(), guard);
        let mut passed = 0;
        for (target, refused) in &targets {
            let mut connection = proxy.connect().await;
            connection
                .send(&[b"GET ", &**target, b" HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat())
                .await;
            let status = connection.response("GET").await.map(|answer| answer.status);
            let denials = events.take();
            let rule = denials.iter().find_map(rule_of);
            let seen = backend.take();
            let reason = refused.split(", ").find_map(|listed| {
                let (by, rule) = listed.split_once(' ')?;
                (by == kind).then_some(rule)
            });
            let right = match reason {
                None => rule.is_none() && seen == [request_line(target, false)],
                Some(_) => rule == reason && seen.is_empty(),
            };
            passed += usize::from(reason.is_none() && right);
            if !right {
                let target = target.escape_ascii();
                wrong.push(format!("{kind}: {target}: {status:?} {rule:?}"));
            }
        }
        let kind = if kind.is_empty() { "no kind" } else { kind };
        println!(
            "honest targets, {kind}: {passed} of {} reach the server",
            targets.len()
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
