//! Certificates by name, and their change.

use gabion_testkit::program;

use super::{Authority, Files};
use crate::{
    clients::{curl, run},
    support::{Guard, text},
};

#[tokio::test]
async fn certificate_is_selected_by_name_and_reloaded_on_sighup() {
    let Some(program) = program("curl") else {
        return;
    };
    let authority = Authority::new("guard-sni");
    let Files { chain, key } = authority.write("a", &["a.example"]);
    let other = authority.write("b", &["*.b.example"]);
    let guard = Guard::start(&[
        "--listen-tls",
        "127.0.0.1:0",
        "--tls-cert",
        &chain,
        "--tls-key",
        &key,
        "--tls-cert",
        &other.chain,
        "--tls-key",
        &other.key,
    ])
    .await;
    let port = guard.tls_addr().port();
    let trusts = async |name: &str| {
        let mut command = curl(&program, &format!("https://{name}:{port}/"));
        command.args([
            "--cacert",
            &authority.file(),
            "--resolve",
            &format!("{name}:{port}:127.0.0.1"),
        ]);
        let output = run(command).await;
        output.status.success()
    };
    assert!(trusts("a.example").await);
    assert!(trusts("x.b.example").await);
    assert!(
        !trusts("c.example").await,
        "it gets the certificate of a.example"
    );

    // The key of another certificate.
    std::fs::copy(&other.key, &key).unwrap();
    guard.signal("HUP");
    guard
        .logged([
            "ERROR",
            "the previous certificate stays in use: the key in `",
            "a.key` is not that of",
        ])
        .await;
    assert!(trusts("a.example").await);

    authority.write("a", &["c.example"]);
    guard.signal("HUP");
    guard
        .logged(["the certificate in `", "a.pem` has changed"])
        .await;
    assert!(trusts("c.example").await);
    assert!(!trusts("a.example").await);
    guard.signal("HUP");
    guard
        .logged(["the certificate files have not changed"])
        .await;
}

#[tokio::test]
async fn start_text_names_address_and_certificates() {
    let authority = Authority::new("guard-start");
    let guard = authority.guard(&[]).await;
    let stdout = guard.stdout();
    let line = format!(
        "  HTTPS      https://{}, with the certificates of ",
        guard.tls_addr()
    );
    assert!(
        stdout.contains(&line) && stdout.contains("localhost.pem"),
        "{stdout}"
    );
    assert!(text(stdout.as_bytes()).starts_with("guard listens on http://127.0.0.1:"));
}
