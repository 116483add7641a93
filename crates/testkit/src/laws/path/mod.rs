//! Laws of path views.

mod reference;
mod servers;

use std::{collections::BTreeSet, sync::LazyLock};

use gabion_core::{Malformed, PathClasses, PathViews};
use gabion_inspect::{Config as _, Context, State};
use gabion_inspect::{Deny, DenyRule};
use reference::Reference;

/// Checks that deriving the views of any bytes does not panic, and that
/// 1. there is a view unless the bytes are not a path ([`Malformed::Form`]);
/// 2. each view begins with `/`, and the first is the path as sent;
/// 3. the number of views and their total size are bounded;
/// 4. without percent-encoding in the path, the views of a view are views of the path;
/// 5. the canonical form of a well-formed path is equal to its own canonical form and well-formed, or
///    tangled: it may have more forms than the path, as its escapes are decoded once already;
/// 6. a rule that does not match a path does not match its canonical form, unless that is tangled;
/// 7. views, error and completeness are those of a derivation without shortcuts, and the classes and
///    segments of each view, and the names of all views together, are those that the bytes show;
/// 8. the path that any modeled server reads, alone or behind any modeled proxy, is a view of a
///    well-formed path, apart from escapes of unreserved characters.
///
/// # Panics
///
/// Panics if a law is broken.
pub fn path_views(path: &[u8]) {
    let views = PathViews::new(path);
    let malformed = views.malformed();
    let is_path = malformed != Some(Malformed::Form);
    assert_eq!(views.iter().next().is_some(), is_path, "1: {malformed:?}");

    let (mut count, mut bytes) = (0, 0);
    for view in views.iter() {
        count += 1;
        bytes += view.path.len();
        assert!(
            view.path.starts_with(b"/"),
            "2: {}",
            view.path.escape_ascii()
        );
    }
    let first = views.iter().next();
    assert!(first.is_none_or(|view| view.path == path), "2");
    let most = PathViews::MAX_VIEWS;
    assert!(count <= most, "3: {count} views");
    assert!(
        bytes <= 3 * path.len() + PathViews::MAX_BYTES,
        "3: {bytes} bytes"
    );
    equals_reference(&views);

    if malformed.is_none() && !path.contains(&b'%') {
        for view in views.iter() {
            for again in PathViews::new(view.path).iter() {
                let known = views.iter().any(|view| view.path == again.path);
                assert!(known, "4: {}", again.path.escape_ascii());
            }
        }
    }

    if malformed.is_none() {
        contain_all_readings(&views);
        let canonical = views.canonical();
        let again = PathViews::new(&canonical);
        let shown = canonical.escape_ascii();
        let error = again.malformed();
        assert!(
            matches!(error, None | Some(Malformed::Tangled)),
            "5: {shown}: {error:?}"
        );
        assert_eq!(again.canonical(), canonical, "5: {shown}");
        let passes = |path: &[u8]| RULES.judges(path).is_none();
        assert!(
            error.is_some() || !passes(path) || passes(&canonical),
            "6: {shown}"
        );
    }
}

/// Checks law 7.
fn equals_reference(views: &PathViews<'_>) {
    let shown = views.raw().escape_ascii();
    let reference = Reference::new(views.raw());
    let derived = views
        .iter()
        .map(|view| (view.path, view.transformations.to_string()));
    let expected: Vec<_> = reference.views().collect();
    assert_eq!(derived.collect::<Vec<_>>(), expected, "7: {shown}");
    assert_eq!(views.malformed(), reference.malformed, "7: {shown}");
    assert_eq!(views.is_incomplete(), reference.is_incomplete, "7: {shown}");

    assert_eq!(views.classes(), classes(views.raw()), "7: {shown}");
    for view in views.iter() {
        assert_eq!(view.classes(), classes(view.path), "7: {shown}");
        let segments = view
            .segments()
            .map(|segment| (segment.bytes(), segment.extension()));
        let expected = segments_of(view.path).map(|segment| {
            let dot = segment.iter().rposition(|&byte| byte == b'.');
            (segment, dot.map(|dot| &segment[dot + 1..]))
        });
        assert!(segments.eq(expected), "7: {shown}");
    }
    let (mut distinct, mut expected) = (BTreeSet::new(), BTreeSet::new());
    views.any_name(|name| {
        distinct.insert(name.bytes().to_vec());
        false
    });
    for segment in views.iter().flat_map(|view| view.segments()) {
        expected.insert(segment.canonical_name().to_vec());
        if !segment.is_canonical() {
            expected.extend(segment.interpretations().map(|name| name.bytes().to_vec()));
        }
    }
    assert_eq!(distinct, expected, "7: {shown}");
}

/// Checks law 8.
fn contain_all_readings(views: &PathViews<'_>) {
    let known: Vec<_> = views
        .iter()
        .map(|view| reference::decode_unreserved(view.path))
        .collect();
    for (server, reading) in servers::readings(views.raw()) {
        assert!(
            known.contains(&reference::decode_unreserved(&reading)),
            "8: {} of {} is not a view: {server}",
            reading.escape_ascii(),
            views.raw().escape_ascii()
        );
    }
}

/// The classes of each byte and segment of `path`.
fn classes(path: &[u8]) -> PathClasses {
    let of_byte = |byte: &u8| match byte {
        0 => PathClasses::NUL.union(PathClasses::CONTROL),
        b' ' => PathClasses::BLANK,
        b'%' => PathClasses::PERCENT,
        b';' => PathClasses::SEMICOLON,
        b'\\' => PathClasses::BACKSLASH,
        b':' => PathClasses::NAME_END,
        b'?' | b'#' => PathClasses::NAME_END.union(PathClasses::PATH_END),
        b'"' | b'<' | b'>' | b'`' | b'{' | b'}' => PathClasses::ESCAPED_BY_BROWSERS,
        byte if byte.is_ascii_control() => PathClasses::CONTROL,
        byte if !byte.is_ascii() => PathClasses::NON_ASCII,
        _ => PathClasses::NONE,
    };
    let of_segment = |segment: &[u8]| match segment {
        b"." | b".." => PathClasses::DOT_SEGMENT.union(PathClasses::TRAILING_DOT),
        [.., b'.'] => PathClasses::TRAILING_DOT,
        _ => PathClasses::NONE,
    };
    let of_bytes = path.iter().map(of_byte);
    let mut classes = of_bytes
        .chain(segments_of(path).map(of_segment))
        .fold(PathClasses::NONE, PathClasses::union);
    if path.windows(2).any(|two| two == b"//") {
        classes = classes.union(PathClasses::EMPTY_SEGMENT);
    }
    if path.first() != Some(&b'/') {
        classes = classes.union(PathClasses::UNROOTED);
    }
    classes
}

fn segments_of(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
        .filter(|segment| !segment.is_empty())
}

/// One deny rule of each kind that matches segments of a path.
static RULES: LazyLock<Deny> = LazyLock::new(|| {
    let rules = [
        DenyRule::new("php").extensions(["php"]),
        DenyRule::new("public").prefix(["/public"]),
        DenyRule::new("env").names([".env", "a"]),
        DenyRule::new("status").exact(["/server-status"]),
    ];
    rules
        .compile(&Context::new(&State::scratch()))
        .expect("the constant rules are valid")
});
