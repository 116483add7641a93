//! `[[expect]]` tests, which must pass before a policy comes into force.

use gabion_policy::{Document, Expect, Expected, check};

const POLICY: &str = "version = 1
[client]
trusted_proxies = ['10.0.0.0/8']
[allow]
networks = ['198.51.100.1']
[ban]
networks = ['203.0.113.0/24']
[[deny]]
id = 'php'
extensions = 'php'
[[deny]]
id = 'trial'
names = 'trial'
mode = 'observe'
";

fn check_test(test: &str) -> Result<(), String> {
    let document = format!("{POLICY}[[expect]]\n{test}\n");
    let report = check(&document, "policy.toml", None).map_err(|error| error.to_string())?;
    assert_eq!(report.expected, 1);
    Ok(())
}

#[test]
fn passing_expect_tests_are_accepted() {
    for test in [
        "request = '/'\nverdict = 'pass'",
        "request = 'POST /x?y=1'\nverdict = 'pass'",
        "request = '/index.php'\nverdict = 'deny'",
        "request = '/index.php'\nverdict = 'deny'\nrule = 'php'",
        "request = '/%00'\nverdict = 'deny'\nrule = 'path/nul'",
        "request = '/index.php'\nfrom = '198.51.100.1'\nverdict = 'allow'",
        "request = '/'\nfrom = '203.0.113.9'\nverdict = 'deny'",
        "request = '/'\nfrom = '10.1.1.1'\nheaders = { X-Forwarded-For = '203.0.113.9' }\nverdict = 'deny'",
        "request = '/'\nfrom = '192.0.2.9'\nheaders = { X-Forwarded-For = '203.0.113.9' }\nverdict = 'pass'",
        "request = '/trial'\nverdict = 'pass'",
    ] {
        assert_eq!(check_test(test), Ok(()), "{test}");
    }
}

#[test]
fn failing_expect_tests_are_refused() {
    for (test, position, message) in [
        (
            "request = '/index.php'\nverdict = 'pass'",
            "17:11",
            "expected `pass` for `/index.php`, got: ",
        ),
        (
            "request = '/'\nverdict = 'deny'",
            "17:11",
            "expected `deny` for `/`, got: pass",
        ),
        (
            "request = '/'\nverdict = 'allow'",
            "17:11",
            "expected `allow` for `/`, got: pass",
        ),
        (
            "request = '/x.php'\nverdict = 'deny'\nrule = 'dotfiles'",
            "18:8",
            "expected `deny` by rule `dotfiles` for `/x.php`, got: ",
        ),
        (
            "request = '/trial'\nverdict = 'deny'",
            "17:11",
            "rule trial",
        ),
    ] {
        let error = check_test(test).expect_err(test);
        assert!(
            error.contains(&format!("policy.toml:{position}\n")),
            "{error}"
        );
        assert!(error.contains(message), "{error}");
        assert!(
            error.contains("protocol pass"),
            "the steps are listed: {error}"
        );
    }
}

#[test]
fn expect_tests_of_a_document_in_observe_mode_run_in_enforce_mode() {
    let test = "[[expect]]\nrequest = '/index.php'\nverdict = 'deny'\n";
    let document = format!("mode = 'observe'\n{POLICY}{test}");
    let report = check(&document, "policy.toml", None).unwrap();
    assert_eq!(report.expected, 1);
}

#[test]
fn report_has_counts_and_warnings() {
    let text = "version = 1
mode = 'observe'
[client]
trusted_proxies = ['10.0.0.0/8', '203.0.113.0/24']
[allow]
networks = ['192.0.2.1']
paths = ['/a', '/b']
[ban]
networks = ['198.51.100.1']
[[deny]]
id = 'a'
names = 'a'
";
    let report = check(text, "policy.toml", None).unwrap();
    assert_eq!(
        (report.deny, report.banned, report.allowed, report.expected),
        (1, 1, 3, 0)
    );
    let warned: Vec<_> = report
        .warnings
        .iter()
        .map(|one| (one.line(), one.column()))
        .collect();
    assert_eq!(warned, [(2, 8), (4, 34)]);
    assert!(
        report
            .to_string()
            .starts_with("warning: observe mode: rules without their own `mode` only log")
    );
}

#[test]
fn expect_test_built_in_code_equals_the_parsed_one() {
    let text = "version = 1
[[expect]]
request = 'GET /chat'
from = '198.51.100.1'
headers = { origin = 'https://app.example' }
message = 'hello'
verdict = 'deny'
rule = 'chat'
";
    let built = Expect::new("GET /chat", Expected::Deny)
        .with_from([198, 51, 100, 1].into())
        .with_header("origin", "https://app.example")
        .with_message("hello")
        .with_rule("chat");
    assert_eq!(
        Document::parse(text, "policy.toml").unwrap().expect,
        [built]
    );
}
