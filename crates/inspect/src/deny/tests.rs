use gabion_core::{Malformed, PathViews};
use gabion_testkit::{rows, unescape};
use proptest::{collection::vec, prop_assert_eq, proptest, sample::select};

use super::*;
use crate::{ConfigPath, Problem, State};

const FIRST: Duration = Duration::from_mins(10);

fn context() -> Context {
    Context::new(&State::scratch()).with_ban_for(FIRST)
}

#[track_caller]
fn compile(rules: &[DenyRule]) -> Deny {
    rules.compile(&context()).unwrap()
}

#[track_caller]
fn check(deny: &Deny, path: &str, rule: Option<&str>) {
    let denial = deny.judges(path.as_bytes());
    let got = denial.as_ref().map(|denial| denial.cause.rule.as_str());
    assert_eq!(got, rule, "{path}: {denial:?}");
}

#[test]
fn extension_matches_on_any_segment() {
    let deny = compile(&[DenyRule::new("php").extensions(["php", ".phtml"])]);
    for path in [
        "/a.php",
        "/A.PHP",
        "/a.php/x",
        "/a.phtml",
        "/.php",
        "/a.php.",
        "/a.php::$DATA",
    ] {
        check(&deny, path, Some("php"));
    }
    for path in ["/a.php.bak", "/php", "/a.phpx", "/a.php~", "/index;.php"] {
        check(&deny, path, None);
    }
}

#[test]
fn hidden_name_matches_with_any_extension_but_that_of_a_page() {
    let deny = compile(&[DenyRule::new("env").names([".env.*"])]);
    let long = format!("/{}/.env.x", "a".repeat(200));
    for path in [
        "/.env.azure",
        "/app/.ENV.staging",
        "/.env.local.bak",
        "/.env.52.90",
        "/%2eenv%2eqa",
        "/x/.env.ci;a=b/y",
        "/x:.env.ci",
        &long,
        &long[137..],
        &long[138..],
        &long[139..],
    ] {
        let path = format!("/{}", path.trim_start_matches('/'));
        check(&deny, &path, Some("env"));
    }
    for path in [
        "/.env",
        "/.env.",
        "/environment",
        "/.environment.x",
        "/.envs.x",
        "/env.azure",
        "/x.env.azure",
        "/.well-known/security.txt",
        "/docs/.env.md",
        "/docs/.env.production.HTML",
    ] {
        check(&deny, path, None);
    }
    for name in ["*.bak", ".*", "env.*", ".env*", ".a.*.*", "..*"] {
        let errors = [DenyRule::new("x").names([name])].compile(&context());
        let error = errors.map(drop).unwrap_err().to_string();
        assert!(error.contains("as in `.env.*`"), "{name}: {error}");
    }
}

#[test]
fn extension_in_a_url_inside_the_path_matches_on_request_only() {
    let rule = DenyRule::new("asp").extensions(["asp", "aspx"]);
    let own = compile(&[rule.clone().except_in_urls()]);
    let any = compile(&[rule]);
    for path in [
        "/wayback/http://old.example/page.asp",
        "/web/2015/http:/old.example/page.asp",
        "/proxy/https%3A/example.com/a.aspx",
        "/proxy/https%3A%2F%2Fexample.com%2Fa.aspx",
        "/proxy/https%253A%252F%252Fexample.com%252Fa.aspx",
        "/fetch/u_HTTPS://example.com/a.aspx/x.png",
    ] {
        check(&own, path, None);
        check(&any, path, Some("asp"));
    }
    for path in [
        "/page.asp",
        "/page.asp/http://old.example/x",
        "/http://old.example/../../page.asp",
        "/http%3A/..%2fpage.asp",
        "/https/page.asp",
        "/nohttp:/page.asp",
        "/x/httpd:/page.asp",
        "//http/page.asp",
    ] {
        check(&own, path, Some("asp"));
    }
    let both = compile(&[
        DenyRule::new("own").extensions(["php"]).except_in_urls(),
        DenyRule::new("any").extensions(["php"]),
    ]);
    check(&both, "/a.php", Some("own"));
    check(&both, "/http://a.example/a.php", Some("any"));
}

#[test]
fn prefix_matches_by_segment() {
    let deny = compile(&[DenyRule::new("public").prefix(["/public/"])]);
    for path in [
        "/public",
        "/public/",
        "/Public/x",
        "/public./x",
        "//public/x",
        "/a/../public",
        "/public/../x",
    ] {
        check(&deny, path, Some("public"));
    }
    for path in ["/publicity", "/a/public", "/public.html", "/x/../publicity"] {
        check(&deny, path, None);
    }
    let everything = compile(&[DenyRule::new("all").prefix(["/"])]);
    check(&everything, "/", Some("all"));
    check(&everything, "/x", Some("all"));
}

