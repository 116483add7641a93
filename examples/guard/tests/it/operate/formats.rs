//! The formats of `guard bans`, read by the programs that they are for.

use std::process::Command;

use gabion_testkit::program;

use super::Operated;
use crate::support::text;

const HOSTILE: &str = "\u{202e}evil \"quote\", 'x'; deny all; \\ =1+1";

async fn operated() -> Operated {
    let operated = Operated::start().await;
    for client in ["203.0.113.9", "203.0.113.10", "2001:db8::7"] {
        operated.stdout(&["ban", client, "--for", "30d", "--why", HOSTILE]);
    }
    operated
}

#[tokio::test]
async fn reasons_do_not_act_in_terminals_and_spreadsheets() {
    let operated = operated().await;
    for format in ["table", "csv"] {
        let output = operated.stdout(&["bans", "--format", format]);
        assert!(
            output.contains("\\u{202e}evil") && !output.contains('\u{202e}'),
            "{output}"
        );
    }
    let json = operated.stdout(&["bans", "--format", "json"]);
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(rows[0]["reason"], HOSTILE);
    let only = operated.stdout(&["bans", "--network", "203.0.113.0/24", "--format", "csv"]);
    assert_eq!(only.lines().count(), 3, "{only}");
    for format in ["nft", "ipset", "nginx"] {
        let output = operated.stdout(&["bans", "--format", format]);
        assert!(
            !output.contains("evil") && output.contains("203.0.113.10"),
            "{output}"
        );
    }
}

#[tokio::test]
async fn nftables_accepts_its_format() {
    let Some(nft) = program("nft") else { return };
    let operated = operated().await;
    let rules = operated.stdout(&["bans", "--format", "nft"]);
    let file = operated.folder.write("bans.nft", &rules);
    let check = |file: &str| {
        Command::new(&nft)
            .args(["-c", "-f", file])
            .output()
            .unwrap()
    };
    let empty = operated.folder.write("empty.nft", "");
    let probe = check(&operated.folder.write("probe.nft", "add table inet guard\n"));
    if !probe.status.success() && check(&empty).status.success() {
        eprintln!(
            "SKIPPED: nft may not talk to the kernel: {}",
            text(&probe.stderr)
        );
        return;
    }
    let checked = check(&file);
    assert!(
        checked.status.success(),
        "{}\n{rules}",
        text(&checked.stderr)
    );
    let broken = operated
        .folder
        .write("broken.nft", &rules.replace("timeout", "timeot"));
    assert!(!check(&broken).status.success(), "the check is real");
}

#[tokio::test]
async fn nginx_accepts_its_format() {
    let Some(nginx) = program("nginx") else {
        return;
    };
    let operated = operated().await;
    let rules = operated.stdout(&["bans", "--format", "nginx"]);
    assert_eq!(rules.lines().count(), 3);
    let bans = operated.folder.write("bans.conf", &rules);
    let folder = operated.folder.path().display();
    let config = format!(
        "pid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nevents {{}}\nhttp {{ access_log off; include {bans}; }}\n"
    );
    let config = operated.folder.write("nginx.conf", &config);
    let checked = Command::new(nginx)
        .args(["-t", "-c", &config])
        .output()
        .unwrap();
    assert!(
        checked.status.success(),
        "{}\n{rules}",
        text(&checked.stderr)
    );
}
