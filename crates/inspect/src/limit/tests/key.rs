use super::*;

#[test]
fn each_key_has_a_budget_of_its_own() {
    let with = |name: &'static str, value: &'static str| page().header(name, value);
    for (key, one, other, apart) in [
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
        ("global", page(), page().from("198.51.100.1"), false),
    ] {
        let limit = limit(&format!("rate = \"1/m\"\nkey = \"{key}\""));
        assert!(passes(&limit, &one), "{key} {one:?}");
        assert!(!passes(&limit, &one), "{key} {one:?}");
        assert_eq!(passes(&limit, &other), apart, "{key} {one:?} {other:?}");
    }
}

#[test]
fn combined_keys_count_together() {
    let limit = limit("rate = \"1/m\"\nkey = [\"client\", \"path:1\"]");
    let ask = |addr, path| passes(&limit, &OwnedHead::get(path).from(addr));
    assert!(ask("203.0.113.9", "/a"));
    assert!(ask("203.0.113.9", "/b"));
    assert!(ask("203.0.113.10", "/a"));
    assert!(!ask("203.0.113.9", "/a/again"));
}

#[test]
fn what_a_client_invents_multiplies_its_budget_up_to_the_ceiling_only() {
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
        let elsewhere = invented(1_000).from("198.51.100.7");
        assert!(passes(&limit, &elsewhere), "others have theirs");
        let after = invented(1_001).at(Duration::from_mins(1));
        assert!(passes(&limit, &after), "it grows back");
    }
}
