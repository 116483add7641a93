use proptest::prelude::*;

use super::*;

#[track_caller]
fn views(path: &[u8]) -> Vec<String> {
    let views = PathViews::new(path);
    let shown = |view: View<'_>| String::from_utf8_lossy(view.path).into_owned();
    views.iter().map(shown).collect()
}

#[test]
fn plain_path_is_its_only_view_and_is_not_copied() {
    for path in [
        "/",
        "/index.html",
        "/a/b.c/~d-e_f",
        "/.well-known/x",
        "/a:b@c!$&'()*+,=/...",
    ] {
        let views = PathViews::new(path.as_bytes());
        let all: Vec<_> = views.iter().collect();
        assert_eq!(all.len(), 1, "{path}");
        assert_eq!(all[0].path.as_ptr(), path.as_ptr(), "{path}");
        assert_eq!(all[0].transformations.to_string(), "as sent");
        assert_eq!(views.malformed(), None, "{path}");
    }
}

#[test]
fn each_bypass_has_its_view() {
    for (path, view) in [
        ("/%61", "/a"),
        ("/%2561", "/a"),
        ("/%252561", "/a"),
        ("/a;x=1/b", "/a/b"),
        ("/x/..;/a", "/a"),
        ("/x%5c..%5ca", "/a"),
        ("/a%00.html", "/a"),
        ("/a%2500.html", "/a"),
        ("//a", "/a"),
        ("/./a", "/a"),
        ("/x/../a", "/a"),
        ("/x/%2e%2e/a", "/a"),
        ("/a/.", "/a/"),
        // Tomcat removes parameters before it decodes.
        ("/;x%2fy/%70ublic", "/public"),
        // A server that treats %2e as a dot but not %2f as a slash.
        (
            "/a/b/%2e%2e/../public/x%2f..%2f..%2fok",
            "/public/x%2f..%2f..%2fok",
        ),
        // A server that resolves dot segments before it decodes.
        ("/%70ublic/%2e%2e/../x", "/public/x"),
        // Routers that neither merge slashes nor resolve dot segments.
        ("/a/../b", "/a/../b"),
        ("/a//b", "/a//b"),
        ("/a%2f../b", "/a/../b"),
        // nginx with `merge_slashes off`, and `new URL` of Node.js.
        ("/a//../b", "/a/b"),
        ("/a/%2f%2e%2e/b", "/a/b"),
        ("/a//..", "/a/"),
        // `new URL(path, base)` of Node.js 20.20.2.
        ("//a/b", "/b"),
        ("///a/b", "/b"),
        ("//a", "/"),
        ("//a//b", "//b"),
        ("//a?/b", "/"),
        ("//@a/b", "/b"),
        ("//a%41/b", "/b"),
        ("//./b", "/b"),
        ("/\\a/b", "/b"),
        ("/..//a//..", "//a/"),
        // A proxy that decodes the path, and writes it into the next request.
        ("/a%3f", "/a"),
        ("/a%3fx=1/b", "/a"),
        ("/a%23", "/a"),
        ("/a%253fx", "/a"),
        ("/x/..%3f/a", "/"),
    ] {
        assert!(
            views(path.as_bytes()).iter().any(|v| v == view),
            "{path}: {:?}",
            views(path.as_bytes())
        );
    }
}

/// Paths are read in blocks of 64 bytes: what must be resolved may begin in one and end in the next.
#[test]
fn long_paths_are_resolved_at_each_position() {
    for length in 1..=3 * Marks::BLOCK {
        let name = "a".repeat(length);
        for (path, view) in [
            (format!("/{name}//b"), format!("/{name}/b")),
            (format!("/{name}/./b"), format!("/{name}/b")),
            (format!("/{name}/x/../b"), format!("/{name}/b")),
            (format!("/{name}/."), format!("/{name}/")),
            (format!("/{name}/x/.."), format!("/{name}/")),
        ] {
            let views = views(path.as_bytes());
            assert_eq!(views.first(), Some(&path));
            assert_eq!(views.last(), Some(&view), "{path}");
        }
    }
}

#[test]
fn four_decodes_are_not_a_view() {
    assert!(!views(b"/%2525252561").contains(&"/a".to_owned()));
}

#[test]
fn malformed_paths_give_their_reason() {
    for (path, why) in [
        (&b""[..], Malformed::Form),
        (b"*", Malformed::Form),
        (b"index.php", Malformed::Form),
        (b"/\x01", Malformed::Control(1)),
        (b"/%", Malformed::Escape),
        (b"/%2", Malformed::Escape),
        (b"/%zz", Malformed::Escape),
        (b"/%00", Malformed::Nul),
        (b"/%0a", Malformed::EscapedControl(b'\n')),
        (b"/%7f", Malformed::EscapedControl(0x7f)),
        (b"/%c0%ae", Malformed::Utf8),
        (b"/\xff", Malformed::Utf8),
        (b"/../a", Malformed::AboveRoot),
        (b"/%2e%2e/a", Malformed::AboveRoot),
        (b"/a/..;/..;/b", Malformed::AboveRoot),
    ] {
        assert_eq!(
            PathViews::new(path).malformed(),
            Some(why),
            "{}",
            path.escape_ascii()
        );
    }
}

