//! The PROXY protocol as nginx sends it.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
};

use gabion_testkit::{Backend, RawConnection, TempFolder, eventually, installed, program};

use super::Authority;
use crate::{
    clients::{curl, run},
    support::{Guard, text},
};

const POLICY: &str = r#"
version = 1
[client]
trusted_proxies = ["127.0.0.7"]
"#;

/// An nginx that forwards TCP connections from an address of its own, with the PROXY protocol. Dropping it kills the
/// process.
struct Balancer {
    child: Child,
    addr: SocketAddr,
    _folder: TempFolder,
}

impl Balancer {
    async fn start(nginx: &Path, module: &Path, upstream: SocketAddr) -> Self {
        let folder = TempFolder::new("guard-balancer");
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = free.local_addr().unwrap();
        drop(free);
        let conf = format!(
            "load_module {};\ndaemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr notice;\nevents {{}}\n\
             stream {{\n server {{\n listen {addr};\n proxy_pass {upstream};\n proxy_bind 127.0.0.7;\n \
             proxy_protocol on;\n }}\n}}\n",
            module.display()
        );
        folder.replace("nginx.conf", &conf);
        let mut command = Command::new(nginx);
        let prefix = format!("{}/", folder.path().display());
        command.args(["-e", "stderr", "-p", &prefix, "-c", "nginx.conf"]);
        let child = command
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let listens = eventually(|| TcpStream::connect(addr).ok()).await;
        assert!(listens.is_some(), "nginx does not start: {conf}");
        Self {
            child,
            addr,
            _folder: folder,
        }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn client_behind_nginx_is_named_with_and_without_tls() {
    let (Some(nginx), Some(module), Some(program)) = (
        program("nginx"),
        installed("/usr/lib/nginx/modules/ngx_stream_module.so"),
        program("curl"),
    ) else {
        return;
    };
    let authority = Authority::new("guard-proxy-protocol");
    let policy = authority.folder.replace("policy.toml", POLICY);
    let behind = Backend::start().await;
    let guard = authority
        .guard(&[
            "--upstream",
            &behind.url(),
            "--policy",
            &policy,
            "--proxy-protocol",
        ])
        .await;
    let plain = Balancer::start(&nginx, &module, guard.addr()).await;
    let secure = Balancer::start(&nginx, &module, guard.tls_addr()).await;
    for url in [
        format!("http://localhost:{}/x", plain.addr.port()),
        format!("https://localhost:{}/x", secure.addr.port()),
    ] {
        let mut command = curl(&program, &url);
        command.args([
            "--cacert",
            &authority.file(),
            "-4",
            "--interface",
            "127.0.0.9",
        ]);
        let output = run(command).await;
        assert!(
            text(&output.stdout).starts_with("ok\n"),
            "{}",
            text(&output.stderr)
        );
        let seen = behind.take();
        assert_eq!(
            seen[0].headers.get("x-forwarded-for").unwrap(),
            "127.0.0.9",
            "{url}"
        );
    }
    // The balancer without the header, as if `proxy_protocol on` were missing.
    let mut direct = RawConnection::connect_from("127.0.0.7", guard.addr()).await;
    direct.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(direct.end().await, "");
    guard.logged(["127.0.0.7", "unparsable/proxy-header"]).await;
}

#[tokio::test]
async fn option_is_off_by_default() {
    let guard = Guard::start(&[]).await;
    let mut client = guard.connect().await;
    client
        .send("PROXY TCP4 203.0.113.9 192.0.2.1 4711 80\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    assert!(client.end().await.starts_with("HTTP/1.1 400 "));
    guard.logged(["unparsable/version"]).await;
}
