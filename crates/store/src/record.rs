//! Rows of the files: a network as the key, and a JSON object as the value.
//!
//! Times are microseconds since the epoch. A key that is missing in an object has its default; an unknown
//! one is ignored. A later format that this is not enough for has another version in the file.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use gabion_core::{AllowRecord, BanRecord, OffenseHistory, RuleId};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{StoredEvent, clock};

/// A network as a key: 4 or 6, the address, the prefix length. Networks within another one have neighboring
/// keys.
pub(crate) type NetworkKey = (u8, u128, u8);

/// The maximum number of bytes of a reason.
pub(crate) const MAX_REASON: usize = 1_024;

#[derive(Deserialize, Serialize)]
struct BanRow<'a> {
    rule: &'a str,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    since: u64,
    until: u64,
    #[serde(default)]
    offenses: u32,
}

#[derive(Deserialize, Serialize)]
struct AllowRow {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    since: u64,
    until: u64,
}

#[derive(Deserialize, Serialize)]
struct OffenseRow {
    offenses: u32,
    last: u64,
}

#[derive(Deserialize, Serialize)]
struct EventRow {
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    text: String,
}

/// Shared copies of the names of rules, of which there are far fewer than bans.
#[derive(Default)]
pub(crate) struct RuleNames(HashMap<String, RuleId>);

// === impl NetworkKey ===

pub(crate) fn key(network: IpNet) -> NetworkKey {
    match network.network() {
        IpAddr::V4(addr) => (4, u32::from(addr).into(), network.prefix_len()),
        IpAddr::V6(addr) => (6, addr.into(), network.prefix_len()),
    }
}

/// The smallest and the largest key of a network within `network`. Keys of networks that surround it lie
/// between them, too: check the prefix length.
pub(crate) fn keys_within(network: IpNet) -> (NetworkKey, NetworkKey) {
    let (first, last) = match (network.network(), network.broadcast()) {
        (IpAddr::V6(first), IpAddr::V6(last)) => ((6, first.into()), (6, last.into())),
        (IpAddr::V4(first), IpAddr::V4(last)) => (
            (4, u32::from(first).into()),
            (4, u128::from(u32::from(last))),
        ),
        // The first and the last address have one family.
        _ => ((6, 0), (6, 0)),
    };
    ((first.0, first.1, 0), (last.0, last.1, u8::MAX))
}

pub(crate) fn network((family, addr, prefix): NetworkKey) -> Option<IpNet> {
    let addr: IpAddr = match family {
        4 => IpAddr::V4(u32::try_from(addr).ok()?.into()),
        6 => IpAddr::V6(addr.into()),
        _ => return None,
    };
    IpNet::new(addr, prefix).ok()
}

// === rows ===

pub(crate) fn ban_row(ban: &BanRecord) -> Vec<u8> {
    row(&BanRow {
        rule: ban.by.as_str(),
        reason: cut_reason(ban.reason.as_deref()),
        since: clock::to_micros(ban.since),
        until: clock::to_micros(ban.until),
        offenses: ban.offenses,
    })
}

pub(crate) fn allow_row(allow: &AllowRecord) -> Vec<u8> {
    row(&AllowRow {
        reason: cut_reason(allow.reason.as_deref()),
        since: clock::to_micros(allow.since),
        until: clock::to_micros(allow.until),
    })
}

pub(crate) fn offense_row(history: &OffenseHistory) -> Vec<u8> {
    let offenses = history.offenses;
    let last = clock::to_micros(history.last);
    row(&OffenseRow { offenses, last })
}

pub(crate) fn event_row(event: &StoredEvent) -> Vec<u8> {
    row(&EventRow {
        kind: cut(&event.kind, StoredEvent::MAX_NAME).to_owned(),
        network: event.network.map(|network| network.trunc().to_string()),
        rule: (event.rule.as_deref()).map(|rule| cut(rule, StoredEvent::MAX_NAME).to_owned()),
        text: cut(&event.text, StoredEvent::MAX_TEXT).to_owned(),
    })
}

pub(crate) fn read_ban(key: NetworkKey, row: &[u8], rules: &mut RuleNames) -> Option<BanRecord> {
    let row: BanRow<'_> = serde_json::from_slice(row).ok()?;
    Some(BanRecord {
        network: network(key)?,
        by: rules.id(row.rule)?,
        reason: row.reason.map(Arc::from),
        since: clock::from_micros(row.since)?,
        until: clock::from_micros(row.until)?,
        offenses: row.offenses,
    })
}

