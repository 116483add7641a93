//! Common mistakes in the configuration of nginx, each with a real nginx in front of the guard.

use gabion_testkit::{Nginx, PASSES_UPGRADES, program};

use super::examine;
use crate::support::Guard;

/// Lines of a location, the expected code, and a line of the expected advice. By default nginx before
/// 1.29.7 speaks HTTP/1.0 to the server behind it.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("proxy_http_version 1.0;", "W03", "proxy_http_version 1.1;"),
    (
        "proxy_http_version 1.1;",
        "W02",
        "proxy_set_header Upgrade $http_upgrade;",
    ),
    (
        "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection close;",
        "W04",
        "proxy_set_header Connection \"upgrade\";",
    ),
];

#[tokio::test]
async fn handshake_that_nginx_changed_is_diagnosed() {
    let Some(nginx) = program("nginx") else {
        return;
    };
    let guard = Guard::start(&[]).await;
    for &(lines, code, change) in MISTAKES {
        let nginx = Nginx::start(&nginx, code, guard.addr(), lines).await;
        let examination = examine(&[&format!("ws://{}/ws", nginx.addr())]).await;
        examination.assert_fails("handshake", &[code, "a guard in front reports"], change);
    }
    let nginx = Nginx::start(&nginx, "right", guard.addr(), PASSES_UPGRADES).await;
    examine(&[&format!("ws://{}/ws", nginx.addr())])
        .await
        .assert_ok();
}
