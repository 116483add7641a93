//! Laws of path views.

use std::sync::LazyLock;

use gabion_core::{Malformed, PathViews};
use gabion_inspect::{Config as _, Context, State};
use gabion_inspect::{Deny, DenyRule};

/// Checks that deriving the views of any bytes does not panic, and that
/// 1. there is a view unless the bytes are not a path ([`Malformed::Form`]);
/// 2. each view begins with `/` and has no empty and no dot segments;
/// 3. the number of views and their total size are bounded;
/// 4. without percent-encoding in the path, the views of a view are views of the path;
/// 5. the canonical form of a well-formed path is well-formed and equal to its own canonical form;
/// 6. a rule that does not match a path does not match its canonical form.
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
        let rest = view
            .path
            .strip_prefix(b"/")
            .expect("2: a view begins with /");
        let mut segments: Vec<_> = rest.split(|&byte| byte == b'/').collect();
        let last = segments.pop().unwrap_or_default();
        assert!(
            last != b"." && last != b"..",
            "2: {}",
            view.path.escape_ascii()
        );
        let dots = |segment: &&[u8]| matches!(*segment, b"" | b"." | b"..");
        assert!(
            !segments.iter().any(dots),
            "2: {}",
            view.path.escape_ascii()
        );
    }
    let most = PathViews::MAX_FORMS + 5;
    assert!(count <= most, "3: {count} views");
    assert!(
        bytes <= 3 * path.len() + PathViews::MAX_BYTES + 5 * path.len(),
        "3: {bytes} bytes"
    );

    if malformed.is_none() && !path.contains(&b'%') {
        for view in views.iter() {
            for again in PathViews::new(view.path).iter() {
                let known = views.iter().any(|view| view.path == again.path);
                assert!(known, "4: {}", again.path.escape_ascii());
            }
        }
    }

    if malformed.is_none() {
        let canonical = views.canonical();
        let again = PathViews::new(&canonical);
        let shown = canonical.escape_ascii();
        assert_eq!(again.malformed(), None, "5: {shown}");
        assert_eq!(again.canonical(), canonical, "5: {shown}");
        let passes = |path: &[u8]| RULES.judges(path).is_none();
        assert!(!passes(path) || passes(&canonical), "6: {shown}");
    }
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
