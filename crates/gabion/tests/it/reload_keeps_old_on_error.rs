//! An invalid policy never comes into force: the old one stays, and the error names the cause.

use gabion_testkit::TempFolder;
use std::{fs, path::PathBuf};

use gabion::event::{Event, PolicyEvent};
use gabion_core::PolicySource;

use crate::support::in_process::{InProcess, build_guarded, get};

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

struct GuardWithFile {
    server: InProcess,
    folder: TempFolder,
    policy: PathBuf,
}

fn guarded(test: &str) -> GuardWithFile {
    let folder = TempFolder::new(test);
    folder.write(
        "drop.netset",
        "198.51.100.0/24\n198.51.101.0/24\n198.51.103.0/24\n",
    );
    let policy = folder.write("policy.toml", POLICY);
    let server = build_guarded(|guard| guard.with_policy_file(&policy));
    GuardWithFile {
        server,
        folder,
        policy: policy.into(),
    }
}

impl GuardWithFile {
    /// Reloads, which must fail, and returns the error.
    #[track_caller]
    fn refused(&self) -> String {
        let before = self.server.guard.policy_handle().current().generation;
        let error = self.server.guard.policy_handle().reload().unwrap_err();
        let why = match &self.server.events.take()[..] {
            [Event::Policy(PolicyEvent::Kept { generation, why })] => {
                assert_eq!(*generation, before);
                why.to_string()
            }
            events => panic!("{events:?}"),
        };
        assert_eq!(why, error.to_string());
        assert_eq!(
            self.server.guard.policy_handle().current().generation,
            before
        );
        self.assert_unchanged();
        why
    }

    #[track_caller]
    fn assert_unchanged(&self) {
        for (request, verdict) in [
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
            assert_eq!(self.server.verdict(request.clone()), verdict, "{request:?}");
        }
    }
}

#[test]
fn bad_document_is_refused_with_its_line() {
    let guarded = guarded("bad_document");
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
        guarded.folder.write("policy.toml", &document);
        let error = guarded.refused();
        let position = format!("policy.toml:{line}:");
        assert!(
            error.contains(&position) && error.contains(why),
            "{position} {why}\n{error}"
        );
    }
}

#[test]
fn missing_or_bad_list_is_refused_with_its_line() {
    let guarded = guarded("bad_list");
    guarded
        .folder
        .write("drop.netset", "198.51.100.0/24\n198.51.101.0-9\n");
    let error = guarded.refused();
    assert!(error.contains("policy.toml:7:10"), "{error}");
    assert!(
        error.contains("drop.netset:2:1: invalid network `198.51.101.0-9`"),
        "{error}"
    );

    guarded.folder.write("drop.netset", "198.51.100.0/24\n");
    let error = guarded.refused();
    assert!(
        error.contains("this edit removes 2 of 3 networks from [ban]"),
        "{error}"
    );

    fs::remove_file(guarded.policy.with_file_name("drop.netset")).unwrap();
    let error = guarded.refused();
    assert!(error.contains("policy.toml:7:10"), "{error}");
    assert!(
        error.contains("cannot read list `drop.netset`: "),
        "{error}"
    );

    fs::remove_file(&guarded.policy).unwrap();
    assert!(guarded.refused().contains("cannot read the document: "));
}

#[test]
fn good_policy_follows_a_bad_one() {
    let guarded = guarded("good_after_bad");
    guarded.folder.write("policy.toml", "version = 2");
    guarded.refused();
    guarded
        .folder
        .write("policy.toml", &POLICY.replace("/admin", "/root"));
    let replaced = guarded.server.guard.policy_handle().reload().unwrap();
    assert_eq!((replaced.generation, replaced.rules), (1, 3));
    assert_eq!(
        guarded.server.events.take_texts(),
        ["policy 1 in force, 3 rules"]
    );
    assert_eq!(guarded.server.verdict("/root"), "403 admin");
    assert_eq!(guarded.server.verdict("/admin"), "200");
    guarded.assert_unchanged();
}
