//! Packs of shipped rules.

use std::collections::{HashMap, HashSet};

use gabion_core::Mode;
use gabion_policy::{Document, Pack, check};

/// The maximum number of entries in `never`, which is curated by hand.
const MAX_NEVER_ENTRIES: usize = 60;

fn assert_valid(text: &str) {
    if let Err(error) = check(text, "policy.toml", None) {
        panic!("{error}");
    }
}

/// The text of an `[[expect]]` test.
fn expect_test(request: &str, verdict: &str, rule: &str) -> String {
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
        assert_valid(&format!("version = 1\npacks = ['{name}']\n"));
    }
    assert_valid(&format!("version = 1\npacks = {names:?}\n"));
    assert_valid(&format!("version = 1\nobserve = {names:?}\n"));
}

#[test]
fn no_entry_is_in_two_packs() {
    let mut seen = HashMap::new();
    for pack in Pack::ALL {
        assert!(!pack.rules().is_empty(), "{pack:?}");
        for rule in pack.rules() {
            let of_pack = format!("{}/", pack.name());
            assert!(rule.id.starts_with(&of_pack), "{} in {pack:?}", rule.id);
            assert_eq!(rule.mode, None, "{}: the document sets the mode", rule.id);
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
    assert!(never.sum::<usize>() <= MAX_NEVER_ENTRIES);
}

#[test]
fn expect_test_can_name_a_rule_of_a_pack() {
    let head = "version = 1\npacks = ['never', 'scanners']\nobserve = ['no-php']\n";
    let tests = [
        expect_test("GET /a/%2eenv", "deny", "never/env"),
        expect_test("GET /index.php", "pass", ""),
        expect_test("GET /", "deny", "scanners/agents")
            + "headers = { user-agent = 'sqlmap/1.7' }\n",
    ];
    assert_valid(&format!("{head}{}", tests.concat()));
}

/// Each path that a pack refused wrongly, beside the probe that it resembles.
#[test]
fn probes_are_denied_and_their_honest_look_alikes_pass() {
    let names: Vec<_> = Pack::ALL.map(Pack::name).into();
    let deny = |path, rule| expect_test(&format!("GET {path}"), "deny", rule);
    let pass = |path| expect_test(&format!("GET {path}"), "pass", "");
    let tests = [
        deny("/wp-content/x.js", "no-wordpress/folders"),
        deny("/blog/wp-includes/x", "no-wordpress/folders"),
        pass("/cdn/site.example/wp-content/uploads/a.jpg"),
        deny("/x/y/wp-admin/", "no-wordpress/paths"),
        deny("/vendor/phpunit/src", "no-php/phpunit"),
        pass("/packages/phpunit"),
        deny("/script", "no-java-admin/script"),
        pass("/script/app.js"),
        deny("/a.cgi", "no-cgi/scripts"),
        pass("/logos/example.pl/logo.png"),
        deny("/login.jsp", "no-jsp/scripts"),
        deny("/index.action", "no-jsp/scripts"),
        pass("/do/action"),
        deny("/page.aspx", "no-asp/scripts"),
        pass("/wayback/http://old.example/page.asp"),
        pass("/web/2015/http://old.example/index.php"),
        pass("/proxy/https%3A/old.example/page.aspx"),
        pass("/proxy/https%3A%2F%2Fold.example%2Fx.cgi"),
        pass("/proxy/https://old.example/login.jsp"),
        pass("/proxy/https://old.example/dump.sql"),
        deny("/http://old.example/../../index.php", "no-php/scripts"),
        deny("/index.php/http://old.example/", "no-php/scripts"),
        deny("/.env.azure", "never/env"),
        deny("/app/.env.staging", "never/env"),
        deny("/.ENV.wiliwio/", "never/env"),
        deny("/.env.example", "never/env"),
        pass("/environment"),
        pass("/.environment"),
        pass("/docs/.env.md"),
        pass("/guide/.env.html"),
        pass("/.well-known/security.txt"),
        deny("/home/.php_history", "never/shell"),
        deny("/.terraform/terraform.tfstate", "never/keys"),
        deny("/wp-config.php.bk", "leftovers/copies"),
        deny("/config.php~", "leftovers/copies"),
        deny("/backup.zip", "leftovers/archives"),
        pass("/downloads/release-1.2.zip"),
    ];
    assert_valid(&format!(
        "version = 1\npacks = {names:?}\n{}",
        tests.concat()
    ));
}

#[test]
fn own_rule_replaces_a_pack_rule_of_the_same_id() {
    let own = "[[deny]]\nid = 'never/env'\nnames = '.secret'\nthen = '404'\n";
    let tests = [
        expect_test("GET /.env", "pass", ""),
        expect_test("GET /.secret", "deny", "never/env"),
        expect_test("GET /.git/config", "deny", "never/history"),
    ];
    assert_valid(&format!(
        "version = 1\npacks = ['never']\n{own}{}",
        tests.concat()
    ));
}

#[test]
fn own_rule_decides_before_a_pack() {
    let own = "[[deny]]\nid = 'mine'\nnames = '.env'\nthen = 'ban'\n";
    let text = format!(
        "version = 1\npacks = ['never']\n{own}{}",
        expect_test("GET /.env", "deny", "mine")
    );
    assert_valid(&text);
}

#[test]
fn pack_has_the_mode_of_the_document_or_observes() {
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
fn unknown_pack_gets_a_suggestion() {
    let text = "version = 1\npacks = ['never', 'no-wordpres']\n";
    let error = check(text, "policy.toml", None).unwrap_err();
    let [diagnostic] = error.diagnostics() else {
        panic!("{error}")
    };
    assert_eq!((diagnostic.line(), diagnostic.column()), (2, 19));
    let help = diagnostic.help().unwrap();
    assert!(
        diagnostic
            .message()
            .ends_with("did you mean `no-wordpress`?")
    );
    assert!(help.starts_with("known values: "));
    for pack in Pack::ALL {
        assert!(help.contains(&format!("`{}`", pack.name())), "{help}");
    }
}

#[test]
fn pack_listed_twice_is_refused() {
    let text = "version = 1\npacks = ['never']\nobserve = ['no-php', 'never']\n";
    let error = check(text, "policy.toml", None).unwrap_err();
    let [diagnostic] = error.diagnostics() else {
        panic!("{error}")
    };
    assert_eq!((diagnostic.line(), diagnostic.column()), (3, 22));
    assert_eq!(diagnostic.message(), "pack `never` is listed twice");
}
