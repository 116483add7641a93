//! The compared proxies and their upstream server.

use std::{
    env, fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use gabion_benches::{
    TempDir,
    process::{CORE, OTHER_CORE, Running, free_port, guard},
    reference,
};
use gabion_testkit::program;

use crate::{plain_hyper, pooled_hyper};

/// A proxy, with or without the rules of the reference policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxy {
    Guard,
    GuardWithoutRules,
    Nginx,
    NginxWithoutRules,
    Haproxy,
    HaproxyWithoutRules,
    /// A proxy of hyper alone ([`plain_hyper`]).
    PlainHyper,
    /// The same with guard's upstream connections ([`pooled_hyper`]).
    PooledHyper,
}

/// The protocol below HTTP on the listener of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    /// TLS with the certificate of [`crate::tls::write_certificate`], and HTTP/2 or HTTP/1.1 by ALPN.
    Tls,
}

/// The upstream server (nginx), and the configuration files of the proxies.
pub(crate) struct Testbed {
    upstream: Running,
    folder: TempDir,
    nginx: PathBuf,
}

const NGINX: &str = "
daemon off; pid FOLDER/NAME.pid; error_log stderr crit; worker_processes 1;
worker_rlimit_nofile 20000;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/temp; fastcgi_temp_path FOLDER/temp;
  uwsgi_temp_path FOLDER/temp; scgi_temp_path FOLDER/temp;
  map_hash_max_size 262144; map_hash_bucket_size 128;
  BEFORE
  server {
    listen ADDR TLS;
    WITHIN
  }
}
";

const NGINX_TLS: &str = "ssl http2;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate FOLDER/chain.pem;
    ssl_certificate_key FOLDER/key.pem";

const NGINX_UPSTREAM: &str = "location / { return 200 'ok\\n'; }";

const NGINX_POOL: &str =
    "upstream behind { server UPSTREAM; keepalive 64; keepalive_requests 1000000000; }";

const NGINX_PASS: &str = "
    location / {
      proxy_pass http://behind;
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      LIMITS
    }
";

const NGINX_RULES: &str = "
  set_real_ip_from 127.0.0.0/8;
  real_ip_header X-Forwarded-For;
  geo $banned { default 0; include FOLDER/networks.geo; }
  map $uri $denied { default 0; include FOLDER/paths.map; '~\\.php($|/)' 1; }
  limit_req_zone $binary_remote_addr zone=client:16m rate=1000000r/s;
  limit_req_zone $server_name zone=all:1m rate=1000000r/s;
";

const NGINX_REFUSE: &str = "
    if ($banned) { return 403; }
    if ($denied) { return 403; }
";

const HAPROXY: &str = "
global
  maxconn 4096
  nbthread 1
defaults
  mode http
  option forwardfor
  http-reuse always
  timeout connect 5s
  timeout client 1m
  timeout server 1m
frontend front
  bind ADDR TLS
  RULES
  default_backend back
backend back
  server one UPSTREAM
LIMIT
";

const HAPROXY_TLS: &str = "ssl crt FOLDER/pair.pem alpn h2,http/1.1";

const HAPROXY_RULES: &str = "
  http-request set-src req.hdr(x-forwarded-for)
  http-request deny deny_status 403 if { src -f FOLDER/networks.acl }
  http-request deny deny_status 403 if { path -m str -f FOLDER/exact.acl }
  http-request deny deny_status 403 if { path -m beg -f FOLDER/below.acl }
  http-request deny deny_status 403 if { path_end .php }
  stick-table type ip size 100k expire 1m store http_req_rate(1s)
  http-request track-sc0 src
  http-request track-sc1 int(1) table in_all
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt 1000000 }
  http-request deny deny_status 429 if { sc_http_req_rate(1,in_all) gt 1000000 }
";

const HAPROXY_LIMIT: &str = "
backend in_all
  stick-table type integer size 10 expire 1m store http_req_rate(1s)
";

impl Proxy {
    pub(crate) const ALL: [Self; 8] = [
        Self::Haproxy,
        Self::HaproxyWithoutRules,
        Self::Nginx,
        Self::NginxWithoutRules,
        Self::Guard,
        Self::GuardWithoutRules,
        Self::PlainHyper,
        Self::PooledHyper,
    ];

    /// Those that end TLS.
    pub(crate) const TLS: &[Self] = Self::ALL.split_at(6).0;

    /// Returns `true` if the proxy has the rules of the reference policy.
    pub(crate) const fn has_rules(self) -> bool {
        matches!(self, Self::Guard | Self::Nginx | Self::Haproxy)
    }
}

impl Testbed {
    /// Starts the upstream server. Prints a note and returns `None` if nginx is not installed.
    pub(crate) fn start() -> Option<Self> {
        let nginx = program("nginx")?;
        let folder = TempDir::new("proxy");
        let addr = free_port();
        let text = NGINX
            .replace("WITHIN", NGINX_UPSTREAM)
            .replace("BEFORE", "")
            .replace("TLS", "");
        let text = text.replace("ADDR", &addr.to_string());
        let text = text.replace("NAME", "upstream");
        let text = text.replace("FOLDER", &folder.path().display().to_string());
        let mut command = Command::new(&nginx);
        command.arg("-c").arg(folder.write("upstream.conf", &text));
        let upstream = Running::start(&command, OTHER_CORE, addr);
        let testbed = Self {
            upstream,
            folder,
            nginx,
        };
        testbed.write_rules();
        Some(testbed)
    }

