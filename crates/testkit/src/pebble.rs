//! A real ACME server.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{TempFolder, eventually};

/// A running pebble, and the DNS server that tells it that each name is `127.0.0.1`. Dropping it kills both
/// processes.
#[derive(Debug)]
pub struct Pebble {
    children: [Child; 2],
    addr: SocketAddr,
    folder: TempFolder,
}

/// The ports of a server that pebble checks.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "for tests only")]
pub struct CheckedPorts {
    /// That of `http-01`.
    pub http: u16,
    /// That of `tls-alpn-01`.
    pub tls: u16,
}

// === impl Pebble ===

impl Pebble {
    /// Starts pebble with its own certificate and key in these PEM files, which are for `localhost`. Certificates
    /// that it issues are valid for `validity` seconds.
    pub async fn start(
        (pebble, names): (&Path, &Path),
        (chain, key): (&str, &str),
        ports: CheckedPorts,
        validity: u64,
    ) -> Self {
        let folder = TempFolder::new("pebble");
        let [acme, management, dns, names_management] = free_addrs();
        let config = format!(
            r#"{{"pebble": {{"listenAddress": "{acme}", "managementListenAddress": "{management}",
                "certificate": "{chain}", "privateKey": "{key}", "httpPort": {}, "tlsPort": {},
                "certificateValidityPeriod": {validity}}}}}"#,
            ports.http, ports.tls
        );
        let config = folder.replace("config.json", &config);
        let log = |name: &str| Stdio::from(log_file(&folder.path().join(name)));
        let mut names = Command::new(names);
        names.args([
            "-dns01",
            &dns.to_string(),
            "-management",
            &names_management.to_string(),
        ]);
        names.args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]);
        names.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        names
            .stdin(Stdio::null())
            .stdout(log("names.log"))
            .stderr(log("names.log"));
        let mut server = Command::new(pebble);
        server.args(["-config", &config, "-dnsserver", &dns.to_string()]);
        server
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_AUTHZREUSE", "0");
        server
            .stdin(Stdio::null())
            .stdout(log("pebble.log"))
            .stderr(log("pebble.log"));
        let this = Self {
            children: [names.spawn().unwrap(), server.spawn().unwrap()],
            addr: acme,
            folder,
        };
        for addr in [acme, names_management] {
            let listens = eventually(|| TcpStream::connect(addr).ok()).await;
            assert!(listens.is_some(), "pebble does not start: {}", this.log());
        }
        this
    }

    /// The URL of its directory.
    pub fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.addr.port())
    }

    /// The number of certificates that it has issued.
    pub fn issued(&self) -> usize {
        self.log().matches("Issued certificate serial").count()
    }

    #[expect(clippy::disallowed_methods, reason = "tests read the logs of servers")]
    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("pebble.log")).unwrap()
    }
}

#[expect(clippy::disallowed_methods, reason = "tests keep the logs of servers")]
fn log_file(path: &Path) -> File {
    let mut options = File::options();
    options.create(true).append(true).open(path).unwrap()
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Loopback addresses with ports that are free now.
fn free_addrs<const N: usize>() -> [SocketAddr; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}
