//! The policy of a guard decides about the bans of others.

use std::time::Instant;

use gabion_testkit::RedisServer;

use super::{POLICY, Shared, agree, client};

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn a_guard_does_not_refuse_clients_that_its_policy_allows_or_exempts() {
    let Some(redis) = RedisServer::start(&[]) else {
        return;
    };
    let proxy = POLICY.replace("[\"127.0.0.0/8\"]", "[\"127.0.0.0/8\", \"203.0.113.9\"]");
    let allow = format!("{POLICY}[allow]\nnetworks = [\"203.0.113.10\"]\n");
    let strict = [Shared::start(&redis).await, Shared::start(&redis).await];
    let behind = Shared::start_with(&redis, &proxy).await;
    let lenient = Shared::start_with(&redis, &allow).await;
    let clients = [9, 10, 11].map(|n| format!("203.0.113.{n}"));
    for client in &clients {
        strict[0].offend(client).await;
    }
    agree(&strict, &clients, 403, Instant::now()).await;

    let hit = "the ban of 203.0.113.9/32 by another instance is not applied: the ban would hit a trusted proxy";
    behind.guard.logged([hit]).await;
    // The last ban has arrived, so the others have.
    agree(&[behind], &clients[1..], 403, Instant::now()).await;
    let lenient = [lenient];
    agree(&lenient, &clients[2..], 403, Instant::now()).await;
    assert_eq!(lenient[0].status(&clients[0]).await, 403);
    assert_eq!(lenient[0].status(&clients[1]).await, 200, "[allow]");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn a_guard_withholds_bans_of_others_over_its_budget() {
    let Some(redis) = RedisServer::start(&[]) else {
        return;
    };
    let strict = [Shared::start(&redis).await, Shared::start(&redis).await];
    let small = POLICY.replace("[ban]\n", "[ban]\nmost_per_minute = 1\n");
    let small = Shared::start_with(&redis, &small).await;
    let clients: Vec<_> = (0..14).map(client).collect();
    for client in &clients {
        strict[0].offend(client).await;
    }
    agree(&strict, &clients, 403, Instant::now()).await;
    small
        .guard
        .logged(["is not applied: `most_per_minute` in [ban] is reached"])
        .await;
    // Bans of others are certain: ten times `most_per_minute`.
    let mut statuses = Vec::new();
    for client in &clients {
        statuses.push(small.status(client).await);
    }
    let refused = statuses.iter().filter(|status| **status == 403).count();
    assert_eq!(
        (refused, statuses[9], statuses[10]),
        (10, 403, 200),
        "{statuses:?}"
    );
}
