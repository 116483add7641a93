//! Formats of the list of bans.

use std::{fmt::Write as _, time::SystemTime};

use clap::ValueEnum;
use gabion_admin::{BanRow, Bans};
use ipnet::IpNet;

use super::{cells, table, text};

/// Formats of `guard bans`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum BansFormat {
    /// For people
    Table,
    /// An array of objects
    Json,
    /// Comma-separated values with a head
    Csv,
    /// A table of nftables: `guard bans --format nft | nft -f -`
    Nft,
    /// Sets of ipset: `guard bans --format ipset | ipset restore -exist`
    Ipset,
    /// Lines `deny ...;` to include in nginx
    Nginx,
}

/// A network to drop.
#[derive(Clone, Copy, Debug)]
struct Dropped {
    network: IpNet,
    seconds: u64,
}

/// The longest timeout of ipset, in seconds.
const IPSET_LONGEST: u64 = 2_147_483;

/// Drops connections before any proxy of this machine: right only where clients connect directly.
const DIRECT: &str = "# Use this only where clients connect directly: behind a load balancer, the addresses of clients \
                      never reach the packet filter.\n";

// === impl BansFormat ===

impl BansFormat {
    /// Formats the bans.
    pub(super) fn write(self, bans: &Bans, now: SystemTime) -> String {
        match self {
            Self::Table => write_table(bans, now),
            Self::Json => text::json(&bans.bans),
            Self::Csv => write_csv(&bans.bans),
            Self::Nft => write_nft(&dropped(&bans.bans, now)),
            Self::Ipset => write_ipset(&dropped(&bans.bans, now)),
            Self::Nginx => {
                let mut text = String::new();
                for ban in dropped(&bans.bans, now) {
                    // Writing to a string does not fail.
                    let _ = writeln!(text, "deny {};", ban.network);
                }
                text
            }
        }
    }
}

fn write_table(bans: &Bans, now: SystemTime) -> String {
    let rows: Vec<_> = bans.bans.iter().map(|ban| cells(ban, now)).collect();
    let head = ["NETWORK", "LEFT", "RULE", "OFFENSES", "SINCE", "WHY"];
    let mut text = if rows.is_empty() {
        "no bans\n".to_owned()
    } else {
        table::write(&head, &rows)
    };
    let hidden = bans.matching.saturating_sub(bans.bans.len());
    if hidden > 0 {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{hidden} more");
    }
    text
}

fn write_csv(bans: &[BanRow]) -> String {
    let mut text = "network,rule,offenses,since,until,reason\n".to_owned();
    for ban in bans {
        let BanRow {
            network,
            rule,
            offenses,
            since,
            until,
            reason,
            ..
        } = ban;
        let reason = quoted(reason.as_deref().unwrap_or_default());
        let _ = writeln!(text, "{network},{rule},{offenses},{since},{until},{reason}");
    }
    text
}

/// Quotes a field (RFC 4180). A spreadsheet would evaluate one that begins as a formula.
fn quoted(field: &str) -> String {
    let field = text::escaped(field);
    let formula = if field.starts_with(['=', '+', '-', '@']) {
        "'"
    } else {
        ""
    };
    format!("\"{formula}{}\"", field.replace('"', "\"\""))
}

/// The networks of bans that have a second left at least, without those inside of others: packet filters refuse
/// networks that overlap. If the outer ban ends first, guard itself still refuses the inner one.
fn dropped(bans: &[BanRow], now: SystemTime) -> Vec<Dropped> {
    let parsed = bans.iter().filter_map(|ban| {
        let network = ban.network.parse().ok()?;
        let seconds = ban.until.0.duration_since(now).ok()?.as_secs();
        (seconds > 0).then_some(Dropped { network, seconds })
    });
    let mut parsed: Vec<Dropped> = parsed.collect();
    // Of networks that begin alike, the widest first.
    parsed.sort_by_key(|ban| (ban.network.network(), ban.network.prefix_len()));
    let mut outer: Vec<Dropped> = Vec::with_capacity(parsed.len());
    for ban in parsed {
        if !outer
            .last()
            .is_some_and(|last| last.network.contains(&ban.network))
        {
            outer.push(ban);
        }
    }
    outer
}

