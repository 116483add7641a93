//! HTTP protocol enforcement: malformed heads, and heads that two servers would interpret
//! differently.
//!
//! hyper parses a request but does not validate it. A request passes if
//! 1. its version (505), its method (405), and the number and size of its headers (431) are
//!    allowed;
//! 2. it does not open a tunnel: CONNECT must have `:protocol = websocket` (RFC 8441);
//! 3. the end of its body is unambiguous: it has `Transfer-Encoding: chunked`, or one
//!    `Content-Length` of digits, or neither (RFC 9112, section 6), and no expectation other than
//!    `100-continue` (RFC 9110, section 10.1.1; 417), and it announces no larger body than allowed
//!    (413);
//! 4. its target has no user information (RFC 9110, section 4.2.4) and an HTTP scheme;
//! 5. it has exactly one well-formed host, and `Host` equals the host of the target (RFC 9112,
//!    section 3.2; RFC 9113, section 8.3.1);
//! 6. its path begins with `/` and has no control bytes, invalid escapes, `%00`, invalid UTF-8, or
//!    dot segments above the root ([`gabion_core::Malformed`]); `OPTIONS *` has no path and passes;
//! 7. no header name imitates another one by `_`, other symbols or repeated `-`;
//! 8. no header overrides the target, unless a trusted proxy writes it;
//! 9. a WebSocket handshake conforms to RFC 6455, section 4.1, and no hop in front removed a part
//!    of it.
//!
//! Methods are case-sensitive: `get` is not GET (RFC 9110, section 9.1). Upgrades other than
//! WebSocket, such as `h2c`, pass; the enforcing service removes the offer from the request.

mod body;
mod config;
mod exemptions;
mod framing;
mod handshake;
mod headers;
mod host;
mod rules;
mod target;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use gabion_core::{
    BodyLimit, Cause, Denial, Facts, Inspect, Mode, Needs, Reason, RequestState, RuleId, Upgrade,
    Verdict,
};
use http::{HeaderValue, Method, StatusCode, Version, header::ALLOW};

use crate::{Config, ConfigErrors, ConfigPath, Context, Problem};

use exemptions::Exemptions;
use rules::RuleSet;

pub use config::{HttpVersion, ProtocolConfig, ProtocolException};
pub use rules::{ProtocolRule, ProtocolRuleError};

/// Denies malformed heads. Compiled from [`ProtocolConfig`]; immutable.
///
/// # Cost
///
/// Two passes over the headers. No allocation for a head that passes.
///
/// # Examples
///
/// ```
/// use gabion_core::{ClientRules, Inspect, RequestState, Verdict};
/// use gabion_inspect::ProtocolRules;
/// # use gabion_testkit::OwnedHead;
///
/// let protocol = ProtocolRules::default();
/// let judge = |head: OwnedHead| {
///     let facts = head.facts(&ClientRules::default());
///     protocol.inspect(&facts, &mut RequestState::new(&facts))
/// };
/// assert_eq!(judge(OwnedHead::get("/")), Verdict::Pass);
///
/// let smuggled = OwnedHead::get("/").header("content-length", "5");
/// let smuggled = smuggled.header("transfer-encoding", "chunked");
/// assert_eq!(
///     judge(smuggled).to_string(),
///     "denied (400): rule framing/both: both Content-Length and Transfer-Encoding: `5`",
/// );
/// ```
#[derive(Clone, Debug)]
pub struct ProtocolRules {
    methods: Box<[Method]>,
    /// The methods as an `Allow` header.
    allow: HeaderValue,
    versions: Box<[Version]>,
    max_headers: usize,
    max_header_bytes: usize,
    max_body: Option<u64>,
    exemptions: Exemptions,
    mode: Mode,
}

/// The rules that honest clients may violate, so that a violation is not scored: a large upload, a
/// method of another server, a misspelled header name, and a handshake of which a hop in front removed a
/// part.
pub(crate) const NOT_SCORED: [&str; 5] = [
    "body/large",
    "header/underscore",
    "method/unlisted",
    "upgrade/incomplete",
    "upgrade/stripped",
];

// === impl ProtocolRules ===

