//! nginx, which writes a log, and guard before it.

use std::{path::PathBuf, process::Command};

use gabion_benches::{
    Folder,
    process::{CORE, OTHER_CORE, Running, free_port, guard},
};
use gabion_testkit::program;

/// nginx, and the files of all.
pub(crate) struct House {
    pub(crate) nginx: Running,
    pub(crate) folder: Folder,
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

/// Ten misses ban: two are let go, the next six give 72 of 70 points, and since a page could make a
/// browser send these it takes three paths beyond. Time halves points as slowly as `findtime` forgets.
const POLICY: &str = "version = 1
[client]
trusted_proxies = ['127.0.0.0/8']
[ban]
first = '10m'
[scan]
ban_at = 70
half_life = '10m'
weights = { missing = 12 }
";

// === impl House ===

impl House {
    /// None, aloud, where there is no nginx.
    pub(crate) fn build() -> Option<Self> {
        let (folder, addr) = (Folder::new("ban"), free_port());
        let mut command = Command::new(program("nginx")?);
        let text = NGINX.replace("ADDR", &addr.to_string());
        let text = text.replace("FOLDER", &folder.path().display().to_string());
        command.arg("-c").arg(folder.write("nginx.conf", &text));
        let nginx = Running::start(&command, OTHER_CORE, addr);
        Some(Self { nginx, folder })
    }

    /// What nginx writes.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("access.log")
    }

    /// guard, before nginx; none, aloud, where it is not here.
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
