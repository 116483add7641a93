//! Each command against a running guard.

use futures_util::StreamExt as _;
use gabion_testkit::TempFolder;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use super::{Operated, POLICY, run};
use crate::support::text;

#[tokio::test]
async fn operator_bans_and_unbans_a_client() {
    let operated = Operated::start().await;
    let client = "203.0.113.9";
    assert_eq!(operated.status_for(client).await, 200);
    let banned = operated.stdout(&["ban", client, "--for", "1h", "--why", "too many forms"]);
    assert!(
        banned.starts_with("203.0.113.9/32 is banned until "),
        "{banned}"
    );
    assert_eq!(operated.status_for(client).await, 403);
    assert_eq!(operated.status_for("203.0.113.10").await, 200);
    let list = operated.stdout(&["bans"]);
    let [head, row] = list.lines().collect::<Vec<_>>()[..] else {
        panic!("{list}")
    };
    assert!(head.starts_with("NETWORK"), "{list}");
    assert!(
        row.starts_with("203.0.113.9/32  59m ") && row.ends_with("too many forms"),
        "{list}"
    );
    let unbanned = operated.stdout(&["unban", client]);
    assert_eq!(unbanned, "203.0.113.9/32 is not banned any more\n");
    assert_eq!(operated.status_for(client).await, 200);
    assert_eq!(operated.stdout(&["bans"]), "no bans\n");
    operated
        .guard
        .logged(["operator (unix uid ", "unban 203.0.113.9/32"])
        .await;

    for (command, words) in [
        (&["unban", client][..], "203.0.113.9 is not banned"),
        (
            &["ban", "127.0.0.1", "--for", "1h"],
            "127.0.0.1 is not banned: ",
        ),
        (&["ban", client, "--for", "soon"], "invalid duration `soon`"),
        (&["bans", "--sort", "age"], "unknown order `age`"),
        (&["allow", client, "--remove"], "has no temporary exemption"),
    ] {
        let error = operated.stderr(command);
        assert!(error.contains(words), "{command:?}: {error}");
    }
    let usage = operated.run(&["unban"]);
    assert_eq!(usage.status.code(), Some(2));
}

#[tokio::test]
async fn operator_exempts_and_forgets_a_client() {
    let operated = Operated::start().await;
    let client = "203.0.113.9";
    operated.stdout(&["ban", client, "--for", "1h"]);
    let allowed = operated.stdout(&["allow", client, "--for", "2h", "--why", "customer"]);
    assert!(
        allowed.ends_with("the ban of 203.0.113.9/32 is lifted\n"),
        "{allowed}"
    );
    assert_eq!(operated.status_for(client).await, 200);
    assert!(operated.stdout(&["allows"]).contains("customer"));
    operated.stdout(&["allow", client, "--remove"]);
    assert_eq!(operated.stdout(&["allows"]), "no exemptions\n");
    operated.stdout(&["ban", client, "--for", "1h"]);
    operated.stdout(&["forget", client]);
    assert_eq!(operated.stdout(&["bans"]), "no bans\n");
}

#[tokio::test]
async fn bans_are_lifted_by_rule_and_moved_to_another_guard() {
    let (operated, other) = (Operated::start().await, Operated::start().await);
    for client in ["203.0.113.9", "203.0.113.10", "2001:db8::7"] {
        operated.stdout(&["ban", client, "--for", "7d"]);
    }
    let exported = operated.stdout(&["export"]);
    let file = operated.folder.write("bans.jsonl", &exported);
    let imported = other.stdout(&["import", &file]);
    assert_eq!(
        imported,
        "3 bans placed, 0 banned already, 0 ended, 0 exempt by the policy\n"
    );
    assert_eq!(other.status_for("203.0.113.10").await, 403);
    let broken = operated
        .folder
        .write("broken.jsonl", &exported.replace("203.0.113.10/32", "all"));
    let error = other.stderr(&["import", &broken]);
    assert!(
        error.contains(", network: invalid network `all`") && error.starts_with("line "),
        "{error}"
    );
    let lifted = operated.stdout(&["unban", "--rule", "ban/operator", "--since", "1h"]);
    assert!(lifted.ends_with("3 bans lifted\n"), "{lifted}");
    assert_eq!(other.stdout(&["unban", "--all"]).lines().count(), 4);
}

#[tokio::test]
async fn ban_closes_an_open_websocket() {
    let operated = Operated::start().await;
    let url = format!("ws://{}/ws", operated.guard.addr());
    let mut request = url.into_client_request().unwrap();
    let client = "203.0.113.9".parse().unwrap();
    request.headers_mut().insert("x-forwarded-for", client);
    let (mut socket, _) = connect_async(request).await.unwrap();
    let status = operated.stdout(&["status"]);
    assert!(status.contains("sessions   1 open"), "{status}");
    operated.stdout(&["ban", "203.0.113.9", "--for", "1h"]);
    let closed = socket.next().await.unwrap().unwrap();
    let Message::Close(Some(close)) = closed else {
        panic!("{closed:?}")
    };
    assert_eq!(u16::from(close.code), 1008, "policy violation");
}

#[tokio::test]
async fn check_of_the_running_guard_names_what_would_be_lost() {
    let operated = Operated::start().await;
    let accepted = operated.stdout(&["check", "--running"]);
    assert!(
        accepted.contains("a reload would be accepted: 0 deny rules"),
        "{accepted}"
    );
    let smaller = operated.folder.write("new.toml", "version = 1\n");
    let error = operated.stderr(&["check", "--running", &smaller]);
    assert!(
        error.contains("this edit removes 203.0.113.63 from [allow]"),
        "{error}"
    );
    assert!(
        error.ends_with("a reload would be refused for what the policy removes\n"),
        "{error}"
    );
    let invalid = operated.folder.write("new.toml", "version = 1\n[alow]\n");
    let error = operated.stderr(&["check", "--running", &invalid]);
    assert!(
        error.contains("new.toml:2") && error.contains("did you mean `allow`?"),
        "{error}"
    );

    let invalid = format!("{POLICY}[alow]\n");
    operated.folder.replace("policy.toml", &invalid);
    operated.guard.logged(["new policy rejected"]).await;
    let status = operated.stdout(&["status"]);
    assert!(
        status.contains("generation 0") && status.contains("rejected   at 2"),
        "{status}"
    );
    assert!(status.contains("did you mean `allow`?"), "{status}");
}

#[test]
fn commands_without_a_guard_name_the_socket_and_the_option() {
    let folder = TempFolder::new("operate-none");
    let state = folder.file("state");
    for command in [
        &["bans"][..],
        &["ban", "203.0.113.9", "--for", "1h"],
        &["check", "--running"],
    ] {
        let args: Vec<_> = command.iter().copied().chain(["--state", &state]).collect();
        let output = run(&args);
        assert_eq!(output.status.code(), Some(1));
        let error = text(&output.stderr);
        let expected =
            format!("no guard listens on {state}/admin.sock: is it running with --state {state}?");
        assert!(error.starts_with(&expected), "{error}");
    }
}
