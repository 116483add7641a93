//! The configuration file: groups of servers, routes with policies of their own, diagnostics, and changes.

use gabion_testkit::{LoopbackServer, TempFolder};
use rcgen::generate_simple_self_signed;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Guard, guard, text};

/// A server whose responses have its name.
pub(crate) async fn named(name: &'static str) -> LoopbackServer {
    LoopbackServer::start(move |mut socket: TcpStream| async move {
        let mut request = [0; 4096];
        while let Ok(1..) = socket.read(&mut request).await {
            let length = name.len();
            let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}");
            if socket.write_all(response.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

#[tokio::test]
async fn routes_have_their_own_upstream_and_additions_to_the_policy() {
    let (pages, api) = (named("pages").await, named("api").await);
    let folder = TempFolder::new("config-routes");
    folder.replace("policy.toml", "version = 1\npacks = ['never']\n");
    let additions =
        |path: &str| format!("version = 1\n[[deny]]\nid = 'internal'\nprefix = '{path}'\n");
    folder.replace("api.toml", &additions("/api/internal"));
    folder.replace(
        "guard.toml",
        &format!(
            "version = 1\npolicy = 'policy.toml'\nworkers = 1\n\n\
             [listen]\naddress = '127.0.0.1:0'\n\n\
             [[upstream]]\nname = 'pages'\nservers = [{{ url = 'http://{}' }}]\n\n\
             [[upstream]]\nname = 'api'\nservers = [{{ url = 'http://{}', weight = 2 }}]\n\n\
             [[route]]\npath = '/api'\nupstream = 'api'\npolicy = 'api.toml'\n\n\
             [[route]]\nhost = 'shop.example'\nupstream = 'api'\n",
            pages.addr(),
            api.addr()
        ),
    );
    let config = folder.path().join("guard.toml");
    let checked = guard(["check", "--config", config.to_str().unwrap()]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    assert!(text(&checked.stdout).ends_with("guard.toml: 2 upstreams, 2 routes\n"));

    let guard = Guard::start_configured(&config).await;
    let get = async |host: &str, path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let mut connection = guard.connect().await;
        connection.send(request).await;
        let response = connection.response("GET").await.unwrap();
        (response.status.as_u16(), response.text())
    };
    for (host, path, served) in [
        ("a.example", "/", "pages"),
        ("a.example", "/internal", "pages"),
        ("a.example", "/api/items", "api"),
        ("a.example", "/%61pi", "api"),
        ("shop.example", "/", "api"),
        ("shop.example", "/internal", "api"),
    ] {
        assert_eq!(
            get(host, path).await,
            (200, served.to_owned()),
            "{host}{path}"
        );
    }
    for path in [
        "/.env",
        "/api/.env",
        "/api/internal",
        "/x/%2e%2e/api/internal",
    ] {
        assert_eq!(get("a.example", path).await.0, 403, "{path}");
    }
    let line = guard
        .logged(["/api/internal", "internal", "127.0.0.1"])
        .await;
    assert!(line.contains("403") || line.contains("denied"), "{line}");

    folder.replace("api.toml", &additions("/api/items"));
    guard.logged(["policy 1 in force"]).await;
    assert_eq!(get("a.example", "/api/items").await.0, 403);
    assert_eq!(get("a.example", "/api/internal").await.0, 200);
}

#[test]
fn example_of_the_guide_is_valid() {
    let page = include_str!("../../../../crates/gabion/guide/guard_toml.md");
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```\n").unwrap();
    let folder = TempFolder::new("config-guide");
    for policy in ["policy.toml", "api-policy.toml"] {
        folder.replace(policy, "version = 1\n");
    }
    folder.replace("guard.toml", example);
    let config = folder.path().join("guard.toml");
    let check = || guard(["check", "--config", config.to_str().unwrap()]);
    let without_files = check();
    assert!(
        text(&without_files.stderr).contains("cannot read"),
        "{without_files:?}"
    );
    let certified = generate_simple_self_signed(["shop.example".to_owned()]).unwrap();
    folder.replace("shop.pem", &certified.cert.pem());
    folder.replace("shop-key.pem", &certified.signing_key.serialize_pem());
    let checked = check();
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    assert!(text(&checked.stdout).ends_with("guard.toml: 2 upstreams, 2 routes\n"));
}

#[tokio::test]
async fn sighup_reads_the_file_again_and_reports_what_needs_a_restart() {
    let folder = TempFolder::new("config-changes");
    let minimal = "version = 1\n[listen]\naddress = '127.0.0.1:0'\n";
    folder.replace("guard.toml", minimal);
    let config = folder.path().join("guard.toml");
    let guard = Guard::start_configured(&config).await;
    assert_eq!(guard.status("/").await, 200, "the demo");
    folder.replace("guard.toml", &format!("{minimal}[timeouts]\nsend = '3s'\n"));
    guard.signal("HUP");
    guard
        .logged([
            "WARN",
            "guard.toml: restart guard (or --handover) for timeouts.send",
        ])
        .await;
    folder.replace("guard.toml", &format!("{minimal}[timeout]\n"));
    guard.signal("HUP");
    guard
        .logged(["unknown key `timeout`; did you mean `timeouts`?"])
        .await;
    folder.replace("guard.toml", minimal);
    guard.signal("HUP");
    guard.logged(["guard.toml has not changed"]).await;
}

#[test]
fn each_error_has_its_line() {
    let folder = TempFolder::new("config-errors");
    folder.replace("guard.toml", include_str!("../config/invalid.toml"));
    let config = folder.path().join("guard.toml");
    for args in [["check", "--config"].as_slice(), &["--config"]] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_guard"));
        let output = command.args(args).arg(&config).output().unwrap();
        assert!(!output.status.success());
        let found = text(&output.stderr).replace(&config.display().to_string(), "guard.toml");
        assert_eq!(found, include_str!("../config/invalid.txt"));
    }
    let other = guard(["--config", "guard.toml", "--h2"]);
    assert!(
        text(&other.stderr).contains("cannot be used with"),
        "{other:?}"
    );
}