impl ProtocolRules {
    /// Creates rules with the default config.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            ..Self::default()
        }
    }

    /// Compiles `config`, skipping invalid entries.
    fn from_config(config: &ProtocolConfig, exemptions: Exemptions, mode: Mode) -> Self {
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
            max_body: config.max_body.map(|size| size.0),
            exemptions,
            mode,
        }
    }

    /// Returns the first violation of a rule that is not in `skipped`. Version, method and the number of
    /// headers are checked first, since they bound the cost of the other checks.
    fn first_violation(&self, facts: &Facts<'_>, skipped: RuleSet) -> Option<Denial> {
        let unless_skipped = |denial| skipped.unless_in(denial);
        (self.check_version(facts).and_then(unless_skipped))
            .or_else(|| headers::count(facts, self.max_headers).and_then(unless_skipped))
            .or_else(|| headers::size(facts, self.max_header_bytes).and_then(unless_skipped))
            .or_else(|| handshake::tunnel(facts).and_then(unless_skipped))
            .or_else(|| self.check_method(facts).and_then(unless_skipped))
            .or_else(|| framing::check(facts, skipped))
            .or_else(|| self.check_body(facts).and_then(unless_skipped))
            .or_else(|| target::userinfo(facts).and_then(unless_skipped))
            .or_else(|| target::scheme(facts).and_then(unless_skipped))
            .or_else(|| host::check(facts, skipped))
            .or_else(|| target::path(facts, skipped))
            .or_else(|| headers::names(facts).and_then(unless_skipped))
            .or_else(|| headers::overrides(facts).and_then(unless_skipped))
            .or_else(|| handshake::check(facts, skipped))
    }

    /// Denies by the first violation of a rule that is neither off nor observed for the request, and
    /// records those of observed rules before it.
    #[cold]
    fn inspect_exempt(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        let exempt = self.exemptions.for_request(facts);
        let mut skipped = exempt.off;
        while let Some(denial) = self.first_violation(facts, skipped) {
            match denial.cause.rule.as_str().parse() {
                Ok(rule) if exempt.observed.contains(rule) => {
                    state.observe(denial.with_mode(Mode::Observe));
                    skipped.insert(rule);
                }
                _ => return self.denied(denial, facts),
            }
        }
        Verdict::Pass
    }

    fn denied(&self, denial: Denial, facts: &Facts<'_>) -> Verdict {
        framing::close_if_ambiguous(denial, facts)
            .with_mode(self.mode)
            .into()
    }

    fn check_version(&self, facts: &Facts<'_>) -> Option<Denial> {
        (!self.versions.contains(&facts.version)).then(|| {
            let why = "HTTP version not allowed";
            let status = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
            let version = format!("{:?}", facts.version);
            deny("version/unlisted", why, status).with_evidence(version.as_bytes())
        })
    }

    fn check_body(&self, facts: &Facts<'_>) -> Option<Denial> {
        body::announced(facts, self.max_body?)
    }

    /// Limits a body of unknown length, unless the rule is off or observed for the request.
    fn limit_body(&self, facts: &Facts<'_>, state: &mut RequestState) {
        let Some(most) = self.max_body else { return };
        if self.mode == Mode::Enforce && body::is_streamed(facts) {
            let exempt = self.exemptions.for_request(facts);
            if !exempt.off.union(exempt.observed).contains_id("body/large") {
                state.limit_body(BodyLimit::new(most));
            }
        }
    }

    fn check_method(&self, facts: &Facts<'_>) -> Option<Denial> {
        let extended = facts.upgrade == Upgrade::WebSocket && facts.method == Method::CONNECT;
        (!extended && !self.methods.contains(facts.method)).then(|| {
            let why = "method not allowed";
            deny("method/unlisted", why, StatusCode::METHOD_NOT_ALLOWED)
                .with_evidence(facts.method.as_str().as_bytes())
                .with_header(ALLOW, self.allow.clone())
        })
    }
}

impl Config for ProtocolConfig {
    type Output = ProtocolRules;

    /// # Errors
    ///
    /// Methods that are not tokens in capital letters, CONNECT, and empty lists; rules that cannot be
    /// off; exceptions without rules or with invalid paths, and more than 256 of them.
    fn compile(&self, context: &Context) -> Result<ProtocolRules, ConfigErrors> {
        let mut errors = Vec::new();
        for (entry, method) in self.methods.iter().enumerate() {
            if let Some(why) = method_error(method) {
                let found = method.clone();
                let path = ConfigPath::new("protocol", "methods").entry(entry);
                errors.push(path.error(Problem::Value { found, why }));
            }
        }
        let lists = [
            ("methods", self.methods.is_empty()),
            ("versions", self.versions.is_empty()),
        ];
        for (key, _) in lists.into_iter().filter(|&(_, is_empty)| is_empty) {
            let (found, why) = ("[]".to_owned(), "an empty list would deny every request");
            errors.push(ConfigPath::new("protocol", key).error(Problem::Value { found, why }));
        }
        let exemptions = Exemptions::from_config(self, &mut errors);
        ConfigErrors::check(errors)?;
        Ok(ProtocolRules::from_config(self, exemptions, context.mode()))
    }
}

impl Default for ProtocolRules {
    fn default() -> Self {
        let (config, exemptions) = (ProtocolConfig::default(), Exemptions::default());
        Self::from_config(&config, exemptions, Mode::Enforce)
    }
}

impl Inspect for ProtocolRules {
    fn name(&self) -> &'static str {
        "protocol"
    }

    fn needs(&self) -> Needs {
        Needs::REQUESTS | Needs::HEADERS
    }

    fn inspect(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        self.limit_body(facts, state);
        match self.first_violation(facts, RuleSet::NONE) {
            None => Verdict::Pass,
            Some(denial) if self.exemptions.is_empty() => self.denied(denial, facts),
            Some(_) => self.inspect_exempt(facts, state),
        }
    }
}

/// Returns the reason why `method` cannot be configured, if any.
fn method_error(method: &str) -> Option<&'static str> {
    let is_valid = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
    if method == "CONNECT" {
        Some("CONNECT opens a tunnel; WebSockets over HTTP/2 are allowed without it")
    } else if method.is_empty() || !method.bytes().all(is_valid) {
        Some("write method names in capital letters, such as `PROPFIND`")
    } else {
        None
    }
}

/// Creates a denial by a rule of this inspector.
fn deny(id: &'static str, why: impl Into<Cow<'static, str>>, status: StatusCode) -> Denial {
    let cause = Cause::new(RuleId::builtin(id), Reason::Other(why.into()));
    Denial::new(cause, status)
}

/// Creates a denial with 400, as for most rules.
fn deny_400(id: &'static str, why: impl Into<Cow<'static, str>>, evidence: &[u8]) -> Denial {
    deny(id, why, StatusCode::BAD_REQUEST).with_evidence(evidence)
}
