//! The guard is not its own upstream.

use std::net::TcpListener;

use gabion_testkit::TempFolder;

use super::Operated;
use crate::support::{Guard, guard, text};

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

#[tokio::test]
async fn guard_refuses_itself_and_its_admin_address_as_an_upstream() {
    let folder = TempFolder::new("operate-itself");
    let token = folder.write("token", &text(&guard(["token"]).stdout));
    let state = folder.file("state");
    let (port, admin) = (free_port(), free_port());
    let listen = format!("127.0.0.1:{port}");
    let admin_addr = format!("127.0.0.1:{admin}");
    let options = [
        "--state",
        &state,
        "--admin",
        &admin_addr,
        "--admin-token-file",
        &token,
    ];
    for upstream in [
        format!("http://127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
        format!("http://[::1]:{port}"),
        format!("http://0.0.0.0:{port}"),
        format!("http://localhost:{admin}"),
        format!("unix:{state}/admin.sock"),
        format!("unix:{state}/../state/admin.sock"),
    ] {
        let args = [&options[..], &["--upstream", &upstream]].concat();
        let mut guard = Guard::spawn(&listen, &args);
        assert_eq!(guard.wait_for_exit().await.code(), Some(1), "{upstream}");
        let expected =
            format!("`{upstream}` cannot be an upstream: this process itself listens on ");
        guard.logged([&*expected]).await;
    }
}

#[tokio::test]
async fn name_that_resolves_to_the_guard_itself_is_refused_when_it_connects() {
    let port = free_port();
    // A resolver reads it as 127.0.0.1.
    let upstream = format!("http://0x7f000001:{port}");
    let guard = Guard::start_on(&format!("127.0.0.1:{port}"), &["--upstream", &upstream]).await;
    assert_eq!(guard.status("/").await, 502);
    guard.logged(["this proxy itself listens on it"]).await;
}

#[tokio::test]
async fn link_to_the_admin_socket_is_refused_when_it_connects() {
    let folder = TempFolder::new("operate-link");
    let (state, link) = (folder.file("state"), folder.file("app.sock"));
    let upstream = format!("unix:{link}");
    let guard = Guard::start(&["--state", &state, "--upstream", &upstream]).await;
    std::os::unix::fs::symlink(format!("{state}/admin.sock"), &link).unwrap();
    assert_eq!(guard.status("/v1/status").await, 502);
}

#[tokio::test]
async fn second_guard_runs_without_the_socket_of_the_first() {
    let operated = Operated::start().await;
    let state = operated.folder.file("state");
    let second = Guard::start(&["--state", &state]).await;
    second.logged(["another guard listens on", "--state"]).await;
    assert_eq!(second.status("/").await, 200);
    drop(second);
    let status = operated.stdout(&["status"]);
    assert!(status.contains("policy.toml"), "the first: {status}");
}