pub(crate) fn read_allow(key: NetworkKey, row: &[u8]) -> Option<AllowRecord> {
    let row: AllowRow = serde_json::from_slice(row).ok()?;
    Some(AllowRecord {
        network: network(key)?,
        reason: row.reason.map(Arc::from),
        since: clock::from_micros(row.since)?,
        until: clock::from_micros(row.until)?,
    })
}

pub(crate) fn read_offense(key: NetworkKey, row: &[u8]) -> Option<OffenseHistory> {
    let row: OffenseRow = serde_json::from_slice(row).ok()?;
    Some(OffenseHistory {
        network: network(key)?,
        offenses: row.offenses.max(1),
        last: clock::from_micros(row.last)?,
    })
}

pub(crate) fn read_event(micros: u64, row: &[u8]) -> Option<StoredEvent> {
    let row: EventRow = serde_json::from_slice(row).ok()?;
    Some(StoredEvent {
        at: clock::from_micros(micros)?,
        kind: row.kind.into(),
        network: row.network.and_then(|network| network.parse().ok()),
        rule: row.rule.map(Arc::from),
        text: row.text.into(),
    })
}

/// The network of an event, for its index.
pub(crate) fn network_of_event(row: &[u8]) -> Option<IpNet> {
    let row: EventRow = serde_json::from_slice(row).ok()?;
    row.network?.parse().ok()
}

/// Serializing numbers and strings does not fail.
fn row(row: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(row).unwrap_or_default()
}

fn cut_reason(reason: Option<&str>) -> Option<String> {
    reason.map(|reason| cut(reason, MAX_REASON).to_owned())
}

/// The longest prefix of `text` that has at most `max` bytes.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

// === impl RuleNames ===

impl RuleNames {
    /// The rule `name`; `None` if it is not a valid name.
    fn id(&mut self, name: &str) -> Option<RuleId> {
        if let Some(rule) = self.0.get(name) {
            return Some(rule.clone());
        }
        let rule = RuleId::new(name).ok()?;
        self.0.insert(name.to_owned(), rule.clone());
        Some(rule)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn bans_are_read_as_written() {
        for (network, reason) in [
            ("203.0.113.9/32", Some("\"quoted\" \u{1b}[31m")),
            ("203.0.113.0/24", None),
            ("2001:db8:7::/64", Some("")),
        ] {
            let ban = BanRecord {
                network: network.parse().unwrap(),
                by: RuleId::builtin("scan/probes"),
                reason: reason.map(Arc::from),
                since: UNIX_EPOCH + Duration::from_micros(1_764_000_000_000_001),
                until: UNIX_EPOCH + Duration::from_micros(1_764_000_600_000_002),
                offenses: 3,
            };
            let read = read_ban(key(ban.network), &ban_row(&ban), &mut RuleNames::default());
            assert_eq!(read, Some(ban));
        }
    }

    #[test]
    fn invalid_rows_are_skipped() {
        let mut rules = RuleNames::default();
        let valid = key("203.0.113.9/32".parse().unwrap());
        for row in [
            "",
            "{",
            "[]",
            r#"{"rule":"two words","since":1,"until":2}"#,
            r#"{"rule":"a","since":-1,"until":2}"#,
            r#"{"rule":"a","since":1,"until":1e400}"#,
        ] {
            assert_eq!(read_ban(valid, row.as_bytes(), &mut rules), None, "{row}");
        }
        let row = br#"{"rule":"a","since":1,"until":2,"later":true}"#;
        assert!(read_ban(valid, row, &mut rules).is_some());
        for key in [(5, 0, 0), (4, 1 << 40, 32), (4, 1, 33), (6, 1, 129)] {
            assert_eq!(read_ban(key, row, &mut rules), None, "{key:?}");
        }
    }

    #[test]
    fn keys_of_contained_networks_lie_between() {
        let within = |outer: &str, inner: &str| {
            let (first, last) = keys_within(outer.parse().unwrap());
            (first..=last).contains(&key(inner.parse().unwrap()))
        };
        assert!(within("203.0.113.0/24", "203.0.113.255/32"));
        assert!(within("203.0.113.9/32", "203.0.113.9/32"));
        assert!(within("2001:db8::/32", "2001:db8:ffff::/64"));
        assert!(!within("203.0.113.0/24", "203.0.114.0/32"));
        assert!(!within("0.0.0.0/0", "::/128"));
    }
}
