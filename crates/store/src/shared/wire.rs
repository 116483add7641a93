//! The text of a change, version 1: a JSON object.
//!
//! | key | of | content |
//! |---|---|---|
//! | `v` | all | 1; a text of another version is skipped |
//! | `kind` | all | `banned`, `lifted`, `allowed`, `disallowed`, `forgotten` |
//! | `network` | all | such as `203.0.113.9/32` |
//! | `rule`, `offenses` | `banned` | the rule, and the number of offenses |
//! | `reason` | `banned`, `allowed` | a text, may be missing |
//! | `since`, `until` | `banned`, `allowed` | microseconds since the epoch |
//!
//! Other keys are ignored. Whatever is in Redis is read with the suspicion due to a request: a text that is
//! too long, a wide network or an end in more than 400 days makes it invalid.

use std::{borrow::Cow, sync::Arc, time::Duration};

use gabion_core::{AllowRecord, BanRecord, BanUpdate, RuleId};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    clock,
    record::{MAX_REASON, cut},
};

/// The maximum number of bytes of a text.
const MAX_TEXT: usize = 8 * 1024;
const VERSION: u32 = 1;
/// The latest end of a ban or exemption, from now.
const MAX_TIME: Duration = Duration::from_hours(400 * 24);
/// The widest networks. The table of bans has narrower limits of its own.
const MIN_PREFIX_V4: u8 = 16;
const MIN_PREFIX_V6: u8 = 32;

/// The keys of all kinds. Without a tagged enum, which serde reads in two passes.
#[derive(Deserialize, Serialize)]
struct Text<'a> {
    v: u32,
    kind: Kind,
    #[serde(borrow)]
    network: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offenses: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Banned,
    Lifted,
    Allowed,
    Disallowed,
    Forgotten,
}

/// A change as text. Serializing strings and numbers does not fail.
pub(super) fn write(update: &BanUpdate) -> String {
    let text = match update {
        BanUpdate::Banned(ban) => Text {
            rule: Some(ban.by.as_str().to_owned()),
            reason: ban.reason.as_deref().map(cut_reason),
            since: Some(clock::to_micros(ban.since)),
            until: Some(clock::to_micros(ban.until)),
            offenses: Some(ban.offenses),
            ..Text::new(Kind::Banned, update)
        },
        BanUpdate::Allowed(allow) => Text {
            reason: allow.reason.as_deref().map(cut_reason),
            since: Some(clock::to_micros(allow.since)),
            until: Some(clock::to_micros(allow.until)),
            ..Text::new(Kind::Allowed, update)
        },
        BanUpdate::Lifted(_) => Text::new(Kind::Lifted, update),
        BanUpdate::Disallowed(_) => Text::new(Kind::Disallowed, update),
        BanUpdate::Forgotten(_) => Text::new(Kind::Forgotten, update),
    };
    serde_json::to_string(&text).unwrap_or_default()
}

/// Reads the text of a change; `None` if it is invalid or of another version.
pub(super) fn read(text: &[u8]) -> Option<BanUpdate> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let text: Text<'_> = serde_json::from_slice(text).ok()?;
    if text.v != VERSION {
        return None;
    }
    let network = read_network(&text.network)?;
    Some(match text.kind {
        Kind::Banned => BanUpdate::Banned(BanRecord {
            network,
            by: RuleId::new(&text.rule?).ok()?,
            reason: read_reason(text.reason),
            since: clock::from_micros(text.since?)?,
            until: read_end(text.since?, text.until?)?,
            offenses: text.offenses.unwrap_or(0),
        }),
        Kind::Allowed => BanUpdate::Allowed(AllowRecord {
            network,
            reason: read_reason(text.reason),
            since: clock::from_micros(text.since?)?,
            until: read_end(text.since?, text.until?)?,
        }),
        Kind::Lifted => BanUpdate::Lifted(network),
        Kind::Disallowed => BanUpdate::Disallowed(network),
        Kind::Forgotten => BanUpdate::Forgotten(network),
    })
}

impl Text<'_> {
    /// The keys that all kinds have.
    fn new(kind: Kind, update: &BanUpdate) -> Self {
        Self {
            v: VERSION,
            kind,
            network: Cow::Owned(update.network().to_string()),
            rule: None,
            reason: None,
            since: None,
            until: None,
            offenses: None,
        }
    }
}

