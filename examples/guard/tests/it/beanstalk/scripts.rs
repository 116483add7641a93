//! The scripts of the kit.

use std::{
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    process::Command,
};

use gabion_testkit::TempFolder;

use super::instance::Layout;
use crate::{kits, support::text};

/// Runs the hook that checks the app's port, with these lines as the output of `ss`. Returns its error.
fn hook(listeners: &str) -> Result<(), String> {
    let folder = TempFolder::new("beanstalk-hook");
    for (name, script) in [
        ("ss", format!("#!/bin/sh\nprintf '{listeners}'\n")),
        ("sleep", "#!/bin/sh\n".to_owned()),
    ] {
        let file = folder.write(name, &script);
        fs::set_permissions(file, Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let hook = kits::path(&Layout::NginxInFront.file(".platform/hooks/postdeploy/50_app_port.sh"));
    let run = Command::new(hook).env("PATH", path).output().unwrap();
    let error = text(&run.stderr);
    assert_eq!(run.status.success(), error.is_empty(), "{error}");
    run.status.success().then_some(()).ok_or(error)
}

#[test]
fn hook_refuses_an_app_that_others_can_reach() {
    let line = |address: &str| format!("LISTEN 0 128 {address} 0.0.0.0:*\\n");
    for closed in [
        line("127.0.0.1:8080"),
        line("[::1]:8080"),
        line("[::ffff:127.0.0.1]:8080"),
        line("127.0.0.1:8080") + &line("[::1]:8080"),
    ] {
        assert_eq!(hook(&closed), Ok(()), "{closed}");
    }
    for (open, address) in [
        (line("0.0.0.0:8080"), "0.0.0.0:8080"),
        (line("*:8080"), "*:8080"),
        (line("[::]:8080"), "[::]:8080"),
        (
            line("127.0.0.1:8080") + &line("172.31.5.4:8080"),
            "172.31.5.4:8080",
        ),
    ] {
        let error = hook(&open).unwrap_err();
        assert!(
            error.contains(&format!("listens on {address}: ")),
            "{error}"
        );
    }
    assert!(hook("").unwrap_err().contains("does not listen"));
}

#[test]
fn check_from_outside_names_open_ports() {
    let check = |ports: &[u16]| {
        let script = kits::path("elastic-beanstalk/check-closed");
        let mut command = Command::new(script);
        command
            .arg("127.0.0.1")
            .args(ports.iter().map(ToString::to_string));
        let run = command.output().unwrap();
        (run.status.code(), text(&run.stdout))
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let open = listener.local_addr().unwrap().port();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let lines = (
        format!("closed  127.0.0.1 port {closed}\n"),
        format!("OPEN    127.0.0.1 port {open}\n"),
    );
    assert_eq!(check(&[closed]), (Some(0), lines.0.clone()));
    assert_eq!(check(&[open, closed]), (Some(1), lines.1 + &lines.0));
    assert_eq!(check(&[]).0, Some(2));
}
