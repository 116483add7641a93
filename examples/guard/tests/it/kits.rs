//! The kits in `examples/deploy`: arguments, policies and times in different files fit this guard and each other.

use std::{fs, path::PathBuf, process::Command};

use gabion_testkit::TempFolder;

use crate::support::{guard, text};

/// The full path of a file in `examples/deploy`.
pub(crate) fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy")
        .join(file)
}

/// Reads a file in `examples/deploy`.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "a test reads the kit")]
pub(crate) fn read(file: &str) -> String {
    let path = path(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The number after the first `key` in `text`.
#[track_caller]
pub(crate) fn number_after(text: &str, key: &str) -> u64 {
    let (_, rest) = text
        .split_once(key)
        .unwrap_or_else(|| panic!("no {key} in {text}"));
    let digits = rest.trim_start_matches([' ', ':', '=', '"']);
    let end = digits.find(|c: char| !c.is_ascii_digit());
    let digits = &digits[..end.unwrap_or(digits.len())];
    digits
        .parse()
        .unwrap_or_else(|_| panic!("no number after {key} in {text}"))
}

/// The arguments of guard in each kit.
fn arguments() -> Vec<(&'static str, Vec<String>)> {
    let words = |line: &str| line.split(' ').map(ToOwned::to_owned).collect();
    let after = |file: &'static str, begin: &str| {
        let text = read(file);
        let (_, rest) = text.split_once(begin).unwrap_or_else(|| panic!("{file}"));
        (file, words(rest.lines().next().unwrap()))
    };
    // Those of a list in YAML, each on a line.
    let items = |file: &'static str| {
        let text = read(file);
        let items = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- --"));
        let items: Vec<_> = items.map(|item| format!("--{item}")).collect();
        assert!(items.len() > 2, "{items:?}");
        (file, items)
    };
    let entrypoint = read("docker/Dockerfile");
    let (_, entrypoint) = entrypoint.split_once("ENTRYPOINT ").unwrap();
    let entrypoint: Vec<String> = serde_json::from_str(entrypoint).unwrap();
    vec![
        after("elastic-beanstalk/nginx-in-front/Procfile", "bin/guard "),
        after("elastic-beanstalk/without-nginx/Procfile", "bin/guard "),
        after("systemd/guard.service", "\nExecStart=/usr/local/bin/guard "),
        ("docker/Dockerfile", entrypoint[1..].to_vec()),
        items("docker/compose.yml"),
        items("kubernetes/guard.yaml"),
    ]
}

#[test]
fn guard_has_the_arguments_of_the_kits() {
    for (file, arguments) in arguments() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_guard"));
        // Help is printed after the arguments in front of it were parsed.
        let run = command.args(&arguments).arg("--help").output().unwrap();
        assert!(
            run.status.success(),
            "{file}: {arguments:?}: {}",
            text(&run.stderr)
        );
    }
    let refused = guard(["--no-such-argument", "--help"]);
    assert!(!refused.status.success(), "help hides errors");
}

#[test]
fn policies_of_the_kits_are_valid() {
    let config_map = read("kubernetes/guard.yaml");
    let (_, policy) = config_map.split_once("policy.toml: |\n").unwrap();
    let (policy, _) = policy.split_once("\n---").unwrap();
    let folder = TempFolder::new("kits");
    let lines = policy.lines().map(|line| line.strip_prefix("    "));
    let lines: Vec<_> = lines.map(Option::unwrap_or_default).collect();
    let mut policies = vec![("kubernetes/guard.yaml", lines.join("\n"))];
    for file in [
        "docker/policy/policy.toml",
        "elastic-beanstalk/nginx-in-front/policy.toml",
        "elastic-beanstalk/without-nginx/policy.toml",
    ] {
        policies.push((file, read(file)));
    }
    for (file, policy) in policies {
        let named = policy.replace("# hosts =", "hosts =");
        assert_ne!(policy, named, "{file}");
        // With names, health checks by address pass because of their path or agent only.
        for policy in [policy, named] {
            let check = guard(["check", &folder.write("policy.toml", &policy)]);
            let (report, error) = (text(&check.stdout), text(&check.stderr));
            assert!(check.status.success(), "{file}: {error}");
            assert!(!report.contains("warning"), "{file}: {report}");
            assert!(
                policy.contains("[[expect]]") && policy.contains("host = "),
                "{file}"
            );
        }
    }
}

#[test]
fn containers_keep_their_bans_in_a_volume() {
    for (file, mount) in [
        ("docker/compose.yml", "- guard-state:/var/lib/guard\n"),
        (
            "kubernetes/guard.yaml",
            "- { name: guard-state, mountPath: /var/lib/guard }\n",
        ),
    ] {
        let (_, arguments) = arguments().into_iter().find(|(of, _)| *of == file).unwrap();
        let mut arguments = arguments.iter();
        let state = arguments.find_map(|argument| argument.strip_prefix("--state="));
        assert!(
            state.is_some_and(|state| state.starts_with("/var/lib/guard")),
            "{file}"
        );
        assert!(read(file).contains(mount), "{file}");
    }
}

#[test]
fn guard_has_time_to_drain_before_it_is_killed() {
    for (file, limit) in [
        ("systemd/guard.service", "\nTimeoutStopSec"),
        ("docker/compose.yml", "stop_grace_period"),
        ("kubernetes/guard.yaml", "terminationGracePeriodSeconds"),
    ] {
        let (_, arguments) = arguments().into_iter().find(|(of, _)| *of == file).unwrap();
        let arguments = arguments.join(" ");
        let delay = if arguments.contains("--drain-delay") {
            number_after(&arguments, "--drain-delay")
        } else {
            0
        };
        let drain = delay + number_after(&arguments, "--grace");
        let text = read(file);
        assert!(number_after(&text, limit) > drain, "{file}");
        if file.starts_with("kubernetes") {
            let app = number_after(&text, "sleep: { seconds");
            assert!(app >= drain, "the app ends before its requests");
        }
    }
}
