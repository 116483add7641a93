//! `guard explain`: its texts for typical requests, and the exception that it offers.

use gabion_testkit::TempFolder;

use crate::{
    operate::Operated,
    support::{guard, text},
};

/// The folder of the policy and the expected texts.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/explain");

/// Explains a request by the policy of the folder.
fn explain(args: &[&str]) -> String {
    let policy = format!("{FOLDER}/policy.toml");
    explain_by(&policy, args)
}

#[track_caller]
fn explain_by(policy: &str, args: &[&str]) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_guard"));
    command.args(["explain", "--policy", policy]).args(args);
    let output = command.env_remove("RUST_LOG").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Compares the explanation with a file of the folder.
#[track_caller]
fn check(name: &str, args: &[&str]) {
    let file = format!("{FOLDER}/{name}.txt");
    let expected = read(&file);
    assert_eq!(explain(args), expected, "guard explain {args:?}: {file}");
}

#[expect(clippy::disallowed_methods, reason = "a test reads its data")]
fn read(file: &str) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}

#[test]
fn probe_is_denied_with_the_exception_for_its_path() {
    check("probe", &["/docs/.env"]);
}

#[test]
fn clean_page_passes_with_one_view() {
    check("clean", &["http://localhost/index.html?page=2"]);
}

#[test]
fn encoded_path_shows_the_view_in_which_it_matches() {
    check("encoded", &["GET /index.ph%70"]);
}

#[test]
fn spoofed_forwarded_address_is_not_the_client() {
    let header = "X-Forwarded-For: 127.0.0.1, 203.0.113.9, 10.0.0.2";
    check("spoofed", &["/", "-H", header, "--from", "10.0.0.1"]);
    check("untrusted", &["/", "-H", header, "--from", "198.51.100.7"]);
}

#[test]
fn observed_rule_denies_in_the_verdict_if_enforced() {
    check("observed", &["/admin/users"]);
}

#[test]
fn agent_of_a_scanner_is_shown_with_its_weight() {
    check("scanner", &["/", "-A", "sqlmap/1.8"]);
}

#[test]
fn raw_head_that_two_servers_read_differently_is_denied() {
    check("smuggling", &["--raw", &format!("{FOLDER}/smuggling.http")]);
}

#[test]
fn raw_head_that_the_parser_refuses_is_shown_with_the_offset() {
    check("refused", &["--raw", &format!("{FOLDER}/refused.http")]);
}

#[test]
fn named_rule_is_shown_though_it_does_not_match() {
    let shown = explain(&["/index.html", "--rule", "php"]);
    let why = "  php does not match: no segment of 1 view ends in `php`\n";
    assert!(shown.contains(why), "{shown}");
    assert!(!explain(&["/index.html"]).contains(why));
}

#[test]
fn control_and_direction_characters_are_escaped() {
    let header = "X-Forwarded-For: \u{202e}evil";
    let shown = explain(&["/a%1b[2J%e2%80%ae", "-H", header, "--rule", "\u{202e}"]);
    let is_plain = |c: char| c == '\n' || c == '…' || c.is_ascii_graphic() || c == ' ';
    assert!(shown.chars().all(is_plain), "{shown:?}");
}

#[test]
fn offered_exception_passes_the_request_and_nothing_else() {
    let shown = explain(&["/shop/index.php", "--json"]);
    let explained: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let snippet = explained["exception"]["snippet"].as_str().unwrap();
    let folder = TempFolder::new("explain-exception");
    let policy = read(&format!("{FOLDER}/policy.toml"));
    let policy = folder.replace("policy.toml", &format!("{policy}\n{snippet}"));
    let verdict = |target| {
        let shown = explain_by(&policy, &[target]);
        shown.lines().last().unwrap().to_owned()
    };
    assert!(verdict("/shop/index.php").starts_with("verdict  allow"));
    for attack in ["/index.php", "/shop/other.php", "/shop/.env", "/.env"] {
        assert!(verdict(attack).starts_with("verdict  denied"), "{attack}");
    }
}

#[test]
fn ten_rows_of_the_path_table_are_denied_by_the_rule_that_they_expect() {
    let table = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/paths/deny.tsv"
    );
    let table = read(table);
    if table.is_empty() {
        println!("skipped: no path table beside the repository");
        return;
    }
    let rows = table.lines().filter_map(|line| {
        let cells: Vec<_> = line.split('\t').collect();
        let (target, typed) = (*cells.get(2)?, *cells.get(7)?);
        (cells.get(1) == Some(&"encode") && matches!(typed, "php" | "pass"))
            .then(|| (target.to_owned(), typed == "php"))
    });
    let rows: Vec<_> = rows.filter(|(target, _)| !target.contains('\\')).collect();
    assert!(rows.len() >= 10, "{} rows", rows.len());
    for (target, is_php) in rows.into_iter().take(10) {
        let shown = explain(&[&format!("GET {target}")]);
        let matches = shown.contains("  php matches: denied (403)");
        assert_eq!(matches, is_php, "{target}\n{shown}");
    }
}

#[tokio::test]
async fn running_guard_explains_a_request_by_its_bans() {
    let operated = Operated::start().await;
    let explained = |args: &[&str]| {
        let args = [&["explain", "--running", "/", "--from", "127.0.0.1"], args].concat();
        operated.stdout(&args)
    };
    let header = ["-H", "X-Forwarded-For: 203.0.113.9"];
    assert!(explained(&header).ends_with("verdict  pass\n"));
    operated.stdout(&["ban", "203.0.113.9", "--for", "1h"]);
    let banned = explained(&header);
    assert!(banned.contains("verdict  denied (403)"), "{banned}");
    assert!(
        banned.contains("x-forwarded-for 203.0.113.9: the client"),
        "{banned}"
    );
}

#[test]
fn missing_request_is_an_error() {
    assert!(!guard(["explain"]).status.success());
}
