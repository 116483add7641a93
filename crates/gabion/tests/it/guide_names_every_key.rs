//! Every key of the policy document has a row in the reference.

use std::{fs, path::Path};

use gabion::{
    client::{Claim, ForwardedHeader},
    event::UnparsablePart,
    policy::ProtocolRule,
};

/// A page, and a table of the document that the page is about.
const PAGES: [(&str, &str); 15] = [
    ("allow", "[allow]"),
    ("ban", "[ban]"),
    ("ban", "[ban.neighbors]"),
    ("client", "[client]"),
    ("deny", "[[deny]]\nid = 'a'"),
    ("document", ""),
    ("expect", "[[expect]]\nrequest = '/'\nverdict = 'pass'"),
    ("limit", "[[limit]]\nid = 'a'\nrate = '1/s'"),
    ("message", "[[message]]\nid = 'a'"),
    ("protocol", "[protocol]"),
    ("protocol", "[[protocol.except]]\npaths = '/a'"),
    ("scan", "[scan]"),
    ("server", "[server]"),
    ("upgrade", "[upgrade]"),
    ("upgrade", "[[upgrade.route]]\npath = '/a'"),
];

#[test]
#[expect(clippy::disallowed_methods, reason = "a test reads the guide")]
fn every_key_has_a_row_in_its_page() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("guide");
    let overview = fs::read_to_string(guide.join("policy.md")).unwrap();
    for (page, table) in PAGES {
        let text = fs::read_to_string(guide.join(format!("policy/{page}.md"))).unwrap();
        let keys = keys(table);
        assert!(keys.len() > 1, "{table}: {keys:?}");
        for key in keys {
            let is_row = text.contains(&format!("\n| `{key}` |"));
            let is_section = [format!("`[{key}]`"), format!("`[[{key}]]`")]
                .iter()
                .any(|section| overview.contains(section));
            let is_table = [format!("`[{page}.{key}]`"), format!("`[[{page}.{key}]]`")]
                .iter()
                .any(|table| text.contains(table));
            assert!(
                is_row || is_table || (table.is_empty() && is_section),
                "guide/policy/{page}.md has no row for `{key}`"
            );
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test reads the guide")]
fn every_claim_is_in_the_page_of_the_client() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("guide/policy/client.md");
    let text = fs::read_to_string(page).unwrap();
    let (_, section) = text.split_once("# Claims: ").unwrap();
    let (section, _) = section.split_once("\n# ").unwrap();
    for claim in Claim::ALL {
        let count = section.matches(&format!("`{}`", claim.name())).count();
        assert!(count > 0, "{claim:?}");
    }
    let default = Claim::USUAL.to_string();
    assert!(text.contains(&format!("| `{default}` |")), "{default}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test reads the guide")]
fn every_forwarding_header_is_in_the_page_of_the_client() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("guide/policy/client.md");
    let text = fs::read_to_string(page).unwrap();
    let row = text.lines().find(|line| line.starts_with("| `header` |"));
    let row = row.expect("a row for `header`");
    for header in ForwardedHeader::ALL.map(ForwardedHeader::name) {
        assert!(row.contains(&format!("`\"{header}\"`")), "{header}: {row}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test reads the guide")]
fn every_protocol_rule_is_in_its_page() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("guide/policy/protocol.md");
    let text = fs::read_to_string(page).unwrap();
    for rule in ProtocolRule::all() {
        assert!(text.contains(&format!("`{rule}`")), "{rule}");
    }
    for part in UnparsablePart::ALL {
        let status = part.status().map(|status| status.as_str().to_owned());
        let status = status.as_deref().unwrap_or("none");
        let row = format!("\n| `{}` | {status} | ", part.id());
        assert!(text.contains(&row), "{row}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test reads the guide")]
fn every_kind_of_event_is_in_the_guide() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(here.join("guide/policy.md")).unwrap();
    let source = fs::read_to_string(here.join("../core/src/event/mod.rs")).unwrap();
    let (_, kinds) = source.split_once("pub enum Event {").unwrap();
    let (kinds, _) = kinds.split_once("\n}").unwrap();
    let kinds = kinds.lines().filter_map(|line| line.trim().split_once('('));
    let kinds = kinds.filter(|(kind, _)| kind.starts_with(char::is_uppercase));
    let kinds: Vec<_> = kinds.map(|(kind, _)| kind).collect();
    assert!(kinds.len() > 10, "{kinds:?}");
    for kind in kinds {
        assert!(guide.contains(&format!("\n| `{kind}` | ")), "{kind}");
    }
}

/// The keys that `table` may have, from the help on an unknown one.
fn keys(table: &str) -> Vec<String> {
    let policy = format!("version = 1\n{table}\nzzzzzzzzzzzz = 1\n");
    let error = gabion_policy::check(&policy, "policy.toml", None).unwrap_err();
    let help = error.diagnostics()[0].help().expect("the known keys");
    help.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The table of failures names the tests that show its claims.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test reads tests")]
fn every_test_in_the_page_of_the_state_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("crates/gabion/guide/state.md")).unwrap();
    let (_, section) = page.split_once("\n# Failures\n").unwrap();
    let mut tests = String::new();
    for folder in [
        "crates/store/src/tests",
        "crates/store/tests/it",
        "crates/store/tests/it/shared",
        "crates/inspect/src/ban/tests",
        "examples/guard/tests/it",
        "examples/guard/tests/it/shared",
    ] {
        for file in fs::read_dir(root.join(folder)).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                tests += &fs::read_to_string(path).unwrap();
            }
        }
    }
    let names = section.split('`').skip(1).step_by(2);
    let names = names.filter(|name| name.contains('_') && !name.contains([' ', '.']));
    let names: Vec<_> = names.filter(|name| name.len() > 20).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        assert!(tests.contains(&format!("fn {name}()")), "no test `{name}`");
    }
}
