use proptest::prelude::*;

use super::*;

use ServerKind::{Axum, Express, Generic, Nginx, Node, Php, Python, Spring, Tomcat};

/// Returns the kinds of server for which `path` is denied, with the rules.
fn denied(path: &str) -> Vec<(ServerKind, String)> {
    let by = |kind| {
        let denial = ServerQuirks::new(Some(kind), Mode::Enforce)
            .find_denial(&PathViews::new(path.as_bytes()))?;
        Some((kind, denial.cause.rule.as_str().to_owned()))
    };
    ServerKind::ALL.into_iter().filter_map(by).collect()
}

/// The kinds whose routers resolve no dot segments.
const UNRESOLVING: &[ServerKind] = &[Node, Express, Axum, Python];

#[test]
fn each_kind_has_its_denied_spellings() {
    for (path, rule, by) in [
        ("/x/..;/public", "path/dot-params", &ServerKind::ALL[..]),
        ("/.;a=1/x", "path/dot-params", &ServerKind::ALL),
        (
            "/a\\b",
            "path/backslash",
            &[Generic, Tomcat, Spring, Php, Node, Express, Axum, Python],
        ),
        (
            "/a%5Cb",
            "path/backslash",
            &[Generic, Tomcat, Spring, Php, Node, Express, Axum, Python],
        ),
        ("/public;a=b/x", "path/params", &[Tomcat, Spring]),
        ("/x%3By", "path/params", &[Tomcat, Spring]),
        ("/x;jsessionid=1F/y", "path/params", &[Tomcat, Spring]),
        ("/x;a;jsessionid=1F", "path/params", &[Tomcat, Spring]),
        ("/x;jsessionid=", "path/params", &[Tomcat, Spring]),
        ("/a%2fb", "path/encoded-slash", &[Tomcat, Spring]),
        ("/a%2f%2fb%2f", "path/encoded-slash", &[Tomcat, Spring]),
        (
            "/a%2F..%2Fb",
            "path/encoded-slash",
            &[Tomcat, Spring, Nginx],
        ),
        ("/a%2f../b", "path/encoded-slash", &[Tomcat, Spring, Nginx]),
        (
            "/a/%2e%2e%2fb",
            "path/encoded-slash",
            &[Tomcat, Spring, Nginx],
        ),
        ("/a/.%2fb", "path/encoded-slash", &[Tomcat, Spring, Nginx]),
        ("/100%25", "path/encoded-percent", &[Spring]),
        ("//assets/app.js", "path/leading-slashes", &[]),
        ("//", "path/leading-slashes", &[Node]),
        ("//a:b/x", "path/leading-slashes", &[Node]),
        ("/a//b", "path/double-slash", &[Spring]),
        ("/x/../y", "path/dot-segments", &[Spring]),
        ("/x%2Ey", "path/dot-segments", &[Spring]),
        ("/x/../y", "path/unresolved-dots", UNRESOLVING),
        ("/x/./y", "path/unresolved-dots", UNRESOLVING),
        ("/x/..", "path/unresolved-dots", UNRESOLVING),
        ("/x/%2e%2E/y", "path/unresolved-dots", UNRESOLVING),
        ("/x/..%2fy", "path/unresolved-dots", UNRESOLVING),
        ("/x%2f../y", "path/unresolved-dots", UNRESOLVING),
        ("/x/%252e%252e/y", "path/unresolved-dots", &[]),
        ("/x/.../y%2ez", "path/unresolved-dots", &[]),
        ("/index.php/.", "path/dots-at-end", &[Tomcat]),
        ("/index.php/x/.%2E", "path/dots-at-end", &[Tomcat]),
        ("/static../x", "path/dots-after-name", &[Nginx]),
    ] {
        let kinds: Vec<_> = denied(path)
            .into_iter()
            .filter_map(|(kind, found)| (found == rule).then_some(kind))
            .collect();
        assert_eq!(kinds, by, "{path}: {:?}", denied(path));
    }
}

proptest! {
    #[test]
    fn path_without_the_triggers_of_a_check_does_not_match_it(path in "/([%2f5bce./;\\\\a]|;jsessionid=|\\.\\.){0,12}") {
        let views = PathViews::new(path.as_bytes());
        for check in &CHECKS {
            if (check.matches)(&views) {
                prop_assert!(views.classes().intersects(check.triggers), "{}: {path}", check.id);
            }
        }
    }
}

/// Measured on Node.js 20.20.2: `new URL(path, "http://b.example")`.
#[test]
fn leading_slashes_are_denied_if_the_url_parser_of_node_may_throw() {
    let throws = [
        "//",
        "///",
        "//a:b/c",
        "//a%20b/c",
        "//1.2.3.4.5/x",
        "//99999999999/x",
        "//v1.99/x",
        "//08/x",
        "//xn--/x",
        "//[x]/c",
        "//a.0X/c",
        "//a.1.",
    ];
    let accepts = [
        "//a/b",
        "///a/b",
        "//a",
        "//2024/06/x",
        "//_next/x",
        "//a_b-c/x",
        "//a.js",
        "//.env",
        "//-a/b",
        "//v1.9a/x",
        "//a./x",
    ];
    // Accepted as well, but not by a rule as short.
    let others = ["//@scope/name", "//a:80/c", "//caf%C3%A9/x", "//1.2.3/x"];
    let node = |path: &&str| denied(path).iter().any(|(kind, _)| *kind == Node);
    assert_eq!(throws.iter().find(|path| !node(path)), None);
    assert_eq!(accepts.iter().find(|path| node(path)), None);
    assert_eq!(others.iter().find(|path| !node(path)), None);
}

#[test]
fn without_a_kind_nothing_is_denied() {
    let any = ServerQuirks::default();
    for path in [
        "/x/..;/y",
        "/a\\b",
        "/a;b",
        "/a%2fb",
        "/100%25",
        "//",
        "/static../x",
    ] {
        assert!(
            any.find_denial(&PathViews::new(path.as_bytes())).is_none(),
            "{path}"
        );
    }
}

/// Requests that `StrictHttpFirewall` rejects are denied first, without its stack trace.
#[test]
fn measured_rejections_of_spring_are_denied() {
    let rows = gabion_testkit::rows(include_str!("../../testdata/deny.tsv"));
    let spring = ServerQuirks::new(Some(Spring), Mode::Enforce);
    let (mut refused, mut left) = (0, Vec::new());
    for row in rows.iter().filter(|row| row[4].ends_with("; rej")) {
        let target = http::Uri::try_from(gabion_testkit::unescape(row[2])).unwrap();
        let path = target.path().as_bytes();
        let path = PathViews::new(path);
        if spring.find_denial(&path).is_some() || path.malformed().is_some() {
            refused += 1;
        } else {
            left.push(row[2]);
        }
    }
    assert_eq!((refused, &*left), (55, &[][..]));
}
