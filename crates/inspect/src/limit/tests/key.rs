use super::*;

/// Asserts that a second request has its own quota, or that it does not, after a first used it up.
#[track_caller]
fn check(key: &str, first: &OwnedHead, second: &OwnedHead, separate: bool) {
    let limit = limit(&format!("rate = \"1/m\"\nkey = \"{key}\""));
    assert!(passes(&limit, first), "{key} {first:?}");
    assert!(!passes(&limit, first), "{key} {first:?}");
    assert_eq!(
        passes(&limit, second),
        separate,
        "{key} {first:?} {second:?}"
    );
}

#[test]
fn each_client_or_network_has_its_own_quota() {
    for (key, first, second, separate) in [
        ("client", page(), page().from("203.0.113.10"), true),
        ("client", page(), OwnedHead::get("/b"), false),
        (
            "client",
            page().from("2001:db8::1"),
            page().from("2001:db8::2"),
            false,
        ),
        ("client", page().from("::ffff:203.0.113.9"), page(), false),
        ("prefix", page(), page().from("203.0.113.10"), false),
        ("prefix", page(), page().from("203.0.114.9"), true),
        (
            "prefix",
            page().from("2001:db8:1::1"),
            page().from("2001:db8:1:2::1"),
            false,
        ),
        (
            "prefix",
            page().from("2001:db8:1::1"),
            page().from("2001:db8:2::1"),
            true,
        ),
        ("global", page(), page().from("198.51.100.1"), false),
    ] {
        check(key, &first, &second, separate);
    }
}

#[test]
fn each_header_cookie_path_or_host_has_its_own_quota() {
    let with = |name: &'static str, value: &'static str| page().header(name, value);
    for (key, first, second, separate) in [
        ("header:x-key", with("x-key", "a"), with("x-key", "b"), true),
        (
            "header:x-key",
            with("x-key", "a"),
            with("x-key", "a").from("203.0.113.10"),
            false,
        ),
        ("header:x-key", page(), page().from("203.0.113.10"), true),
        (
            "cookie:sid",
            with("cookie", "a=1; sid=x"),
            with("cookie", "sid=x; b=2"),
            false,
        ),
        (
            "cookie:sid",
            with("cookie", "sid=x"),
            with("cookie", "sid=y"),
            true,
        ),
        (
            "cookie:sid",
            with("cookie", "sidx=1"),
            with("cookie", "xsid=2"),
            false,
        ),
        (
            "cookie:sid",
            with("cookie", "sid=x"),
            with("cookie", "a=1").header("cookie", "sid=x"),
            false,
        ),
        (
            "cookie:sid",
            with("cookie", "sid=x; sid=y"),
            with("cookie", "sid=z").header("cookie", "sid=x"),
            false,
        ),
        (
            "header:x-key",
            with("x-key", "a").header("x-key", "b"),
            with("x-key", "c").header("x-key", "a"),
            false,
        ),
        ("path", OwnedHead::get("/a/b"), OwnedHead::get("/a/c"), true),
        (
            "path:1",
            OwnedHead::get("/a/b"),
            OwnedHead::get("/a/c"),
            false,
        ),
        (
            "path:1",
            OwnedHead::get("/a/b"),
            OwnedHead::get("/b/b"),
            true,
        ),
        (
            "path",
            OwnedHead::get("/a"),
            OwnedHead::get("/%61;v=1/"),
            false,
        ),
        (
            "path",
            OwnedHead::get("/a"),
            OwnedHead::get("//x/../A"),
            false,
        ),
        (
            "path",
            OwnedHead::get("/a"),
            OwnedHead::get("/a%3fx=1"),
            false,
        ),
        (
            "path",
            OwnedHead::get("/x%3f/../a"),
            OwnedHead::get("/y%3f/../a"),
            false,
        ),
        (
            "host",
            page().host("a.example"),
            page().host("b.example"),
            true,
        ),
        (
            "host",
            page().host("a.example"),
            page().host("A.example:80"),
            false,
        ),
    ] {
        check(key, &first, &second, separate);
    }
}

#[test]
fn each_limit_has_its_own_quota() {
    for key in ["client", "prefix", "global", "path", "host", "header:x-key"] {
        let rule = |id| {
            let rate = "3/h".parse().unwrap();
            LimitRule::new(id, rate).key([key]).mode(Mode::Enforce)
        };
        let state = State::scratch().with_limits(LimitTable::new(100));
        let limits = [rule("one"), rule("other")].compile(&Context::new(&state));
        let head = page().header("x-key", "a");
        assert_eq!(passed(&limits.unwrap(), 9, |_| head.clone()), 3, "{key}");
    }
}

#[test]
fn combined_keys_count_together() {
    let limit = limit("rate = \"1/m\"\nkey = [\"client\", \"path:1\"]");
    let may_request = |addr, path| passes(&limit, &OwnedHead::get(path).from(addr));
    assert!(may_request("203.0.113.9", "/a"));
    assert!(may_request("203.0.113.9", "/b"));
    assert!(may_request("203.0.113.10", "/a"));
    assert!(!may_request("203.0.113.9", "/a/again"));
}

#[test]
fn invented_values_are_bounded_by_the_ceiling() {
    let invented = |n: u32| {
        OwnedHead::get(&format!("/{n}"))
            .header("x-key", &n.to_string())
            .header("cookie", &format!("sid={n}"))
            .host(&format!("h{n}.example"))
    };
    for (key, ceiling, most) in [
        ("header:x-key", 10, 50),
        ("cookie:sid", 10, 50),
        ("path", 10, 50),
        ("host", 3, 15),
        ("header:x-key", 1, 5),
        ("client", 10, 5),
    ] {
        let limit = limit(&format!("rate = '5/m'\nkey = '{key}'\nceiling = {ceiling}"));
        assert_eq!(passed(&limit, 200, invented), most, "{key} {ceiling}");
        let other_address = invented(1_000).from("198.51.100.7");
        assert!(
            passes(&limit, &other_address),
            "other addresses have their own quota"
        );
        let after = invented(1_001).at(Duration::from_mins(1));
        assert!(passes(&limit, &after), "the quota refills");
    }
}