fn split(bans: &[Dropped]) -> [(&'static str, Vec<Dropped>); 2] {
    let (v4, v6) = bans
        .iter()
        .partition(|ban| matches!(ban.network, IpNet::V4(_)));
    [("4", v4), ("6", v6)]
}

fn write_nft(bans: &[Dropped]) -> String {
    // The first line makes the second succeed; the file is applied as a whole.
    let mut text =
        format!("{DIRECT}add table inet guard\ndelete table inet guard\ntable inet guard {{\n");
    for (family, bans) in split(bans) {
        let _ = writeln!(text, "\tset banned{family} {{");
        let _ = writeln!(text, "\t\ttype ipv{family}_addr");
        text += "\t\tflags interval,timeout\n";
        if !bans.is_empty() {
            let elements = bans.iter();
            let elements = elements.map(|ban| format!("{} timeout {}s", ban.network, ban.seconds));
            let elements = elements.collect::<Vec<_>>().join(",\n\t\t\t");
            let _ = writeln!(text, "\t\telements = {{\n\t\t\t{elements}\n\t\t}}");
        }
        text += "\t}\n";
    }
    text += "\tchain input {\n\t\ttype filter hook input priority filter - 10; policy accept;\n";
    text += "\t\tip saddr @banned4 drop\n\t\tip6 saddr @banned6 drop\n\t}\n}\n";
    text
}

fn write_ipset(bans: &[Dropped]) -> String {
    let mut text = DIRECT.to_owned();
    for (family, bans) in split(bans) {
        let inet = if family == "4" { "inet" } else { "inet6" };
        let most = bans.len().next_power_of_two().max(65_536);
        let name = format!("guard{family}");
        let _ = writeln!(
            text,
            "create {name} hash:net family {inet} maxelem {most} timeout 0"
        );
        let _ = writeln!(text, "flush {name}");
        for ban in bans {
            let seconds = ban.seconds.min(IPSET_LONGEST);
            let _ = writeln!(text, "add {name} {} timeout {seconds}", ban.network);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bans(rows: &[(&str, u64)]) -> Vec<BanRow> {
        let row = |(network, seconds): &(&str, u64)| {
            let until = humantime_text(*seconds);
            let json = format!(
                "{{\"network\": \"{network}\", \"rule\": \"a\", \"since\": \"1970-01-01T00:00:00Z\", \"until\": \"{until}\"}}"
            );
            serde_json::from_str(&json).unwrap()
        };
        rows.iter().map(row).collect()
    }

    fn humantime_text(seconds: u64) -> String {
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        gabion_admin::Timestamp(at).to_string()
    }

    #[test]
    fn networks_inside_of_others_are_left_out() {
        let rows = bans(&[
            ("203.0.113.9/32", 60),
            ("203.0.113.0/24", 30),
            ("203.0.114.1/32", 90),
            ("203.0.114.2/32", 0),
            ("2001:db8::/48", 60),
            ("2001:db8:0:7::/64", 60),
        ]);
        let dropped = dropped(&rows, SystemTime::UNIX_EPOCH);
        let shown: Vec<_> = dropped
            .iter()
            .map(|ban| format!("{} {}", ban.network, ban.seconds))
            .collect();
        assert_eq!(
            shown,
            ["203.0.113.0/24 30", "203.0.114.1/32 90", "2001:db8::/48 60"]
        );
    }

    #[test]
    fn fields_of_csv_are_quoted_and_no_formulas() {
        assert_eq!(quoted("=1+1"), "\"'=1+1\"");
        assert_eq!(quoted("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert!(!quoted("\u{1b}[2J\r\n").contains(char::is_control));
    }
}
