//! The compared proxies and their upstream server.

use std::{env, fmt, process::Command};

use gabion_benches::{
    TempDir,
    process::{CORE, OTHER_CORE, Running, free_port, guard},
    reference,
};
use gabion_testkit::program;

use crate::echo;

/// A proxy between the clients and the echo server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxy {
    /// No proxy: clients connect to the echo server.
    Direct,
    Guard,
    /// With the `[[message]]` rules of [`MESSAGES`].
    GuardWithMessageRules,
    Haproxy,
    Nginx,
}

/// The echo server, and the configuration files of the proxies.
pub(crate) struct Testbed {
    pub(crate) echo: Running,
    folder: TempDir,
}

/// Typical message rules: literals, regular expressions, a JSON depth, a size.
const MESSAGES: &str = r#"
[upgrade]
max_message = "64KiB"

[[message]]
id = "injection"
contains = ["${jndi:", "${${"]

[[message]]
id = "markup"
paths = ["/chat"]
matches = ['(?i)<script[\s>]', '(?i)javascript:']

[[message]]
id = "nested"
json_depth = 32
"#;

const NGINX: &str = "
daemon off; pid FOLDER/nginx.pid; error_log stderr crit; worker_processes 1;
worker_rlimit_nofile 20000;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/temp; fastcgi_temp_path FOLDER/temp;
  uwsgi_temp_path FOLDER/temp; scgi_temp_path FOLDER/temp;
  server {
    listen ADDR;
    location / {
      proxy_pass http://UPSTREAM;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_read_timeout 1h;
    }
  }
}
";

const HAPROXY: &str = "
global
  maxconn 4096
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend front
  bind ADDR
  default_backend back
backend back
  server one UPSTREAM
";

impl Proxy {
    pub(crate) const PROXIES: [Self; 4] = [
        Self::Haproxy,
        Self::Nginx,
        Self::Guard,
        Self::GuardWithMessageRules,
    ];
}

impl Testbed {
    /// Starts the echo server and writes the policies.
    pub(crate) fn start() -> Self {
        let folder = TempDir::new("messages");
        let policy = reference::policy("networks.netset");
        folder.write("networks.netset", &reference::list(reference::NETWORKS));
        folder.write("policy.toml", &policy);
        folder.write("message-rules.toml", &format!("{policy}{MESSAGES}"));
        let addr = free_port();
        let mut command = Command::new(env::current_exe().expect("this program"));
        command.args([echo::ROLE, &addr.to_string()]);
        Self {
            echo: Running::start(&command, OTHER_CORE, addr),
            folder,
        }
    }

    /// Starts a proxy. Prints a note and returns `None` if it is not installed.
    pub(crate) fn start_proxy(&self, proxy: Proxy) -> Option<Running> {
        let addr = free_port();
        let command = match proxy {
            Proxy::Direct => return None,
            Proxy::Guard => self.guard("policy.toml", &addr.to_string())?,
            Proxy::GuardWithMessageRules => self.guard("message-rules.toml", &addr.to_string())?,
            Proxy::Haproxy => self.peer("haproxy", "-f", HAPROXY, &addr.to_string())?,
            Proxy::Nginx => self.peer("nginx", "-c", NGINX, &addr.to_string())?,
        };
        Some(Running::start(&command, CORE, addr))
    }

    fn guard(&self, policy: &str, addr: &str) -> Option<Command> {
        let mut command = Command::new(guard()?);
        command.args(["--workers", "1", "--listen", addr]);
        command.args(["--upstream", &format!("http://{}", self.echo.addr)]);
        command.arg("--policy").arg(self.folder.path().join(policy));
        Some(command)
    }

    fn peer(&self, name: &str, option: &str, text: &str, addr: &str) -> Option<Command> {
        let mut command = Command::new(program(name)?);
        let text = text
            .replace("ADDR", addr)
            .replace("UPSTREAM", &self.echo.addr.to_string())
            .replace("FOLDER", &self.folder.path().display().to_string());
        command.arg(option).arg(self.folder.write(name, &text));
        Some(command)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Direct => "the echo itself",
            Self::Guard => "guard",
            Self::GuardWithMessageRules => "guard with message rules",
            Self::Haproxy => "HAProxy",
            Self::Nginx => "nginx",
        })
    }
}
