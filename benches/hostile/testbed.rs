//! The proxies and their upstream server.

use std::{env, fmt, fs, net::SocketAddr, path::PathBuf, process::Command};

use gabion_benches::{
    TempDir,
    process::{CORE, OTHER_CORE, Running, free_port, guard},
};
use gabion_testkit::program;

use crate::{
    address::Addresses,
    kind::{Kind, Protocol},
    upstream,
};

/// A proxy under attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxy {
    Guard,
    Nginx,
}

/// The upstream server, and the files of the proxies.
pub(crate) struct Testbed {
    pub(crate) addresses: Addresses,
    pub(crate) upstream: Running,
    guard: PathBuf,
    nginx: Option<PathBuf>,
    folder: TempDir,
}

/// A running proxy.
pub(crate) struct Target {
    /// The proxy, with its address for honest clients.
    pub(crate) running: Running,
    /// The address for hostile ones. nginx 1.22 has another for HTTP/2.
    pub(crate) hostile: SocketAddr,
}

/// The rules of a site with WebSockets, of which guard reads the messages.
const POLICY: &str = r#"
version = 1
packs = ["never"]

[upgrade]
compression = "inflate"

[[message]]
id = "injection"
contains = ["${jndi:"]
"#;

/// Debian's settings, apart from paths and a single worker. A proxied request takes two of the connections, which
/// are as many as the usual limit of open files.
const NGINX: &str = "
USER
daemon off; pid FOLDER/NAME.pid; error_log FOLDER/NAME.error.log; worker_processes 1;
events { worker_connections 20000; }
http {
  access_log FOLDER/NAME.access.log;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/temp; fastcgi_temp_path FOLDER/temp;
  uwsgi_temp_path FOLDER/temp; scgi_temp_path FOLDER/temp;
  server {
    listen HTTP1;
    listen HTTP2 http2;
    location / { proxy_pass http://UPSTREAM; }
  }
}
";

// === impl Testbed ===

impl Testbed {
    /// Starts the upstream server. Prints a note and returns `None` if guard is not built.
    pub(crate) fn start() -> Option<Self> {
        let guard = guard()?;
        let folder = TempDir::new("hostile");
        folder.write("policy.toml", POLICY);
        let addr = free_port();
        let mut command = Command::new(env::current_exe().expect("this program"));
        command.args([upstream::ROLE, &addr.to_string()]);
        Some(Self {
            addresses: Addresses::find(),
            upstream: Running::start(&command, OTHER_CORE, addr),
            guard,
            nginx: program("nginx"),
            folder,
        })
    }

    /// The proxies to which a kind of attack applies, and which are installed.
    pub(crate) fn proxies(&self, kind: &Kind) -> impl Iterator<Item = Proxy> {
        let has_nginx = self.nginx.is_some() && kind.protocol != Protocol::WebSocket;
        [Some(Proxy::Guard), has_nginx.then_some(Proxy::Nginx)]
            .into_iter()
            .flatten()
    }

    /// Starts a proxy with the limit of open files of `kind`.
    pub(crate) fn start_proxy(&self, proxy: Proxy, kind: &Kind) -> Target {
        let (http1, http2) = (self.addresses.free_port(), self.addresses.free_port());
        let name = format!("{proxy}-{}", http1.port());
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let (program, args) = match proxy {
            Proxy::Guard => {
                let upstream = format!("http://{}", self.upstream.addr);
                let args =
                    ["--workers", "1", "--h2", "--listen", &http1.to_string()].map(Into::into);
                let more =
                    ["--upstream", &upstream, "--policy", &file("policy.toml")].map(Into::into);
                (&self.guard, [&args[..], &more].concat())
            }
            Proxy::Nginx => {
                let text = self.nginx_conf(&name, [http1, http2]);
                let conf = self.folder.write(&name, &text).display().to_string();
                (
                    self.nginx.as_ref().expect("nginx is installed"),
                    vec!["-c".to_owned(), conf],
                )
            }
        };
        let mut command = Command::new("sh");
        // The log goes to a file, as under a service manager.
        let script = format!("ulimit -n {} && exec \"$@\" 2>\"$0\"", kind.descriptors);
        command.args(["-c", &script, &file(&format!("{name}.log"))]);
        command.arg(program).args(args);
        let running = Running::start(&command, CORE, http1);
        let over_http2 = proxy == Proxy::Nginx && kind.protocol == Protocol::Http2;
        let hostile = if over_http2 { http2 } else { http1 };
        Target { running, hostile }
    }

    fn nginx_conf(&self, name: &str, [http1, http2]: [SocketAddr; 2]) -> String {
        // The worker of an nginx that runs as root would change its user, which needs another user.
        let folder = self.folder.path();
        let is_root = fs::metadata(folder).is_ok_and(|folder| {
            use std::os::unix::fs::MetadataExt as _;
            folder.uid() == 0
        });
        NGINX
            .replace("USER", if is_root { "user root;" } else { "" })
            .replace("HTTP1", &http1.to_string())
            .replace("HTTP2", &http2.to_string())
            .replace("UPSTREAM", &self.upstream.addr.to_string())
            .replace("NAME", name)
            .replace("FOLDER", &folder.display().to_string())
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Guard => "guard",
            Self::Nginx => "nginx",
        })
    }
}
