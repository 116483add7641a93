//! Refuses WebSocket handshakes that a page of a foreign origin made a browser send.
//!
//! Browsers send cookies along with a handshake to any host, and the same-origin policy does not
//! keep the page from reading what comes (cross-site WebSocket hijacking). A handshake passes when
//! 1. it names no `Origin` (RFC 6455, 10.2): no browser sent it; or
//! 2. origins are configured, and it names one of them; or
//! 3. none is, and it carries neither `Cookie` nor `Authorization`, or its origin's host is the one
//!    that it asks for, whatever the port.

mod config;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use gabion_core::{
    Cause, Denial, Facts, Inspect, Mode, Reason, RuleId, Terms, Trace, Upgrade, Verdict,
};
use http::{
    HeaderValue, StatusCode,
    header::{AUTHORIZATION, COOKIE, ORIGIN},
};

use crate::{
    ConfigErrors, Place, Problem, Rate,
    hosts::{asked, without_port},
};

pub use config::UpgradeConfig;

/// Refuses foreign handshakes. Compiled from [`UpgradeConfig`]; immutable.
///
/// # Cost
///
/// For what is no handshake, one comparison; a handshake allocates its origin.
#[derive(Debug)]
pub struct Handshake {
    origins: HashSet<Vec<u8>>,
    mode: Mode,
}

impl Handshake {
    /// The rule that refuses.
    pub const ORIGIN: RuleId = RuleId::builtin("upgrade/origin");

    /// Compiles the origins of a section.
    ///
    /// # Errors
    ///
    /// Every entry that is no origin.
    pub fn compile(config: &UpgradeConfig, mode: Mode) -> Result<Self, ConfigErrors> {
        let place = Place::new("upgrade", "origins");
        let (mut origins, mut errors) = (HashSet::new(), Vec::new());
        for (entry, origin) in config.origins.iter().enumerate() {
            if host_of(origin.as_bytes()).is_some() {
                origins.insert(origin.to_ascii_lowercase().into_bytes());
                continue;
            }
            let found = origin.clone();
            let why = "is no origin such as https://app.example";
            let problem = Problem::Value { found, why };
            errors.push(place.entry(entry).refuse(problem));
        }
        ConfigErrors::any(errors)?;
        Ok(Self { origins, mode })
    }

    fn is_foreign(&self, facts: &Facts<'_>, origin: &[u8]) -> bool {
        if !self.origins.is_empty() {
            return !self.origins.contains(&origin.to_ascii_lowercase());
        }
        let sends = |name| facts.headers.contains_key(name);
        let host = host_of(origin).unwrap_or_default();
        let same = host.eq_ignore_ascii_case(without_port(asked(facts)));
        (sends(COOKIE) || sends(AUTHORIZATION)) && !same
    }
}

impl Inspect for Handshake {
    fn name(&self) -> &'static str {
        "handshake"
    }

    fn inspect(&self, facts: &Facts<'_>, _trace: &mut Trace) -> Verdict {
        if facts.upgrade != Upgrade::WebSocket {
            return Verdict::Pass;
        }
        let origins = facts.headers.get_all(ORIGIN).iter();
        let mut origins = origins.map(HeaderValue::as_bytes);
        let Some(foreign) = origins.find(|origin| self.is_foreign(facts, origin)) else {
            return Verdict::Pass;
        };
        let why =
            "a page of this origin may not open sockets; if it may, name it in [upgrade] origins";
        let cause = Cause::new(Self::ORIGIN, Reason::Said(why.into()));
        Denial::new(cause, StatusCode::FORBIDDEN)
            .with_evidence(foreign)
            .with_mode(self.mode)
            .into()
    }
}

impl UpgradeConfig {
    /// What sessions are held to.
    ///
    /// # Errors
    ///
    /// Every rate that is no whole number in a second, and bytes of which one message could have more.
    pub fn terms(&self, mode: Mode) -> Result<Terms, ConfigErrors> {
        let mut errors = Vec::new();
        let mut rate = |key, rate: Option<Rate>| {
            let count = per_second(rate?);
            if count.is_none() {
                let found = rate?.to_string();
                let why = "is no whole number in a second";
                errors.push(Place::new("upgrade", key).refuse(Problem::Value { found, why }));
            }
            count
        };
        let messages = rate("messages", self.messages);
        let bytes = rate("bytes", self.bytes);
        let controls = rate("controls", self.controls);
        if bytes.is_some_and(|bytes| bytes < self.max_message.0) {
            let found = self.bytes.map(|rate| rate.to_string()).unwrap_or_default();
            let why = "is less in a second than one message may have (max_message)";
            errors.push(Place::new("upgrade", "bytes").refuse(Problem::Value { found, why }));
        }
        ConfigErrors::any(errors)?;
        Ok(Terms {
            sockets_per_client: self.sockets_per_client.map(Into::into),
            sockets: self.sockets.map(Into::into),
            max_message: self.max_message.0,
            max_fragments: self.max_fragments.get(),
            message_time: self.message_time.0,
            messages,
            bytes,
            controls,
            mode,
            ..Terms::default()
        })
    }
}

fn per_second(rate: Rate) -> Option<u64> {
    let (count, seconds) = (u64::from(rate.count().get()), rate.per().as_secs());
    let whole = rate.per().subsec_nanos() == 0 && count.checked_rem(seconds) == Some(0);
    count.checked_div(seconds).filter(|_| whole)
}

/// The host of an origin, without its port (RFC 6454, 6.2); none of what is no such, `null` among it.
fn host_of(origin: &[u8]) -> Option<&[u8]> {
    let rest = [&b"https://"[..], b"http://"]
        .into_iter()
        .find_map(|scheme| {
            let (head, rest) = origin.split_at_checked(scheme.len())?;
            head.eq_ignore_ascii_case(scheme).then_some(rest)
        })?;
    let plain = |&byte: &u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let host = without_port(rest);
    (!host.is_empty() && rest.iter().all(plain)).then_some(host)
}
