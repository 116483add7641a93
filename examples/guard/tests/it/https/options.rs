//! Options that do not belong together are refused with the reason.

use gabion_testkit::TempFolder;

use super::Authority;
use crate::support::Guard;

const PLAIN: &[&str] = &[];
const TLS: &[&str] = &["--listen-tls", "127.0.0.1:0"];

/// Asserts that the guard does not start with these arguments, and that its message has each of `words`.
async fn assert_refused(listen: &[&str], args: &[&str], words: &[&str]) {
    let args = [listen, args].concat();
    let mut guard = Guard::spawn("127.0.0.1:0", &args);
    assert!(!guard.wait_for_exit().await.success(), "{args:?}");
    for words in words {
        guard.logged([words]).await;
    }
}

#[tokio::test]
async fn incomplete_options_are_refused() {
    let pair = ["--tls-cert", "a.pem", "--tls-key", "a.key"];
    assert_refused(PLAIN, &pair, &["--tls-cert needs --listen-tls"]).await;
    assert_refused(
        TLS,
        &[],
        &["--listen-tls needs a certificate", "--acme-domain NAME"],
    )
    .await;
    assert_refused(TLS, &pair[..2], &["1 --tls-cert and 0 --tls-key"]).await;
    let acme = ["--acme-domain", "a.example", "--state", "state"];
    assert_refused(TLS, &acme[..2], &["needs --state DIR"]).await;
    assert_refused(TLS, &acme, &["--acme-agree-tos", "terms of service"]).await;
    assert_refused(
        TLS,
        &["--acme-staging"],
        &["--acme-staging needs --acme-domain"],
    )
    .await;
}

#[tokio::test]
async fn files_that_are_no_certificates_are_refused() {
    let folder = TempFolder::new("guard-no-certificate");
    let refused = async |chain: &str, key: &str, words: &[&str]| {
        assert_refused(TLS, &["--tls-cert", chain, "--tls-key", key], words).await;
    };
    let missing = folder.file("missing.pem");
    refused(
        &missing,
        &missing,
        &["cannot read `", "missing.pem`: No such file"],
    )
    .await;
    let text = folder.replace("text.pem", "no certificate");
    refused(&text, &text, &["text.pem` contains no certificate"]).await;
    let authority = Authority::new("guard-mismatch");
    let one = authority.write("one", &["a.example"]);
    let other = authority.write("other", &["a.example"]);
    let words = [
        "other.key` is not that of the first certificate in `",
        "one.pem`",
    ];
    refused(&one.chain, &other.key, &words).await;
}

#[tokio::test]
async fn acme_behind_a_balancer_is_refused_with_the_place_of_the_certificate() {
    let folder = TempFolder::new("guard-acme-balancer");
    let state = folder.file("state");
    let acme = |name| {
        [
            "--acme-domain",
            name,
            "--acme-agree-tos",
            "--state",
            &*state,
        ]
    };
    let words = ["this guard ends no TLS", "belongs on the balancer", "ACM"];
    assert_refused(PLAIN, &acme("a.example"), &words).await;
    let policy = "version = 1\n[client]\ntrusted_proxies = [\"10.0.0.0/8\"]\n";
    let policy = folder.replace("policy.toml", policy);
    let args = [&acme("a.example")[..], &["--policy", &policy]].concat();
    let words = [
        "the policy trusts proxies (10.0.0.0/8)",
        "belongs on the balancer",
        "--proxy-protocol",
    ];
    assert_refused(TLS, &args, &words).await;
    let words = ["`*.a.example` cannot get a certificate by ACME"];
    assert_refused(TLS, &acme("*.a.example"), &words).await;
}
