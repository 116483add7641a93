use super::*;

use ServerKind::{Generic, Nginx, Node, Php, Spring, Tomcat};

/// Who refuses `path`, and why.
fn refused(path: &str) -> Vec<(ServerKind, String)> {
    let by = |kind| {
        let denial = ServerQuirks::new(Some(kind), Mode::Enforce).judges(path.as_bytes())?;
        Some((kind, denial.cause.rule.as_str().to_owned()))
    };
    ServerKind::ALL.into_iter().filter_map(by).collect()
}

#[test]
fn each_kind_refuses_what_it_reads_otherwise() {
    for (path, rule, by) in [
        ("/x/..;/public", "path/dot-params", &ServerKind::ALL[..]),
        ("/.;a=1/x", "path/dot-params", &ServerKind::ALL),
        (
            "/a\\b",
            "path/backslash",
            &[Generic, Tomcat, Spring, Php, Node],
        ),
        (
            "/a%5Cb",
            "path/backslash",
            &[Generic, Tomcat, Spring, Php, Node],
        ),
        ("/public;a=b/x", "path/params", &[Tomcat, Spring]),
        ("/x%3By", "path/params", &[Tomcat, Spring]),
        ("/x;jsessionid=1F/y", "path/params", &[Tomcat, Spring]),
        ("/x;a;jsessionid=1F", "path/params", &[Tomcat, Spring]),
        ("/x;jsessionid=", "path/params", &[Tomcat, Spring]),
        ("/a%2fb", "path/encoded-slash", &[Tomcat, Spring, Nginx]),
        ("/100%25", "path/encoded-percent", &[Spring]),
        ("//host/x", "path/leading-slashes", &[Node]),
        ("/a//b", "path/double-slash", &[Spring]),
        ("/x/../y", "path/dot-segments", &[Spring]),
        ("/x%2Ey", "path/dot-segments", &[Spring]),
        ("/index.php/.", "path/dots-at-end", &[Tomcat]),
        ("/index.php/x/.%2E", "path/dots-at-end", &[Tomcat]),
        ("/static../x", "path/dots-after-name", &[Nginx]),
    ] {
        let told: Vec<_> = refused(path)
            .into_iter()
            .filter_map(|(kind, found)| (found == rule).then_some(kind))
            .collect();
        assert_eq!(told, by, "{path}: {:?}", refused(path));
    }
}

#[test]
fn what_nobody_said_anything_of_refuses_nothing() {
    let any = ServerQuirks::default();
    for path in [
        "/x/..;/y",
        "/a\\b",
        "/a;b",
        "/a%2fb",
        "/100%25",
        "//a",
        "/static../x",
    ] {
        assert!(any.judges(path.as_bytes()).is_none(), "{path}");
    }
}

/// What `StrictHttpFirewall` refuses is refused before it, without its stack trace.
#[test]
fn measured_refusals_of_spring_are_anticipated() {
    let rows = gabion_testkit::rows(include_str!("../../testdata/deny.tsv"));
    let spring = ServerQuirks::new(Some(Spring), Mode::Enforce);
    let (mut refused, mut left) = (0, Vec::new());
    for row in rows.iter().filter(|row| row[4].ends_with("; rej")) {
        let target = http::Uri::try_from(gabion_testkit::unescape(row[2])).unwrap();
        let path = target.path().as_bytes();
        if spring.judges(path).is_some() || gabion_core::PathViews::new(path).malformed().is_some()
        {
            refused += 1;
        } else {
            left.push(row[2]);
        }
    }
    assert_eq!((refused, &*left), (55, &[][..]));
}
