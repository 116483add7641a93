//! The commands over TCP, with a token, and with TLS.

use std::os::unix::fs::PermissionsExt as _;

use gabion_testkit::TempFolder;

use super::run;
use crate::support::{Guard, guard, text};

/// Writes a token that only its owner reads.
fn write_token(folder: &TempFolder) -> String {
    let token = text(&guard(["token"]).stdout);
    let file = folder.write("token", &token);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    file
}

/// The admin address in the start text.
fn admin_addr(guard: &Guard) -> String {
    let stdout = guard.stdout();
    let mut lines = stdout.lines();
    let line = lines.find_map(|line| line.trim().strip_prefix("admin      "));
    line.unwrap().split(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn commands_work_over_tcp_with_the_token() {
    let folder = TempFolder::new("operate-tcp");
    let token = write_token(&folder);
    let guard = Guard::start(&["--admin", "127.0.0.1:0", "--admin-token-file", &token]).await;
    let url = format!("http://{}", admin_addr(&guard));
    let at = |token: &str| run(&["status", "--admin", &url, "--admin-token-file", token]);
    let status = at(&token);
    assert!(
        text(&status.stdout).contains("policy     the built-in policy"),
        "{status:?}"
    );
    let other = folder.write("other", &text(&crate::support::guard(["token"]).stdout));
    let refused = at(&other);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("wrong token"), "{refused:?}");
    guard
        .logged(["operator (127.0.0.1): refused: wrong token"])
        .await;
    let none = run(&["status", "--admin", &url]);
    assert!(
        text(&none.stderr).contains("--admin-token-file FILE"),
        "{none:?}"
    );
    let plain = run(&[
        "status",
        "--admin",
        "http://192.0.2.1:9",
        "--admin-token-file",
        &token,
    ]);
    assert!(text(&plain.stderr).contains("use https://"), "{plain:?}");
}

#[tokio::test]
async fn commands_work_over_tls() {
    let folder = TempFolder::new("operate-tls");
    let token = write_token(&folder);
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let chain = folder.write("chain.pem", &own.cert.pem());
    let key = folder.write("key.pem", &own.signing_key.serialize_pem());
    let options = ["--admin", "127.0.0.1:0", "--admin-token-file", &token];
    let tls = ["--admin-cert", &chain, "--admin-key", &key];
    let guard = Guard::start(&[options, tls].concat()).await;
    let port = admin_addr(&guard).rsplit(':').next().unwrap().to_owned();
    let url = format!("https://localhost:{port}");
    let args = ["status", "--admin", &url, "--admin-token-file", &token];
    let status = run(&[&args[..], &["--admin-ca", &chain]].concat());
    assert!(status.status.success(), "{}", text(&status.stderr));
    let untrusted = run(&args);
    assert!(
        text(&untrusted.stderr).contains("--admin-ca FILE"),
        "{untrusted:?}"
    );
}

#[test]
fn unsafe_admin_addresses_are_refused_at_the_start() {
    let folder = TempFolder::new("operate-refused");
    let token = write_token(&folder);
    let weak = folder.write("weak", "password");
    for (args, words) in [
        (&["--admin", "127.0.0.1:0"][..], "guard token > FILE"),
        (
            &["--admin", "127.0.0.1:0", "--admin-token-file", &weak],
            "a token has 256 bits",
        ),
        (
            &["--admin", "0.0.0.0:0", "--admin-token-file", &token],
            "needs TLS: add --admin-cert",
        ),
        (
            &["--admin", "127.0.0.1:0", "--admin-token-file", "nowhere"],
            "nowhere",
        ),
    ] {
        let output = run(&[&["--listen", "127.0.0.1:0"], args].concat());
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let error = text(&output.stderr);
        assert!(
            error.contains(words) && !error.contains("password"),
            "{args:?}: {error}"
        );
    }
}
