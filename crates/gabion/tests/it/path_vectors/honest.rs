//! What honest clients ask for.

use std::sync::Arc;

use gabion_proxy::Protocols;
use gabion_testkit::{Recorder, rows, unescape};

use super::{raw::Raw, request_line};
use crate::support::sockets::{Front, builder, rule_of};

const HONEST: &str = include_str!("../../../../inspect/testdata/honest.tsv");

/// No kind, then every one.
const KINDS: [&str; 7] = ["", "generic", "tomcat", "spring", "php", "node", "nginx"];

#[tokio::test]
async fn honest_targets_reach_every_kind_of_server_but_for_a_reason() {
    let behind = Raw::start().await;
    let long = format!("/{}%ED%95%9C", "a-long_name.with~all/".repeat(180));
    let mut targets: Vec<_> = rows(HONEST)
        .iter()
        .map(|row| (unescape(row[0]), row[2].to_owned()))
        .collect();
    targets.push((long.into_bytes(), "-".to_owned()));
    let mut wrong = Vec::new();
    for kind in KINDS {
        let events = Arc::new(Recorder::default());
        let said = format!("behind = '{kind}'");
        let policy = format!(
            "version = 1\npacks = ['never']\n[server]\n{}",
            if kind.is_empty() { "" } else { &said }
        );
        let guard = builder(events.clone()).with_policy(&policy, kind).unwrap();
        let front = Front::speaking(Protocols::Http1, &behind.url, guard);
        let mut passed = 0;
        for (target, refused) in &targets {
            let mut wire = front.connect().await;
            wire.send(&[b"GET ", &**target, b" HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat())
                .await;
            let status = wire.answer("GET").await.map(|answer| answer.status);
            let told = events.take();
            let rule = told.iter().find_map(rule_of);
            let seen = behind.take();
            let reason = refused.split(", ").find_map(|who| {
                let (by, rule) = who.split_once(' ')?;
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
