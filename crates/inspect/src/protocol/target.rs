//! The request's target.

use gabion_core::{Cause, Denial, Facts, Malformed, Reason, RuleId, Transformations};
use http::{Method, StatusCode};

use super::bad;

/// Refuses targets that say more than where a resource of HTTP is: user information (RFC 9110,
/// 4.2.4), or a scheme of something else (RFC 9110, 4.2; on HTTP/2, RFC 9113, 8.3.1).
pub(super) fn authority(facts: &Facts<'_>) -> Option<Denial> {
    let authority = facts.uri.authority()?.as_str();
    if authority.contains('@') {
        let why = "the target carries user information";
        return Some(bad("target/userinfo", why, authority.as_bytes()));
    }
    let scheme = facts.uri.scheme_str()?;
    let known = ["http", "https"];
    (!known.iter().any(|known| scheme.eq_ignore_ascii_case(known))).then(|| {
        let why = "the target's scheme is neither http nor https";
        bad("target/scheme", why, scheme.as_bytes())
    })
}

/// Refuses paths that have no single reading; `OPTIONS *` is none (RFC 9112, 3.2.4).
pub(super) fn path(facts: &Facts<'_>) -> Option<Denial> {
    let malformed = facts.path.malformed()?;
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