/// The longest text that is parsed as a network: an IPv6 address and a prefix.
const MAX_NETWORK: usize = 49;

fn read_network(text: &str) -> Option<IpNet> {
    let network: IpNet = text.get(..text.len().min(MAX_NETWORK))?.parse().ok()?;
    let min = match network {
        IpNet::V4(_) => MIN_PREFIX_V4,
        IpNet::V6(_) => MIN_PREFIX_V6,
    };
    (network.prefix_len() >= min).then(|| network.trunc())
}

fn read_end(since: u64, until: u64) -> Option<std::time::SystemTime> {
    let latest = clock::to_micros(clock::wall().checked_add(MAX_TIME)?);
    (since <= until && until <= latest).then(|| clock::from_micros(until))?
}

fn read_reason(reason: Option<String>) -> Option<Arc<str>> {
    reason.map(|reason| cut(&reason, MAX_REASON).into())
}

fn cut_reason(reason: &str) -> String {
    cut(reason, MAX_REASON).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> u64 {
        clock::to_micros(clock::wall())
    }

    fn banned(network: &str, since: u64, until: u64) -> String {
        format!(
            r#"{{"v":1,"kind":"banned","network":"{network}","rule":"dotfiles","since":{since},"until":{until}}}"#
        )
    }

    #[test]
    fn changes_are_read_as_written() {
        let network: IpNet = "203.0.113.9/32".parse().unwrap();
        let ban = BanRecord {
            network,
            by: RuleId::builtin("scan/probes"),
            reason: Some("\"quoted\"\n".into()),
            since: clock::from_micros(now()).unwrap(),
            until: clock::from_micros(now() + 1_000_000).unwrap(),
            offenses: 3,
        };
        let allow = AllowRecord {
            network: "2001:db8:7::/64".parse().unwrap(),
            reason: None,
            since: ban.since,
            until: ban.until,
        };
        for update in [
            BanUpdate::Banned(ban),
            BanUpdate::Allowed(allow),
            BanUpdate::Lifted(network),
            BanUpdate::Disallowed(network),
            BanUpdate::Forgotten(network),
        ] {
            let text = write(&update);
            assert_eq!(read(text.as_bytes()), Some(update), "{text}");
        }
        let text = r#"{"v":1,"kind":"lifted","network":"203.0.113.9/32"}"#;
        assert_eq!(write(&BanUpdate::Lifted(network)), text);
    }

    #[test]
    fn hostile_texts_are_invalid() {
        let (now, long) = (now(), "9".repeat(MAX_TEXT));
        assert!(read(banned("203.0.113.9/32", now, now).as_bytes()).is_some());
        for text in [
            banned("0.0.0.0/0", now, now),
            banned("::/0", now, now),
            banned("203.0.0.0/15", now, now),
            banned("2001::/31", now, now),
            banned("::ffff:0:0/0", now, now),
            banned("203.0.113.9", now, now),
            banned("", now, now),
            banned(&long, now, now),
            banned("203.0.113.9/32", now, now - 1),
            banned("203.0.113.9/32", now, u64::MAX),
            banned("203.0.113.9/32", u64::MAX, u64::MAX),
            banned("203.0.113.9/32", now, now).replace("\"v\":1", "\"v\":2"),
            banned("203.0.113.9/32", now, now).replace("dotfiles", "two words"),
            banned("203.0.113.9/32", now, now).replace("banned", "allowed all"),
            "[".repeat(MAX_TEXT),
            "{}".to_owned(),
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text:.200}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_panics_or_bans_a_wide_network(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            read(&bytes);
        }

        #[test]
        fn no_network_is_wide(addr in any::<std::net::IpAddr>(), prefix in 0_u8..=128) {
            let text = banned(&format!("{addr}/{prefix}"), now(), now());
            if let Some(update) = read(text.as_bytes()) {
                let network = update.network();
                let is_v4 = network.addr().is_ipv4();
                let min = if is_v4 { MIN_PREFIX_V4 } else { MIN_PREFIX_V6 };
                prop_assert!(network.prefix_len() >= min);
            }
        }
    }
}
