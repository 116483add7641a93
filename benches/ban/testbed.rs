//! nginx with an access log, and guard in front of it.

use std::{path::PathBuf, process::Command};

use gabion_benches::{
    TempDir,
    process::{CORE, OTHER_CORE, Running, free_port, guard},
};
use gabion_testkit::program;

/// nginx, and the folder of all configuration files and logs.
pub(crate) struct Testbed {
    pub(crate) nginx: Running,
    pub(crate) folder: TempDir,
}

const NGINX: &str = "
daemon off; pid FOLDER/nginx.pid; error_log stderr crit; worker_processes 1;
events { worker_connections 1024; }
http {
  access_log FOLDER/access.log;
  keepalive_requests 1000000;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/temp; fastcgi_temp_path FOLDER/temp;
  uwsgi_temp_path FOLDER/temp; scgi_temp_path FOLDER/temp;
  set_real_ip_from 127.0.0.0/8;
  real_ip_header X-Forwarded-For;
  server {
    listen ADDR;
    location = / { return 200 'ok\\n'; }
    location / { return 404; }
  }
}
";

/// A policy that refuses the probes of a client after ten, and bans it with the third refusal: since a page
/// could make a browser send such requests, suspicious requests for three different paths are required. The
/// half-life of points equals fail2ban's `findtime`; ten probes score almost 70 points.
const POLICY: &str = "version = 1
[client]
trusted_proxies = ['127.0.0.0/8']
[ban]
first = '10m'
[scan]
ban_at = 69
half_life = '10m'
weights = { probe = 7, missing = 0, bare = 0 }
";

// === impl Testbed ===

impl Testbed {
    /// Starts nginx. Prints a note and returns `None` if it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let (folder, addr) = (TempDir::new("ban"), free_port());
        let mut command = Command::new(program("nginx")?);
        let text = NGINX.replace("ADDR", &addr.to_string());
        let text = text.replace("FOLDER", &folder.path().display().to_string());
        command.arg("-c").arg(folder.write("nginx.conf", &text));
        let nginx = Running::start(&command, OTHER_CORE, addr);
        Some(Self { nginx, folder })
    }

    /// The path of nginx's access log.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("access.log")
    }

    /// Starts guard in front of nginx. Prints a note and returns `None` if there is no binary.
    pub(crate) fn guard(&self) -> Option<Running> {
        let addr = free_port();
        let mut command = Command::new(guard()?);
        command.args(["--workers", "1", "--listen", &addr.to_string()]);
        command.args(["--upstream", &format!("http://{}", self.nginx.addr)]);
        command.arg("--policy");
        command.arg(self.folder.write("policy.toml", POLICY));
        Some(Running::start(&command, CORE, addr))
    }
}