#[test]
fn every_error_of_a_path_is_found_beside_others() {
    use Malformed::{AboveRoot, Control, Escape, EscapedControl, Form, Nul, Tangled, Utf8};
    let tangled = format!("/{}%ff", "%2525;a=1%2e%5c//../x/".repeat(40));
    for (path, errors) in [
        (&b"/a"[..], &[][..]),
        (b"a%ff", &[Form]),
        (b"/\x01", &[Control(1)]),
        (b"/%01", &[EscapedControl(1)]),
        (b"/\x01%02", &[Control(1), EscapedControl(2)]),
        (b"/%01%00", &[Nul, EscapedControl(1)]),
        (b"/%7F%zz", &[Escape, EscapedControl(0x7f)]),
        (b"/%ff/../..", &[Utf8, AboveRoot]),
        (b"/%00%ff/../..", &[Nul, Utf8, AboveRoot]),
        (b"/%%00", &[Escape, Nul]),
    ] {
        let views = PathViews::new(path);
        assert_eq!(views.errors().collect::<Vec<_>>(), errors, "{path:?}");
        assert_eq!(views.malformed(), errors.first().copied(), "{path:?}");
    }
    let views = PathViews::new(tangled.as_bytes());
    let errors: Vec<_> = views.errors().collect();
    assert_eq!(errors.first(), Some(&Utf8));
    assert_eq!(errors.contains(&Tangled), views.is_incomplete());
}

#[test]
fn legitimate_paths_are_not_malformed() {
    for path in [
        "/%ED%95%9C%EA%B5%AD%EC%96%B4/%20",
        "/caf\u{e9}",
        "/a;jsessionid=1F",
        "/100%25",
        "/a//b",
        "/x/../y",
        "/a+b@c~d",
        "/a%2Fb%2Fc",
    ] {
        assert_eq!(PathViews::new(path.as_bytes()).malformed(), None, "{path}");
    }
}

#[test]
fn canonical_form_is_unique() {
    for (path, expected) in [
        ("/", "/"),
        ("/a/b.c/~d-e_f:g@h!$&'()*+,=", "/a/b.c/~d-e_f:g@h!$&'()*+,="),
        ("/%61%7e%2D", "/a~-"),
        ("/%ed%95%9c", "/%ED%95%9C"),
        ("/\u{d55c}", "/%ED%95%9C"),
        ("/a b\\c", "/a%20b%5Cc"),
        ("/a%2fb%5c%25%3b", "/a%2Fb%5C%25%3B"),
        ("/a;b=1/..;/c", "/a;b=1/..;/c"),
        ("/a/./b/../c/%2e%2E//d/.", "/a/d/"),
        ("//a/b/%2e%2E/d", "/a/d"),
        // A doubly escaped byte stays escaped once.
        ("/%25%36%31", "/%2561"),
        // A malformed path has no canonical form.
        ("/%zz/../%61", "/%zz/../%61"),
        ("/%2e%2e/%61", "/%2e%2e/%61"),
    ] {
        let views = PathViews::new(path.as_bytes());
        assert_eq!(
            String::from_utf8_lossy(&views.canonical()),
            expected,
            "{path}"
        );
    }
}

#[test]
fn canonical_path_is_not_copied() {
    let path = b"/a/b.c/";
    let canonical = PathViews::new(path).canonical();
    assert_eq!(canonical.as_ptr(), path.as_ptr());
}

#[test]
fn nested_bypasses_are_malformed_and_bounded() {
    let nested = "/%252e;a%255c%25252f%2500\\;b%5c%2e%3b%00/..;/%25%35%63".repeat(40);
    let views = PathViews::new(nested.as_bytes());
    assert!(views.malformed().is_some());
    assert!(views.is_incomplete());
    assert!(views.iter().count() <= PathViews::MAX_VIEWS);
    let prefixes: PathPrefixes = ["/elsewhere"].into_iter().collect();
    assert!(prefixes.contain_any(&views), "it may have any view");
    assert!(!PathPrefixes::default().contain_any(&views));
}

/// Fragments of escapes and separators.
const PIECES: [&str; 19] = [
    "/", "//", "%2f", "%2e", "%2E", "%5c", "%3b", "%3f", "%23", "%25", "2e", ".", "..", "/../",
    ";", "\\", "a", "%61", "\u{e9}",
];

