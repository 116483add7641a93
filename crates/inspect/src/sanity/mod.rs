//! Refuses heads that no honest client sends and that two servers would read differently.
//!
//! hyper parses; it does not validate. A request passes when:
//! 1. it does not ask for a tunnel: CONNECT comes with `:protocol = websocket` (RFC 8441) or not
//!    at all;
//! 2. its target carries no user information (RFC 9110, 4.2.4);
//! 3. it names its host once: one `Host`, or on HTTP/2 one `:authority` (RFC 9112, 3.2);
//! 4. its path begins with `/` and has no control bytes, bad escapes, `%00`, invalid UTF-8, or
//!    dots above the root ([`gabion_core::Malformed`]); `OPTIONS *` is no path and passes.

#[cfg(test)]
mod tests;

use gabion_core::{
    Cause, Denial, Facts, Inspect, Malformed, Mode, Reading, Reason, RuleId, Trace, Upgrade,
    Verdict,
};
use http::{Method, StatusCode, Version, header::HOST};

/// Refuses malformed heads. Has nothing to configure but whether it acts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sanity {
    mode: Mode,
}

impl Sanity {
    /// Refuses, or observes.
    pub const fn new(mode: Mode) -> Self {
        Self { mode }
    }
}

impl Inspect for Sanity {
    fn name(&self) -> &'static str {
        "sanity"
    }

    fn inspect(&self, facts: &Facts<'_>, _trace: &mut Trace) -> Verdict {
        let found = tunnel(facts)
            .or_else(|| userinfo(facts))
            .or_else(|| host(facts))
            .or_else(|| path(facts));
        found.map_or(Verdict::Pass, |denial| denial.with_mode(self.mode).into())
    }
}

fn tunnel(facts: &Facts<'_>) -> Option<Denial> {
    match facts.upgrade {
        Upgrade::Tunnel => Some(refuse(
            "connect/tunnel",
            "CONNECT without :protocol asks for a tunnel",
            StatusCode::METHOD_NOT_ALLOWED,
        )),
        Upgrade::OtherProtocol => Some(refuse(
            "connect/protocol",
            "CONNECT for another :protocol than websocket",
            StatusCode::NOT_IMPLEMENTED,
        )),
        _ => None,
    }
}

fn userinfo(facts: &Facts<'_>) -> Option<Denial> {
    let authority = facts.uri.authority()?.as_str();
    authority.contains('@').then(|| {
        let why = "the target carries user information";
        refuse("target/userinfo", why, StatusCode::BAD_REQUEST).with_evidence(authority.as_bytes())
    })
}

fn host(facts: &Facts<'_>) -> Option<Denial> {
    let bad = |id, why| Some(refuse(id, why, StatusCode::BAD_REQUEST));
    let authority = facts.version >= Version::HTTP_2 && facts.uri.authority().is_some();
    match facts.headers.get_all(HOST).iter().count() {
        0 if authority || facts.version <= Version::HTTP_10 => None,
        0 => bad("host/missing", "no Host"),
        1 => None,
        _ => bad("host/doubled", "more than one Host"),
    }
}

fn path(facts: &Facts<'_>) -> Option<Denial> {
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
        Reading::AS_SENT,
    );
    Some(Denial::new(cause, StatusCode::BAD_REQUEST))
}

fn refuse(id: &'static str, why: &'static str, status: StatusCode) -> Denial {
    let cause = Cause::new(RuleId::builtin(id), Reason::Said(why.into()));
    Denial::new(cause, status)
}
