//! A certificate from a real ACME server, by command-line options.

use std::net::TcpListener;

use gabion_testkit::{CheckedPorts, Pebble, TempFolder, program};

use super::Authority;
use crate::{
    clients::{curl, run},
    support::{Guard, text},
};

#[tokio::test(flavor = "multi_thread")]
async fn certificate_is_obtained_and_kept() {
    let (Some(pebble), Some(names), Some(curl_program)) = (
        program("pebble"),
        program("pebble-challtestsrv"),
        program("curl"),
    ) else {
        return;
    };
    let name = "shop.example";
    let authority = Authority::new("guard-acme");
    let own = authority.write("pebble", &["localhost"]);
    let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [plain, secure] = free.map(|listener| listener.local_addr().unwrap());
    let ports = CheckedPorts {
        http: plain.port(),
        tls: secure.port(),
    };
    let pebble = Pebble::start((&pebble, &names), (&own.chain, &own.key), ports, 3600).await;
    let folder = TempFolder::new("guard-acme-state");
    let (directory, ca, state) = (pebble.directory(), authority.file(), folder.file("state"));
    let args = [
        "--listen-tls",
        &secure.to_string(),
        "--acme-domain",
        name,
        "--acme-agree-tos",
        "--acme-directory",
        &directory,
        "--acme-ca",
        &ca,
        "--state",
        &state,
        "--redirect-https",
    ];
    let guard = Guard::start_on(&plain.to_string(), &args).await;
    guard
        .logged(["ordering a certificate for `shop.example`", "http-01"])
        .await;
    guard
        .logged([
            "the certificate for `shop.example` is valid until",
            "is renewed after",
        ])
        .await;
    assert!(
        guard
            .stdout()
            .contains("shop.example by ACME from https://localhost:")
    );
    let served = async || {
        let mut command = curl(&curl_program, &format!("https://{name}:{}/", secure.port()));
        let to = format!("{name}:{}:127.0.0.1", secure.port());
        // pebble's authority is new each time.
        command.args(["--insecure", "--resolve", &to, "--verbose"]);
        let output = run(command).await;
        (output.status.success(), text(&output.stderr))
    };
    let (is_served, stderr) = served().await;
    assert!(
        is_served && stderr.contains("issuer: CN=Pebble Intermediate CA"),
        "{stderr}"
    );
    drop(guard);

    let guard = Guard::start_on(&plain.to_string(), &args).await;
    assert!(served().await.0, "from the cache");
    assert!(!guard.log().contains("ordering"), "{}", guard.log());
    assert_eq!(pebble.issued(), 1);
}
