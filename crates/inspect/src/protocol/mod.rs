//! Refuses heads that no honest client sends and that two servers would read differently.
//!
//! hyper parses; it does not validate. A request passes when:
//! 1. its version (505), its method (405), the number of its headers and their size (431) are among
//!    those that are let through;
//! 2. it does not ask for a tunnel: CONNECT comes with `:protocol = websocket` (RFC 8441) or not
//!    at all;
//! 3. its body ends in one way only: no `Content-Length` beside `Transfer-Encoding`, of these one
//!    that is `chunked` or one that is digits (RFC 9112, 6), and nothing else is expected of the
//!    server than `100-continue` (RFC 9110, 10.1.1; 417);
//! 4. its target carries no user information (RFC 9110, 4.2.4) and is of HTTP;
//! 5. it names its host once, as a host, and `Host` is what the target says (RFC 9112, 3.2;
//!    RFC 9113, 8.3.1);
//! 6. its path begins with `/` and has no control bytes, bad escapes, `%00`, invalid UTF-8, or
//!    dots above the root ([`gabion_core::Malformed`]); `OPTIONS *` is no path and passes;
//! 7. no header's name hides another behind `_`;
//! 8. if it asks for a WebSocket, it does so as RFC 6455, 4.1, says, and no hop in front took a part
//!    of that away.
//!
//! A method's case counts: `get` is not GET (RFC 9110, 9.1). An upgrade to anything but a WebSocket,
//! `h2c` among them, passes: whoever enforces takes the offer off the request.

mod config;
mod framing;
mod handshake;
mod headers;
mod host;
mod target;
#[cfg(test)]
mod tests;

use gabion_core::{
    Cause, Denial, Facts, Inspect, Mode, Reason, RequestState, RuleId, Upgrade, Verdict,
};
use http::{HeaderValue, Method, StatusCode, Version, header::ALLOW};

use crate::{Config, ConfigErrors, ConfigPath, Context, Problem};

pub use config::{HttpVersion, ProtocolConfig};

/// Refuses malformed heads. Compiled from [`ProtocolConfig`]; immutable.
///
/// # Cost
///
/// No allocation on a head that passes; the headers are walked twice.
#[derive(Clone, Debug)]
pub struct ProtocolRules {
    methods: Box<[Method]>,
    /// The same, as `Allow` says it.
    allow: HeaderValue,
    versions: Box<[Version]>,
    max_headers: usize,
    max_header_bytes: usize,
    mode: Mode,
}

/// The checks that say nothing of who sent the request, so that nobody is scored for them: a method
/// that another server has, a misspelled name, half a handshake that a hop in front left over.
pub(crate) const HONEST: [&str; 4] = [
    "header/underscore",
    "method/unlisted",
    "upgrade/incomplete",
    "upgrade/stripped",
];

// === impl ProtocolRules ===

impl ProtocolRules {
    /// Refuses, or observes, by the defaults.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            ..Self::default()
        }
    }

    /// What `config` says, apart from entries that mean nothing.
    fn from_config(config: &ProtocolConfig, mode: Mode) -> Self {
        let method = |name: &String| Method::from_bytes(name.as_bytes()).ok();
        let allow = HeaderValue::try_from(config.methods.join(", "));
        let versions = config.versions.iter().map(|version| version.version());
        let size = usize::try_from(config.max_header_bytes.0);
        Self {
            methods: config.methods.iter().filter_map(method).collect(),
            allow: allow.unwrap_or_else(|_| HeaderValue::from_static("")),
            versions: versions.collect(),
            max_headers: usize::try_from(config.max_headers.get()).unwrap_or(usize::MAX),
            max_header_bytes: size.unwrap_or(usize::MAX),
            mode,
        }
    }

    fn version(&self, facts: &Facts<'_>) -> Option<Denial> {
        (!self.versions.contains(&facts.version)).then(|| {
            let why = "a version of HTTP that is not let through";
            let status = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
            let version = format!("{:?}", facts.version);
            refuse("version/unlisted", why, status).with_evidence(version.as_bytes())
        })
    }

    fn method(&self, facts: &Facts<'_>) -> Option<Denial> {
        let extended = facts.upgrade == Upgrade::WebSocket && facts.method == Method::CONNECT;
        (!extended && !self.methods.contains(facts.method)).then(|| {
            let why = "a method that is not let through";
            refuse("method/unlisted", why, StatusCode::METHOD_NOT_ALLOWED)
                .with_evidence(facts.method.as_str().as_bytes())
                .with_header(ALLOW, self.allow.clone())
        })
    }
}

impl Config for ProtocolConfig {
    type Output = ProtocolRules;

    /// # Errors
    ///
    /// Every method that is not a token in capitals, CONNECT, and empty lists.
    fn compile(&self, context: &Context) -> Result<ProtocolRules, ConfigErrors> {
        let mut errors = Vec::new();
        for (entry, method) in self.methods.iter().enumerate() {
            if let Some(why) = unusable(method) {
                let found = method.clone();
                let place = ConfigPath::new("protocol", "methods").entry(entry);
                errors.push(place.refuse(Problem::Value { found, why }));
            }
        }
        let lists = [
            ("methods", self.methods.is_empty()),
            ("versions", self.versions.is_empty()),
        ];
        for (key, _) in lists.into_iter().filter(|&(_, empty)| empty) {
            let (found, why) = ("[]".to_owned(), "would refuse every request");
            errors.push(ConfigPath::new("protocol", key).refuse(Problem::Value { found, why }));
        }
        ConfigErrors::any(errors)?;
        Ok(ProtocolRules::from_config(self, context.mode()))
    }
}

impl Default for ProtocolRules {
    fn default() -> Self {
        Self::from_config(&ProtocolConfig::default(), Mode::Enforce)
    }
}

impl Inspect for ProtocolRules {
    fn name(&self) -> &'static str {
        "protocol"
    }

    /// Refuses what is refused whatever the rest says first: without a version, a method and a
    /// bounded number of headers nothing else need be looked at.
    fn inspect(&self, facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        let found = self
            .version(facts)
            .or_else(|| headers::size(facts, self.max_headers, self.max_header_bytes))
            .or_else(|| handshake::tunnel(facts))
            .or_else(|| self.method(facts))
            .or_else(|| framing::check(facts))
            .or_else(|| target::authority(facts))
            .or_else(|| host::check(facts))
            .or_else(|| target::path(facts))
            .or_else(|| headers::names(facts))
            .or_else(|| handshake::check(facts));
        found.map_or(Verdict::Pass, |denial| denial.with_mode(self.mode).into())
    }
}

/// Why a text cannot be a method that is let through.
fn unusable(method: &str) -> Option<&'static str> {
    let capital = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
    if method == "CONNECT" {
        Some("asks for a tunnel; WebSockets over HTTP/2 need no leave")
    } else if method.is_empty() || !method.bytes().all(capital) {
        Some("is no method: they are written in capitals, such as PROPFIND")
    } else {
        None
    }
}

/// A refusal of the head as it is.
fn refuse(id: &'static str, why: &'static str, status: StatusCode) -> Denial {
    let cause = Cause::new(RuleId::builtin(id), Reason::Other(why.into()));
    Denial::new(cause, status)
}

/// The same with 400, for most of them.
fn bad(id: &'static str, why: &'static str, evidence: &[u8]) -> Denial {
    refuse(id, why, StatusCode::BAD_REQUEST).with_evidence(evidence)
}
