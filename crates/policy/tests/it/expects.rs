//! What must hold before a policy comes into force.

use gabion_policy::check;

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

fn holds(case: &str) -> Result<(), String> {
    let text = format!("{POLICY}[[expect]]\n{case}\n");
    let report = check(&text, "policy.toml", None).map_err(|error| error.to_string())?;
    assert_eq!(report.expected, 1);
    Ok(())
}

#[test]
fn cases_that_hold() {
    for case in [
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
        assert_eq!(holds(case), Ok(()), "{case}");
    }
}

#[test]
fn cases_that_do_not_hold() {
    for (case, place, told) in [
        (
            "request = '/index.php'\nverdict = 'pass'",
            "17:11",
            "deny with 403: rule php",
        ),
        (
            "request = '/'\nverdict = 'deny'",
            "17:11",
            "gets another verdict: pass",
        ),
        (
            "request = '/'\nverdict = 'allow'",
            "17:11",
            "gets another verdict: pass",
        ),
        (
            "request = '/x.php'\nverdict = 'deny'\nrule = 'dotfiles'",
            "18:8",
            "rule php",
        ),
        (
            "request = '/trial'\nverdict = 'deny'",
            "17:11",
            "would deny with 403: rule trial",
        ),
    ] {
        let error = holds(case).expect_err(case);
        assert!(error.contains(&format!("policy.toml:{place}\n")), "{error}");
        assert!(error.contains(told), "{error}");
        assert!(
            error.contains("protocol pass"),
            "the steps are told: {error}"
        );
    }
}

#[test]
fn document_that_observes_is_held_to_what_it_will_do() {
    let case = "[[expect]]\nrequest = '/index.php'\nverdict = 'deny'\n";
    let text = format!("mode = 'observe'\n{POLICY}{case}");
    let report = check(&text, "policy.toml", None).unwrap();
    assert_eq!(report.expected, 1);
}

#[test]
fn report_counts_and_warns() {
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
            .starts_with("warning: rules that do not say `mode` only observe")
    );
}
