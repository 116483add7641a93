//! A real nginx in front of one server.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::{TempFolder, eventually};

const CONF: &str = r"
daemon off;
master_process off;
pid nginx.pid;
error_log stderr notice;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {servers}
}
";

const SERVER: &str = r"
    server {
        listen {listen};
        location / {
            proxy_pass http://{upstream}{target};
            {lines}
        }
    }
";

/// The lines of a location that forwards WebSocket handshakes.
pub const PASSES_UPGRADES: &str = r#"
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header Host $host;
"#;

/// A running nginx. Dropping it ends its processes.
#[derive(Debug)]
pub struct Nginx {
    child: Child,
    /// `true` if it has processes besides the one that was started.
    has_workers: bool,
    addr: SocketAddr,
    folder: TempFolder,
}

// === impl Nginx ===

impl Nginx {
    /// Starts nginx in front of `upstream`, with these lines in its location.
    pub async fn start(nginx: &Path, name: &str, upstream: SocketAddr, lines: &str) -> Self {
        Self::with_target(nginx, name, upstream, "", lines).await
    }

    /// Like [`Self::start`], with a target of `proxy_pass` such as `$uri`.
    pub async fn with_target(
        nginx: &Path,
        name: &str,
        upstream: SocketAddr,
        target: &str,
        lines: &str,
    ) -> Self {
        let server = SERVER
            .replace("{upstream}", &upstream.to_string())
            .replace("{target}", target)
            .replace("{lines}", lines);
        Self::with_servers(nginx, name, &server).await
    }

    /// Starts nginx with these lines in its `http` block. `{listen}` in them is a free address, and `{folder}` the
    /// folder of its files.
    pub async fn with_servers(nginx: &Path, name: &str, servers: &str) -> Self {
        let conf = CONF.replace("{servers}", servers);
        Self::with_conf(nginx, name, &conf).await
    }

    /// Starts nginx with a whole configuration file. `{listen}` in it is replaced by a free address, and `{folder}`
    /// by the folder of its files, which is empty and that of relative paths.
    pub async fn with_conf(nginx: &Path, name: &str, conf: &str) -> Self {
        let folder = TempFolder::new(&format!("nginx-{name}"));
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = free.local_addr().unwrap();
        drop(free);
        let conf = conf
            .replace("{listen}", &addr.to_string())
            .replace("{folder}", &folder.path().display().to_string());
        folder.replace("nginx.conf", &conf);
        let mut command = Command::new(nginx);
        let prefix = format!("{}/", folder.path().display());
        command.args(["-e", "stderr", "-p", &prefix, "-c", "nginx.conf"]);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let listens = eventually(|| TcpStream::connect(addr).ok()).await;
        assert!(listens.is_some(), "nginx does not start: {conf}");
        Self {
            child,
            has_workers: !conf.contains("master_process off;"),
            addr,
            folder,
        }
    }

    /// Sends a signal to the process that was started, such as `HUP`, with which workers are replaced.
    pub fn signal(&self, name: &str) {
        let (signal, pid) = (format!("-{name}"), self.child.id().to_string());
        let sent = Command::new("kill").args([signal, pid]).status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    /// The full path of a file in its folder.
    pub fn file(&self, name: &str) -> String {
        self.folder.file(name)
    }

    /// The listening address.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if self.has_workers {
            // Killed, it would leave its workers behind.
            self.signal("TERM");
            for _ in 0..500 {
                if let Ok(Some(_)) = self.child.try_wait() {
                    return;
                }
                thread::park_timeout(Duration::from_millis(10));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
