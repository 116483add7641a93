//! An nginx with the two deny rules of the vectors.

use std::net::{SocketAddr, TcpListener};

use gabion_testkit::{ServerProcess, TempFolder, program};

const CONF: &str = include_str!("../../../testdata/beside_real_servers/nginx/nginx.conf");
const FILES: [(&str, &str); 4] = [
    (
        "literal.conf",
        include_str!("../../../testdata/beside_real_servers/nginx/literal.conf"),
    ),
    (
        "typed.conf",
        include_str!("../../../testdata/beside_real_servers/nginx/typed.conf"),
    ),
    ("files/static/hello.txt", "hello"),
    ("files/private/secret.txt", "secret"),
];

/// An nginx on loopback, with one `server` block for each set of rules and each mistake.
pub(super) struct Nginx {
    _server: ServerProcess,
    listening: Vec<(String, SocketAddr)>,
}

impl Nginx {
    /// Starts nginx in front of `backend`. If it is not installed, prints `SKIPPED` and returns
    /// `None`.
    pub(super) async fn start(backend: SocketAddr) -> Option<Self> {
        let nginx = program("nginx")?;
        let folder = TempFolder::new("nginx");
        for (name, text) in FILES {
            folder.write(name, text);
        }
        let listening = listening();
        let mut conf = CONF.replace("{backend}", &backend.to_string());
        for (name, addr) in &listening {
            conf = conf.replace(&format!("{{{name}}}"), &addr.to_string());
        }
        folder.write("nginx.conf", &conf);
        let prefix = format!("{}/", folder.path().display());
        let args = ["-e", "stderr", "-p", &prefix, "-c", "nginx.conf"];
        // nginx logs this once it listens.
        let ready = "getrlimit(RLIMIT_NOFILE)";
        let server = ServerProcess::start(folder, &nginx, &args, ready).await?;
        Some(Self {
            _server: server,
            listening,
        })
    }

    /// The listening address of the `server` block `name`.
    #[track_caller]
    pub(super) fn addr(&self, name: &str) -> SocketAddr {
        let mut listening = self.listening.iter();
        let found = listening.find(|(called, _)| called == name);
        found.unwrap_or_else(|| panic!("no server {name}")).1
    }
}

/// A free address for each `server` block.
fn listening() -> Vec<(String, SocketAddr)> {
    let lines = CONF.lines();
    let names = lines.filter_map(|line| line.trim().strip_prefix("listen {")?.strip_suffix("};"));
    // All listeners are open at the same time, so that no two addresses are equal.
    let sockets: Vec<_> = names
        .map(|name| (name, TcpListener::bind("127.0.0.1:0").unwrap()))
        .collect();
    let held = sockets.iter();
    held.map(|(name, socket)| ((*name).to_owned(), socket.local_addr().unwrap()))
        .collect()
}