#[test]
fn exact_path_matches_with_and_without_a_trailing_slash() {
    let deny = compile(&[DenyRule::new("status").exact(["/server-status"])]);
    check(&deny, "/server-status", Some("status"));
    check(&deny, "/Server-Status/", Some("status"));
    check(&deny, "/server%2dstatus", Some("status"));
    check(&deny, "/server-status/x", None);
    check(&deny, "/x/server-status", None);
}

#[test]
fn name_matches_on_any_segment() {
    let deny = compile(&[DenyRule::new("dotfiles").names([".env", ".git"])]);
    for path in [
        "/.env",
        "/api/.env",
        "/.git/config",
        "/.GIT/HEAD",
        "/.env%20",
        "/.env::$DATA",
    ] {
        check(&deny, path, Some("dotfiles"));
    }
    for path in ["/.environment", "/env", "/.env.example", "/.gitignore"] {
        check(&deny, path, None);
    }
}

#[test]
fn regex_matches_in_any_view() {
    let deny = compile(&[DenyRule::new("backup").regex([r"\.(bak|old)$", r"^/dump"])]);
    let denial = deny.judges(b"/x/a%2ebak").unwrap();
    assert_eq!(denial.cause.evidence.as_bytes(), b"/x/a.bak");
    assert_eq!(denial.cause.view.unwrap().to_string(), "decoded");
    check(&deny, "/dump.sql", Some("backup"));
    check(&deny, "/a.bak.txt", None);
}

#[test]
fn action_sets_status_and_ban() {
    let minute = crate::Period(Duration::from_mins(1));
    let deny = compile(&[
        DenyRule::new("a").exact(["/a"]),
        DenyRule::new("b").exact(["/b"]).then(Action::NotFound),
        DenyRule::new("c").exact(["/c"]).then(Action::Ban(None)),
        DenyRule::new("d")
            .exact(["/d"])
            .then(Action::Ban(Some(minute))),
    ]);
    let outcome = |path: &str| {
        let denial = deny.judges(path.as_bytes()).unwrap();
        (
            denial.status.as_u16(),
            denial.offense.map(|offense| offense.ban_for),
        )
    };
    assert_eq!(outcome("/a"), (403, None));
    assert_eq!(outcome("/b"), (404, None));
    assert_eq!(outcome("/c"), (403, Some(FIRST)));
    assert_eq!(outcome("/d"), (403, Some(minute.0)));
}

#[test]
fn rule_in_observe_mode_never_hides_an_enforced_rule() {
    let deny = compile(&[
        DenyRule::new("watched").prefix(["/a"]).mode(Mode::Observe),
        DenyRule::new("acting").extensions(["php"]),
    ]);
    check(&deny, "/a/x.php", Some("acting"));
    check(&deny, "/a/x", None);
}

#[test]
fn all_errors_are_reported_with_their_paths() {
    let rules = [
        DenyRule::new("bad id").exact(["/x"]),
        DenyRule::new("twice").exact(["x", "/%61", "/a//b"]),
        DenyRule::new("twice").names(["a/b", ""]),
        DenyRule::new("empty"),
        DenyRule::new("re").regex(["ok", "(", r"\w{9999}{99}"]),
    ];
    let errors = rules.compile(&context()).unwrap_err();
    let paths: Vec<_> = errors.iter().map(|error| error.path.to_string()).collect();
    assert_eq!(
        paths,
        [
            "deny[0].id",
            "deny[1].exact[0]",
            "deny[1].exact[1]",
            "deny[1].exact[2]",
            "deny[2].id",
            "deny[2].names[0]",
            "deny[2].names[1]",
            "deny[3]",
            "deny[4].regex[1]",
            "deny[4].regex[2]",
        ]
    );
    assert!(
        errors
            .iter()
            .all(|error| !error.to_string().contains('\n') || error.path.key == "regex")
    );
    let most = ConfigPath::new("deny", "");
    let flood: Vec<_> = (0..1001).map(|n| n.to_string()).collect();
    let errors = [DenyRule::new("flood").regex(flood)]
        .compile(&context())
        .unwrap_err();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].path, most);
    assert!(matches!(
        errors[0].problem,
        Problem::TooMany { found: 1001, .. }
    ));
}

