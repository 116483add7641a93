//! The commands `check`, `init` and `explain`, and invalid options.

use crate::support::{guard, text};
use gabion_testkit::TempFolder;

#[expect(
    clippy::disallowed_methods,
    reason = "a test reads what the command wrote"
)]
fn read(file: &str) -> String {
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn policy_written_by_init_passes_check() {
    let folder = TempFolder::new("init");
    let policy = folder.file("policy.toml");
    let init = guard(["init", &policy]);
    assert!(init.status.success());
    assert!(text(&init.stdout).contains(&format!("guard --policy {policy}")));
    let check = guard(["check", &policy]);
    assert!(check.status.success(), "{}", text(&check.stderr));
    let rules: usize = gabion::policy::Pack::ALL
        .map(|pack| pack.rules().len())
        .iter()
        .sum();
    assert_eq!(
        text(&check.stdout),
        format!(
            "{policy}: {rules} deny rules, 0 banned networks, 1 allowed entries; 3 of 3 [[expect]] tests pass\n"
        )
    );
    let written = read(&policy);
    for told in [text(&init.stdout), written] {
        assert!(told.contains("a request for /index.php passes"), "{told}");
        assert!(told.contains("--behind "), "{told}");
    }
    let explain = guard(["explain", &policy, "GET /index.php"]);
    assert!(text(&explain.stdout).contains("verdict  pass"));
    // An existing file is not overwritten.
    let again = guard(["init", &policy]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains(&policy));
}

/// A kind of server, a request that it serves, and a probe that it does not.
const SERVERS: &[(&str, &str, &str)] = &[
    ("axum", "GET /api", "GET /index.php"),
    (
        "axum",
        "GET /proxy/https://example.com/a.php",
        "GET /.env.azure",
    ),
    ("dotnet", "GET /default.aspx", "GET /index.php"),
    ("nginx", "GET /wiki/etc..", "GET /static../private"),
    ("nginx", "GET /ocsp/MFAwTjBM%2Fa%3D", "GET /a%2F..%2Fb"),
    (
        "nginx",
        "GET /proxy/https%3A%2F%2Fexample.com%2Fa",
        "GET /.env.azure",
    ),
    ("node", "GET /api", "GET /cgi-bin/luci"),
    ("node", "GET /@scope%2fname", "GET //"),
    ("node", "GET //assets/app.js", "GET //host/wp-admin/"),
    ("php", "GET /index.php", "GET /wp-login.php"),
    ("python", "GET /admin/", "GET /owa/auth"),
    ("rails", "GET /users/1.json", "GET /wp-admin/"),
    ("spring", "GET /actuator/health", "GET /actuator/heapdump"),
    ("spring", "GET /list;jsessionid=1F", "GET /x/..;/public"),
    ("static", "GET /files/dump.sql", "GET /boaform/admin"),
    ("tomcat", "GET /100%25", "GET /x%2fy"),
    ("wordpress", "GET /wp-login.php", "GET /manager/html"),
];

#[test]
fn init_enforces_the_packs_that_fit_the_server() {
    let folder = TempFolder::new("behind");
    for (at, (server, valid, probe)) in SERVERS.iter().enumerate() {
        let policy = folder.file(&format!("{server}-{at}.toml"));
        let init = guard(["init", &policy, "--behind", server]);
        assert!(init.status.success(), "{}", text(&init.stderr));
        let written = read(&policy);
        for told in [text(&init.stdout), written] {
            assert!(!told.contains("unknown"), "{server}: {told}");
        }
        let check = guard(["check", &policy]);
        assert!(check.status.success(), "{}", text(&check.stderr));
        for (request, verdict) in [(valid, "pass"), (probe, "denied"), (&"GET /.env", "denied")] {
            let explain = guard(["explain", &policy, request]);
            let last = format!("verdict  {verdict}");
            let steps = text(&explain.stdout);
            let is_as_expected = steps.lines().any(|line| line.starts_with(&last));
            assert!(is_as_expected, "{server}, {request}: {steps}");
        }
    }
    let unknown = guard(["init", "nowhere.toml", "--behind", "cobol"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("spring"));
}

#[test]
fn check_reports_every_error_with_its_position() {
    let folder = TempFolder::new("check");
    let document = "version = 1\nmod = 'enforce'\n\n[[deny]]\nid = 'php'\nextensions = ['p/hp']\n";
    let policy = folder.replace("policy.toml", document);
    let check = guard(["check", &policy]);
    assert_eq!(check.status.code(), Some(1));
    assert_eq!(text(&check.stdout), "");
    let error = text(&check.stderr);
    for words in [
        format!("{policy}:2:1"),
        "did you mean `mode`?".to_owned(),
        format!("{policy}:6:15"),
    ] {
        assert!(error.contains(&words), "no `{words}` in\n{error}");
    }
}

#[test]
fn check_fails_if_an_expect_test_fails() {
    let folder = TempFolder::new("case");
    let document = "version = 1\n[[expect]]\nrequest = 'GET /.env'\nverdict = 'deny'\n";
    let policy = folder.replace("policy.toml", document);
    let check = guard(["check", &policy]);
    assert_eq!(check.status.code(), Some(1));
    assert!(
        text(&check.stderr).contains(&format!("{policy}:")),
        "{}",
        text(&check.stderr)
    );
}

#[test]
fn missing_policy_file_is_reported_by_name() {
    for args in [["check", "nowhere.toml"], ["--policy", "nowhere.toml"]] {
        let output = guard(args);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            text(&output.stderr).contains("nowhere.toml"),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn explain_prints_every_step() {
    let folder = TempFolder::new("explain");
    let policy = folder.file("policy.toml");
    guard(["init", &policy, "--behind", "spring"]);
    let explain = guard([
        "explain",
        &policy,
        "GET /index.ph%70",
        "--from",
        "198.51.100.7",
    ]);
    assert!(explain.status.success());
    let steps = text(&explain.stdout);
    for inspector in ["protocol", "allow", "ban", "deny"] {
        assert!(
            steps.lines().any(|line| line.starts_with(inspector)),
            "no {inspector} in\n{steps}"
        );
    }
    let last = steps.lines().last().unwrap();
    assert!(
        last.starts_with("verdict  denied (403): rule no-php/scripts: "),
        "{last}"
    );
    assert!(last.ends_with("`index.php` (path decoded)"), "{last}");
    let passed = guard(["explain", &policy, "GET /"]);
    assert!(text(&passed.stdout).ends_with("verdict  pass\n"));
}

#[test]
fn unsupported_upstream_url_is_rejected_at_start() {
    for url in [
        "ftp://127.0.0.1:1",
        "127.0.0.1:1",
        "http://127.0.0.1:1/base",
    ] {
        let output = guard(["--upstream", url, "--listen", "127.0.0.1:0"]);
        assert_eq!(output.status.code(), Some(2), "{url}");
        assert!(
            text(&output.stderr).contains(url),
            "{}",
            text(&output.stderr)
        );
    }
}
