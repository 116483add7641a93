//! A rule matches a path in every spelling, and an ambiguous path is refused.

use crate::support::in_process::{ban, get, guarded};

const POLICY: &str = r#"
    version = 1
    [[deny]]
    id = "status"
    exact = ["/server-status"]
    [[deny]]
    id = "admin"
    prefix = ["/admin"]
    [[deny]]
    id = "dotfiles"
    names = [".env", ".git"]
    [[deny]]
    id = "php"
    extensions = ["php", "phtml"]
    then = "404"
    [[deny]]
    id = "dumps"
    regex = ['^/backup/.*\.sql$']
"#;

#[test]
fn every_kind_of_rule_matches_every_spelling() {
    let server = guarded(POLICY);
    for (target, verdict) in [
        ("/server-status", "403 status"),
        ("/Server-Status/", "403 status"),
        ("/server%2dstatus", "403 status"),
        ("/./x/..//server-status", "403 status"),
        ("/server-status;jsessionid=1", "403 status"),
        ("/server-status-page", "200"),
        ("/x/server-status", "200"),
        ("/admin", "403 admin"),
        ("/ADMIN/users", "403 admin"),
        ("/%61dmin/users", "403 admin"),
        ("/%2561dmin/users", "403 admin"),
        ("/x/..;/admin/users", "403 admin"),
        ("/x/..%5cadmin", "403 admin"),
        ("/x/y/%2e%2e/../admin/z%2f..%2f..%2fok", "403 admin"),
        ("//admin//users", "403 admin"),
        ("/administrators", "200"),
        ("/x/admin", "200"),
        ("/.env", "403 dotfiles"),
        ("/api/.git/config", "403 dotfiles"),
        ("/%2eenv", "403 dotfiles"),
        ("/%252%65env", "403 dotfiles"),
        ("/.env;a=b", "403 dotfiles"),
        ("/x\\.env", "403 dotfiles"),
        ("/.ENV::$DATA", "403 dotfiles"),
        ("/.environment", "200"),
        ("/git", "200"),
        ("/index.php", "404 php"),
        ("/index.pHp/path/info.css", "404 php"),
        ("/index.ph%70", "404 php"),
        ("/index.php%20", "404 php"),
        ("/index.php;x.css", "404 php"),
        ("/index.phtml?x", "404 php"),
        ("/index.html?f=a.php", "200"),
        ("/index.php.txt", "200"),
        ("/backup/a.sql", "403 dumps"),
        ("/backup/%61%2esql", "403 dumps"),
        ("/x/../backup/a.sql", "403 dumps"),
        ("/backup%2fa.sql", "403 dumps"),
        ("/backup/a.sql.txt", "200"),
    ] {
        assert_eq!(server.verdict(target), verdict, "{target}");
    }
}

#[test]
fn malformed_head_is_refused_with_its_rule() {
    let server = guarded(POLICY);
    let connect = || get("http://a/").method("CONNECT");
    for (request, verdict) in [
        (get("/x%00"), "400 path/nul"),
        (get("/x%1b"), "400 path/escaped-control"),
        (get("/x%"), "400 path/escape"),
        (get("/x%u0041"), "400 path/escape"),
        (get("/x%c0%af"), "400 path/utf8"),
        (get("/x%ff"), "400 path/utf8"),
        (get("/../x"), "400 path/above-root"),
        (get("/a/%2e%2e/%2e%2e/x"), "400 path/above-root"),
        (get("a:80"), "400 path/form"),
        (get("*"), "400 path/form"),
        (get("http://user@a/"), "400 target/userinfo"),
        (get("/").without_host(), "400 host/missing"),
        (get("/").header("host", "b"), "400 host/doubled"),
        (get("a:80").method("CONNECT"), "405 connect/tunnel"),
        (connect().http2(), "405 connect/tunnel"),
        (get("*").method("OPTIONS"), "200"),
        (get("/caf%c3%a9"), "200"),
        (get("/a%20b/../c"), "200"),
        (get("http://a/").http2().without_host(), "200"),
    ] {
        assert_eq!(server.verdict(request.clone()), verdict, "{request:?}");
    }
}

#[test]
fn rule_that_matches_a_malformed_head_is_reported_instead() {
    let server = guarded(POLICY);
    for (target, verdict) in [
        ("/.env%00.css", "403 dotfiles"),
        ("/index.php%00.css", "404 php"),
        ("/../../admin/x", "403 admin"),
        ("/%2e%2e/.env", "403 dotfiles"),
        ("/%zz/.git/config", "403 dotfiles"),
        ("/%zz/git/config", "400 path/escape"),
    ] {
        assert_eq!(server.verdict(target), verdict, "{target}");
    }
    ban(&server, "203.0.113.9");
    assert_eq!(server.verdict("/x%00"), "403 ban/timed");
}
