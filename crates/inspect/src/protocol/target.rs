//! Checks of the request target.

use gabion_core::{
    Cause, Denial, Facts, Malformed, PathClasses, PathViews, Reason, RuleId, Transformations,
};
use http::{Method, StatusCode};

use super::{deny_400, rules::RuleSet};

/// Denies targets with user information (RFC 9110, section 4.2.4).
pub(super) fn userinfo(facts: &Facts<'_>) -> Option<Denial> {
    let authority = facts.uri.authority()?.as_str();
    authority.contains('@').then(|| {
        let why = "user information in the request target";
        deny_400("target/userinfo", why, authority.as_bytes())
    })
}

/// Denies targets with a scheme other than HTTP (RFC 9110, section 4.2; on HTTP/2, RFC 9113, section
/// 8.3.1).
pub(super) fn scheme(facts: &Facts<'_>) -> Option<Denial> {
    let scheme = facts.uri.scheme_str()?;
    let known = ["http", "https"];
    (!known.iter().any(|known| scheme.eq_ignore_ascii_case(known))).then(|| {
        let why = "scheme of the request target is neither http nor https";
        deny_400("target/scheme", why, scheme.as_bytes())
    })
}

/// The largest number of bytes in a view at which some server ends a name. Each adds names that rules have
/// to compare. In 37,000 public paths of requests and scanners, none has more than 11.
const MAX_NAME_ENDS: usize = 32;

/// Denies malformed paths, and those that stand for too many names. `OPTIONS *` has no path (RFC 9112,
/// section 3.2.4).
pub(super) fn path(facts: &Facts<'_>, skipped: RuleSet) -> Option<Denial> {
    let is_kept = |error: &Malformed| !skipped.contains_id(error.id());
    let malformed = match facts.path.malformed() {
        Some(first) if is_kept(&first) => Some(first),
        Some(_) => facts.path.errors().find(is_kept),
        None => None,
    };
    let tangled = || has_many_names(&facts.path).then_some(Malformed::Tangled);
    let malformed = malformed.or_else(|| tangled().filter(is_kept))?;
    if facts.path.raw() == b"*" && facts.method == Method::OPTIONS {
        return None;
    }
    let evidence = match malformed {
        Malformed::Form => facts
            .uri
            .authority()
            .map_or("", |authority| authority.as_str())
            .as_bytes(),
        _ => facts.path.raw(),
    };
    let rule = RuleId::builtin(malformed.id());
    let cause = Cause::in_path(
        rule,
        Reason::Malformed(malformed),
        evidence,
        Transformations::AS_SENT,
    );
    Some(Denial::new(cause, StatusCode::BAD_REQUEST))
}

fn has_many_names(path: &PathViews<'_>) -> bool {
    const ENDS: PathClasses = PathClasses::SEMICOLON.union(PathClasses::NAME_END);
    const MAY_END: PathClasses = ENDS.union(PathClasses::PERCENT);
    if !path.classes().intersects(MAY_END) {
        return false;
    }
    // Each end of a name in a view is one in the path, or an escape in it.
    let may_end = |byte: &&u8| matches!(byte, b';' | b':' | b'?' | b'#' | b'%');
    if path.raw().iter().filter(may_end).count() <= MAX_NAME_ENDS {
        return false;
    }
    let ends = |byte: &&u8| matches!(byte, b';' | b':' | b'?' | b'#');
    path.iter().any(|view| {
        view.classes().intersects(ENDS) && view.path.iter().filter(ends).count() > MAX_NAME_ENDS
    })
}