    /// Writes the rules of the reference policy in the format of each proxy.
    fn write_rules(&self) {
        let list = reference::list(reference::NETWORKS);
        let write = |name: &str, text: &str| self.folder.write(name, text);
        let lines = |line: fn(&str) -> String| list.lines().map(line).collect::<String>();
        write("networks.netset", &list);
        write("networks.acl", &list);
        write(
            "networks.geo",
            &lines(|network| network.to_owned() + " 1;\n"),
        );
        let (exact, below): (Vec<_>, Vec<_>) = reference::paths().unzip();
        write("exact.acl", &exact.join("\n"));
        write("below.acl", &below.join("\n"));
        // An nginx `map` matches prefixes only by regular expressions, one after the other. It gets them
        // as exact paths instead, which takes it less time.
        let map = exact.iter().chain(&below);
        let map: Vec<_> = map.map(|path| format!("{path} 1;")).collect();
        write("paths.map", &map.join("\n"));
        write("policy.toml", &reference::policy("networks.netset"));
        write(
            "no-rules.toml",
            "version = 1\n[client]\ntrusted_proxies = ['127.0.0.0/8']\n",
        );
    }

    /// The folder of the configuration files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts those of the proxies that are installed. Prints a note for each other one.
    pub(crate) fn start_proxies(
        &self,
        proxies: &[Proxy],
        transport: Transport,
    ) -> Vec<(Proxy, Running)> {
        let start = |proxy: &Proxy| Some((*proxy, self.start_proxy(*proxy, transport)?));
        proxies.iter().filter_map(start).collect()
    }

    fn start_proxy(&self, proxy: Proxy, transport: Transport) -> Option<Running> {
        let addr = free_port();
        let rules = |rules: &'static str| if proxy.has_rules() { rules } else { "" };
        let tls = |tls: &'static str| match transport {
            Transport::Tcp => "",
            Transport::Tls => tls,
        };
        let command = match proxy {
            Proxy::Guard | Proxy::GuardWithoutRules => self.guard(proxy, transport, addr)?,
            Proxy::PlainHyper => self.hyper_alone(plain_hyper::FLAG, addr),
            Proxy::PooledHyper => self.hyper_alone(pooled_hyper::FLAG, addr),
            Proxy::Nginx | Proxy::NginxWithoutRules => {
                let before = format!("{NGINX_POOL}{}", rules(NGINX_RULES));
                let within = format!("{}{NGINX_PASS}", rules(NGINX_REFUSE));
                let limits = "limit_req zone=client burst=1000000 nodelay; \
                              limit_req zone=all burst=1000000 nodelay;";
                let within = within.replace("LIMITS", rules(limits));
                let text = NGINX.replace("BEFORE", &before).replace("WITHIN", &within);
                let text = text.replace("TLS", tls(NGINX_TLS));
                let mut command = Command::new(&self.nginx);
                command.arg("-c").arg(self.write(proxy, addr, &text));
                command
            }
            Proxy::Haproxy | Proxy::HaproxyWithoutRules => {
                let text = HAPROXY.replace("RULES", rules(HAPROXY_RULES));
                let text = text.replace("LIMIT", rules(HAPROXY_LIMIT));
                let text = text.replace("TLS", tls(HAPROXY_TLS));
                let mut command = Command::new(program("haproxy")?);
                command.arg("-f").arg(self.write(proxy, addr, &text));
                command
            }
        };
        Some(Running::start(&command, CORE, addr))
    }

    fn hyper_alone(&self, flag: &str, addr: SocketAddr) -> Command {
        let mut command = Command::new(env::current_exe().expect("this program"));
        command.args([flag, &addr.to_string(), &self.upstream.addr.to_string()]);
        command
    }

    fn guard(&self, proxy: Proxy, transport: Transport, addr: SocketAddr) -> Option<Command> {
        let policy = if proxy.has_rules() {
            "policy.toml"
        } else {
            "no-rules.toml"
        };
        let folder = self.folder.path();
        let mut command = Command::new(guard()?);
        command.args(["--workers", "1", "--upstream"]);
        command.arg(format!("http://{}", self.upstream.addr));
        command.arg("--policy").arg(folder.join(policy));
        match transport {
            Transport::Tcp => {
                command.args(["--listen", &addr.to_string()]);
            }
            Transport::Tls => {
                let plain = free_port().to_string();
                command.args(["--listen", &plain, "--listen-tls", &addr.to_string()]);
                command.arg("--tls-cert").arg(folder.join("chain.pem"));
                command.arg("--tls-key").arg(folder.join("key.pem"));
            }
        }
        Some(command)
    }

    /// Writes the configuration of nginx or HAProxy.
    fn write(&self, proxy: Proxy, addr: SocketAddr, text: &str) -> PathBuf {
        let name = format!("{proxy:?}");
        let text = text.replace("ADDR", &addr.to_string());
        let text = text.replace("UPSTREAM", &self.upstream.addr.to_string());
        let text = text.replace("NAME", &name);
        let text = text.replace("FOLDER", &self.folder.path().display().to_string());
        self.folder.write(&name, &text)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Guard => "guard",
            Self::GuardWithoutRules => "guard without rules",
            Self::PlainHyper => "hyper alone",
            Self::PooledHyper => "hyper, guard's pool",
            Self::Haproxy => "HAProxy",
            Self::HaproxyWithoutRules => "HAProxy without rules",
            Self::Nginx => "nginx",
            Self::NginxWithoutRules => "nginx without rules",
        })
    }
}