proptest! {
    #[test]
    fn views_are_bounded_and_begin_with_the_path(path in proptest::collection::vec(prop_oneof![
        Just(b'/'), Just(b'%'), Just(b'2'), Just(b'5'), Just(b'e'), Just(b'f'), Just(b'0'),
        Just(b'.'), Just(b';'), Just(b'\\'), Just(0), any::<u8>(),
    ], 0..200)) {
        let views = PathViews::new(&path);
        let is_path = views.malformed() != Some(Malformed::Form);
        prop_assert_eq!(views.iter().count() > 0, is_path);
        prop_assert!(views.iter().next().is_none_or(|view| view.path == path));
        let bytes: usize = views.iter().map(|view| view.path.len()).sum();
        prop_assert!(views.iter().count() <= PathViews::MAX_VIEWS);
        prop_assert!(bytes <= 3 * path.len() + PathViews::MAX_BYTES);
    }

    #[test]
    fn a_view_has_no_views_that_its_path_lacks(path in "/[a-c%235ef./;?#\\\\]{0,24}") {
        let views = PathViews::new(path.as_bytes());
        prop_assume!(views.malformed().is_none());
        for view in views.iter().filter(|v| v.transformations.decoded() == 0) {
            for again in PathViews::new(view.path).iter() {
                prop_assert!(views.iter().any(|v| v.path == again.path));
            }
        }
    }

    #[test]
    fn canonical_form_has_no_views_that_its_path_lacks(
        pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..12),
    ) {
        let path = format!("/a/b/c/d{}", pieces.concat());
        let views = PathViews::new(path.as_bytes());
        prop_assume!(views.malformed().is_none());
        let canonical = views.canonical();
        let again = PathViews::new(&canonical);
        // Spellings that are one canonical form may be more than the limit when they are read again.
        prop_assert!(matches!(again.malformed(), None | Some(Malformed::Tangled)));
        prop_assert_eq!(again.canonical(), &*canonical);
        let canonicals: Vec<_> = views.iter().map(|v| canonical::canonical(v.path)).collect();
        for view in again.iter() {
            prop_assert!(
                canonicals.contains(&canonical::canonical(view.path)),
                "{} of {}",
                view.path.escape_ascii(),
                canonical.escape_ascii()
            );
        }
    }
}

#[test]
fn links_are_paths_that_browsers_send_unchanged() {
    for path in [
        "/",
        "/a/b.html",
        "/.env",
        "/...",
        "/a/%2e%70",
        "/caf%C3%A9",
        "/a;b=c|d'[]^",
    ] {
        assert!(PathViews::new(path.as_bytes()).could_be_link(), "{path}");
    }
    for path in [
        "",
        "*",
        "a/b",
        "/.",
        "/..",
        "/a/../b",
        "/a/./b",
        "/a/%2e",
        "/a/%2E%2e/b",
        "/a/.%2E",
        "/a/%2e.",
        "/a b",
        "/a\\b",
        "/a\"b",
        "/a<b",
        "/a>b",
        "/a`b",
        "/a{b",
        "/a}b",
        "/caf\u{e9}",
        "/a\tb",
        "/a\u{7f}b",
    ] {
        assert!(!PathViews::new(path.as_bytes()).could_be_link(), "{path:?}");
    }
}

#[test]
fn raw_segments_are_those_between_slashes() {
    for path in [
        "",
        "*",
        "/",
        "/a",
        "/a/b/",
        "//a",
        "/a%2fb;c/d",
        &"/segment".repeat(8),
        &"/segment".repeat(20),
        &format!("/{}/x", "a".repeat(100)),
    ] {
        let views = PathViews::new(path.as_bytes());
        let segments = views.raw_segments().map(|segment| segment.bytes());
        let expected = path.split('/').filter(|segment| !segment.is_empty());
        assert!(segments.eq(expected.map(str::as_bytes)), "{path}");
    }
}

#[test]
fn any_segment_gets_the_path_after_each_slash() {
    for path in [
        "/",
        "/a",
        "/a/b/",
        "//a",
        &"/segment".repeat(7),
        &"/segment".repeat(8),
        &"/segment".repeat(20),
        &format!("/{}/x", "a".repeat(100)),
    ] {
        let views = PathViews::new(path.as_bytes());
        let found = std::cell::RefCell::new(Vec::new());
        let none = views.any_segment(|rest| {
            found.borrow_mut().push(rest.to_vec());
            false
        });
        let slashes = path.match_indices('/');
        let expected = slashes.map(|(at, _)| path.as_bytes()[at + 1..].to_vec());
        assert!(!none, "{path}");
        assert_eq!(found.into_inner(), expected.collect::<Vec<_>>(), "{path}");
        let last = path.rsplit('/').next().unwrap().as_bytes();
        assert!(views.any_segment(|rest| rest == last), "{path}");
    }
}
