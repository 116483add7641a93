//! Packs: shipped rules, put in force by name.

use std::collections::{HashMap, HashSet};

use gabion_core::Mode;
use gabion_policy::{Document, Pack, check};

/// How many entries `never` may have: it is curated, not collected.
const CURATED: usize = 60;

fn holds(text: &str) {
    if let Err(error) = check(text, "policy.toml", None) {
        panic!("{error}");
    }
}

/// Says of a request what must become of it, as a case of a document.
fn case(request: &str, verdict: &str, rule: &str) -> String {
    let rule = match rule {
        "" => String::new(),
        rule => format!("rule = '{rule}'\n"),
    };
    format!("[[expect]]\nrequest = '{request}'\nverdict = '{verdict}'\n{rule}")
}

#[test]
fn every_pack_compiles_alone_and_all_together() {
    let names: Vec<_> = Pack::ALL.map(Pack::name).into();
    for name in &names {
        holds(&format!("version = 1\npacks = ['{name}']\n"));
    }
    holds(&format!("version = 1\npacks = {names:?}\n"));
    holds(&format!("version = 1\nobserve = {names:?}\n"));
}

#[test]
fn every_entry_is_in_one_pack_once() {
    let mut seen = HashMap::new();
    for pack in Pack::ALL {
        assert!(!pack.rules().is_empty(), "{pack:?}");
        for rule in pack.rules() {
            let of_pack = format!("{}/", pack.name());
            assert!(rule.id.starts_with(&of_pack), "{} in {pack:?}", rule.id);
            assert_eq!(rule.mode, None, "{}: the document says the mode", rule.id);
            let parts = [
                ("path", &rule.exact),
                ("path", &rule.prefix),
                ("name", &rule.names),
                ("extension", &rule.extensions),
                ("regex", &rule.regex),
                ("agent", &rule.agents),
            ];
            for (kind, entry) in parts
                .iter()
                .flat_map(|(kind, part)| part.iter().map(move |entry| (kind, entry)))
            {
                let before = seen.insert((*kind, entry.to_ascii_lowercase()), &rule.id);
                assert_eq!(before, None, "{entry} is in {} too", rule.id);
            }
        }
    }
    let never = Pack::Never.rules().iter().map(|rule| rule.names.len());
    assert!(never.sum::<usize>() <= CURATED);
}

#[test]
fn case_relies_on_a_rule_of_a_pack() {
    let head = "version = 1\npacks = ['never', 'scanners']\nobserve = ['no-php']\n";
    let cases = [
        case("GET /a/%2eenv", "deny", "never/env"),
        case("GET /index.php", "pass", ""),
        case("GET /", "deny", "scanners/agents") + "headers = { user-agent = 'sqlmap/1.7' }\n",
    ];
    holds(&format!("{head}{}", cases.concat()));
}

#[test]
fn document_tunes_a_rule_by_its_id() {
    let own = "[[deny]]\nid = 'never/env'\nnames = '.secret'\nthen = '404'\n";
    let cases = [
        case("GET /.env", "pass", ""),
        case("GET /.secret", "deny", "never/env"),
        case("GET /.git/config", "deny", "never/history"),
    ];
    holds(&format!(
        "version = 1\npacks = ['never']\n{own}{}",
        cases.concat()
    ));
}

#[test]
fn rule_of_the_document_decides_before_a_pack() {
    let own = "[[deny]]\nid = 'mine'\nnames = '.env'\nthen = 'ban'\n";
    let text = format!(
        "version = 1\npacks = ['never']\n{own}{}",
        case("GET /.env", "deny", "mine")
    );
    holds(&text);
}

#[test]
fn pack_has_the_mode_of_the_document_or_only_observes() {
    let text = "version = 1\nmode = 'observe'\npacks = ['never']\nobserve = ['no-php']\n";
    let document = Document::parse(text, "policy.toml").unwrap();
    let modes: HashSet<_> = document
        .deny_rules()
        .into_iter()
        .map(|rule| (rule.id.starts_with("never/"), rule.mode))
        .collect();
    let expected = [(true, None), (false, Some(Mode::Observe))];
    assert_eq!(modes, expected.into());
    assert_eq!(
        Document::parse(&document.to_string(), "again").unwrap(),
        document
    );
}

#[test]
fn unknown_pack_is_told_with_what_was_meant() {
    let text = "version = 1\npacks = ['never', 'no-wordpres']\n";
    let error = check(text, "policy.toml", None).unwrap_err();
    let [told] = error.diagnostics() else {
        panic!("{error}")
    };
    assert_eq!((told.line(), told.column()), (2, 19));
    let help = told.help().unwrap();
    assert!(help.starts_with("did you mean `no-wordpress`? known here: "));
    for pack in Pack::ALL {
        assert!(help.contains(&format!("`{}`", pack.name())), "{help}");
    }
}

#[test]
fn pack_named_twice_is_told() {
    let text = "version = 1\npacks = ['never']\nobserve = ['no-php', 'never']\n";
    let error = check(text, "policy.toml", None).unwrap_err();
    let [told] = error.diagnostics() else {
        panic!("{error}")
    };
    assert_eq!((told.line(), told.column()), (3, 22));
    assert_eq!(told.message(), "this pack is named already");
}
