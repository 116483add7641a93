//! A policy that is not whole never comes into force: the old one judges on, and it is said why.

use std::{fs, path::PathBuf};

use gabion::{Event, event::PolicyEvent};
use gabion_core::PolicySource;

use crate::support::in_process::{Folder, Wall, get};

const POLICY: &str = r#"version = 1
[client]
trusted_proxies = ["10.0.0.0/8"]
[allow]
networks = ["192.0.2.7"]
[ban]
files = ["drop.netset"]
[[deny]]
id = "dotfiles"
names = [".env"]
[[deny]]
id = "php"
extensions = ["php"]
[[deny]]
id = "admin"
prefix = ["/admin"]
[[expect]]
request = "/.env"
verdict = "deny"
"#;

struct Site {
    wall: Wall,
    folder: Folder,
    policy: PathBuf,
}

fn site(test: &str) -> Site {
    let folder = Folder::new(test);
    folder.write(
        "drop.netset",
        "198.51.100.0/24\n198.51.101.0/24\n198.51.103.0/24\n",
    );
    let policy = folder.write("policy.toml", POLICY);
    let wall = Wall::built(|guard| guard.with_policy_file(&policy));
    Site {
        wall,
        folder,
        policy,
    }
}

impl Site {
    /// Reloads, which must fail, and says why.
    #[track_caller]
    fn refused(&self) -> String {
        let before = self.wall.guard.policy_handle().current().generation;
        let error = self.wall.guard.policy_handle().reload().unwrap_err();
        let why = match &self.wall.told.take()[..] {
            [Event::Policy(PolicyEvent::Kept { generation, why })] => {
                assert_eq!(*generation, before);
                why.to_string()
            }
            events => panic!("{events:?}"),
        };
        assert_eq!(why, error.to_string());
        assert_eq!(self.wall.guard.policy_handle().current().generation, before);
        self.judges_as_before();
        why
    }

    #[track_caller]
    fn judges_as_before(&self) {
        for (ask, verdict) in [
            (get("/.env"), "403 dotfiles"),
            (get("/x.php"), "403 php"),
            (get("/").from("198.51.100.7"), "403 ban/list"),
            (get("/.env").from("192.0.2.7"), "200 allow/network"),
            (
                get("/.env").from("10.0.0.1").xff("192.0.2.7"),
                "200 allow/network",
            ),
            (get("/"), "200"),
        ] {
            assert_eq!(self.wall.verdict(ask.clone()), verdict, "{ask:?}");
        }
    }
}

#[test]
fn bad_document_is_refused_with_its_line() {
    let site = site("bad_document");
    let edit = |from: &str, to: &str| POLICY.replacen(from, to, 1);
    for (document, line, why) in [
        (edit("[ban]", "[ban"), 6, "expected"),
        (edit("prefix", "prefx"), 16, "unknown key `prefx`"),
        (
            edit("\"192.0.2.7\"", "\"192.0.2.700\""),
            5,
            "invalid network `192.0.2.700`",
        ),
        (
            edit("[\".env\"]", "[\".git\"]"),
            19,
            "expected `deny` for `/.env`, got: pass",
        ),
        (edit("names = [\".env\"]", "regex = ['(']"), 10, "regex"),
        (edit("extensions = [\"php\"]", ""), 11, "no conditions"),
        (
            edit("\"192.0.2.7\"", ""),
            4,
            "this edit removes 192.0.2.7 from [allow]",
        ),
        (
            edit("\"10.0.0.0/8\"", ""),
            2,
            "this edit removes 10.0.0.0/8 from [client] trusted_proxies",
        ),
        (
            edit("files = [\"drop.netset\"]", ""),
            6,
            "this edit removes 3 of 3 networks from [ban]",
        ),
        (
            "version = 1\n".to_owned(),
            1,
            "this edit removes 3 of 3 deny rules",
        ),
        (String::new(), 1, "missing key `version`"),
    ] {
        site.folder.write("policy.toml", &document);
        let told = site.refused();
        let place = format!("policy.toml:{line}:");
        assert!(
            told.contains(&place) && told.contains(why),
            "{place} {why}\n{told}"
        );
    }
}

#[test]
fn missing_or_bad_list_is_refused_with_its_line() {
    let site = site("bad_list");
    site.folder
        .write("drop.netset", "198.51.100.0/24\n198.51.101.0-9\n");
    let told = site.refused();
    assert!(told.contains("policy.toml:7:10"), "{told}");
    assert!(
        told.contains("drop.netset:2:1: invalid network `198.51.101.0-9`"),
        "{told}"
    );

    site.folder.write("drop.netset", "198.51.100.0/24\n");
    let told = site.refused();
    assert!(
        told.contains("this edit removes 2 of 3 networks from [ban]"),
        "{told}"
    );

    fs::remove_file(site.policy.with_file_name("drop.netset")).unwrap();
    let told = site.refused();
    assert!(told.contains("policy.toml:7:10"), "{told}");
    assert!(told.contains("cannot read list `drop.netset`: "), "{told}");

    fs::remove_file(&site.policy).unwrap();
    assert!(site.refused().contains("cannot read the document: "));
}

#[test]
fn good_policy_follows_a_bad_one() {
    let site = site("good_after_bad");
    site.folder.write("policy.toml", "version = 2");
    site.refused();
    site.folder
        .write("policy.toml", &POLICY.replace("/admin", "/root"));
    let replaced = site.wall.guard.policy_handle().reload().unwrap();
    assert_eq!((replaced.generation, replaced.rules), (1, 3));
    assert_eq!(site.wall.told.take_words(), ["policy 1 in force, 3 rules"]);
    assert_eq!(site.wall.verdict("/root"), "403 admin");
    assert_eq!(site.wall.verdict("/admin"), "200");
    site.judges_as_before();
}
