//! The mistakes that are made in nginx, each with a real one in front of the guard.

use gabion_testkit::program;

use super::examine;
use crate::{
    nginx::{Nginx, PASSES_UPGRADES},
    support::Guard,
};

/// Lines of a location, the code, and a line to change. nginx speaks HTTP/1.0 to what is behind it
/// unless it is 1.29.7 or newer, or told.
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
async fn what_nginx_does_to_a_handshake_is_named() {
    let Some(nginx) = program("nginx") else {
        return;
    };
    let guard = Guard::start(&[]).await;
    for &(lines, code, change) in MISTAKES {
        let nginx = Nginx::start(&nginx, code, guard.addr(), lines).await;
        let examined = examine(&[&format!("ws://{}/ws", nginx.addr())]).await;
        examined.fails("handshake", &[code, "told by the guard"], change);
    }
    let nginx = Nginx::start(&nginx, "right", guard.addr(), PASSES_UPGRADES).await;
    examine(&[&format!("ws://{}/ws", nginx.addr())])
        .await
        .is_well();
}