/// The rules of the vectors: literal, as nginx users write them, and typed.
fn columns() -> [(&'static str, usize, Deny); 2] {
    let literal = [
        DenyRule::new("php").regex([r"\.php$"]),
        DenyRule::new("pub").regex(["^/public/"]),
    ];
    let family = [
        "php", "php3", "php4", "php5", "php6", "php7", "php8", "phtml", "phar", "phps", "pht",
    ];
    let typed = [
        DenyRule::new("php").extensions(family),
        DenyRule::new("pub").prefix(["/public"]),
    ];
    [
        ("literal", 6, compile(&literal)),
        ("typed", 7, compile(&typed)),
    ]
}

/// Returns the path of a target as hyper extracts it.
fn path_of(target: &[u8]) -> Vec<u8> {
    let end = target
        .iter()
        .position(|byte| b"?#".contains(byte))
        .unwrap_or(target.len());
    let target = &target[..end];
    let text = String::from_utf8_lossy(target);
    let Some(scheme) = text.find("://").filter(|_| !text.starts_with('/')) else {
        return if target.first() == Some(&b'/') || text.contains('\\') || text.starts_with(' ') {
            target.to_vec()
        } else {
            Vec::new()
        };
    };
    match target[scheme + 3..].iter().position(|&byte| byte == b'/') {
        Some(slash) => target[scheme + 3 + slash..].to_vec(),
        None => b"/".to_vec(),
    }
}

#[test]
fn path_vectors_have_the_measured_verdicts() {
    let rows = rows(include_str!("../../testdata/deny.tsv"));
    assert_eq!(rows.len(), 181, "vectors are missing");
    let mut wrong = Vec::new();
    for (column, at, deny) in columns() {
        for row in &rows {
            let path = path_of(&unescape(row[2]));
            let views = PathViews::new(&path);
            let denied = deny
                .judges(&path)
                .map(|denial| denial.cause.rule.to_string());
            let refused = views.malformed().map(|malformed| match malformed {
                Malformed::Form => "400 badform",
                Malformed::Control(_) => "400 ctl",
                Malformed::Escape => "400 badpct",
                Malformed::Utf8 => "400 badutf8",
                _ => "400 decctl",
            });
            let got = denied
                .or_else(|| refused.map(Into::into))
                .unwrap_or_else(|| "pass".into());
            if got != row[at] {
                let (number, target) = (row[0], row[2]);
                wrong.push(format!(
                    "{column} {number} {target}: {got}, not {}",
                    row[at]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each target is denied by the rule that protects the path that some server reads in it.
#[test]
fn readings_of_servers_are_denied() {
    let deny = compile(&[
        DenyRule::new("exact").exact(["/admin", "/secret/page"]),
        DenyRule::new("prefix").prefix(["/foo"]),
        DenyRule::new("names").names([".git", "hidden"]),
        DenyRule::new("extensions").extensions(["php"]),
        DenyRule::new("regex").regex([r"^/[a-z]+\.bak$"]),
    ]);
    for row in rows(include_str!("../../testdata/readings.tsv")) {
        check(&deny, row[0], Some(row[2]).filter(|rule| *rule != "-"));
        assert_eq!(PathViews::new(row[0].as_bytes()).malformed(), None);
    }
}

#[test]
fn user_agent_is_denied_by_any_substring() {
    let deny = compile(&[DenyRule::new("tools").agents(["sqlmap", "Nikto"])]);
    let verdict = |agent: Option<&str>| {
        let head = gabion_testkit::OwnedHead::get("/");
        let head = match agent {
            Some(agent) => head.header("user-agent", agent),
            None => head,
        };
        let rules = gabion_core::ClientRules::default();
        let facts = head.facts(&rules);
        deny.inspect(&facts, &mut RequestState::new(&facts))
            .to_string()
    };
    assert_eq!(
        verdict(Some("Mozilla/5.00 (NIKTO/2.1.5)")),
        "denied (403): rule tools: User-Agent contains `NIKTO`"
    );
    assert_eq!(verdict(Some("Mozilla/5.0")), "pass");
    assert_eq!(verdict(None), "pass");
    let short = [DenyRule::new("short").agents(["ab"])];
    let errors = short.compile(&context()).unwrap_err();
    assert_eq!(errors[0].path.to_string(), "deny[0].agents[0]");
}

proptest! {
    #[test]
    fn search_of_candidates_has_the_result_of_a_search_of_all_views(
        pieces in vec(select(&[
            "/", "/", "/", "a", "b", "admin", ".env", "env", ".git", "php", ".", "..", ";", ";v=1",
            ":", "::$DATA", " ", "%2e", "%252e", "%2f", "%5c", "\\", "%00", "?", "%3f", "%23",
        ][..]), 0..14),
        exact in select(&["/", "/a", "/a/b"][..]),
        mode in select(&[Mode::Enforce, Mode::Observe][..]),
    ) {
        let rules = [
            DenyRule::new("names").names([".git", "a.b", ".env.*"]),
            DenyRule::new("extensions").extensions(["php"]),
            DenyRule::new("prefix").prefix(["/admin", "/b/a"]),
            DenyRule::new("exact").exact([exact]),
        ];
        let rules = rules.map(|rule| rule.mode(mode));
        let deny = compile(&rules);
        let matcher = match mode {
            Mode::Enforce => &deny.enforced,
            Mode::Observe => &deny.observed,
        };
        let path = format!("/{}", pieces.concat());
        let path = PathViews::new(path.as_bytes());
        let candidates = matcher.candidates(&path);
        let found = candidates.and_then(|candidates| deny.find(matcher, candidates, &path));
        prop_assert_eq!(found, deny.find(matcher, Candidates::All, &path));
    }
}
