//! The proxies, and what stands behind them.

use std::{env, fmt, path::PathBuf, process::Command};

use gabion_benches::{
    Folder,
    process::{CORE, OTHER_CORE, Running, free_port, guard},
    reference,
};
use gabion_testkit::program;

use crate::floor;

/// A proxy, with the rules of the reference policy or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    Guard,
    GuardBare,
    Nginx,
    NginxBare,
    HaProxy,
    HaProxyBare,
    /// hyper, which passes on and does nothing else.
    Floor,
}

/// The server behind, and the files of the proxies before it.
pub(crate) struct House {
    behind: Running,
    folder: Folder,
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
    listen ADDR;
    WITHIN
  }
}
";

const NGINX_BEHIND: &str = "location / { return 200 'ok\\n'; }";

const NGINX_POOL: &str =
    "upstream behind { server BEHIND; keepalive 64; keepalive_requests 1000000000; }";

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
  bind ADDR
  RULES
  default_backend back
backend back
  server one BEHIND
LIMIT
";

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

impl Stand {
    pub(crate) const ALL: [Self; 7] = [
        Self::HaProxy,
        Self::HaProxyBare,
        Self::Nginx,
        Self::NginxBare,
        Self::Guard,
        Self::GuardBare,
        Self::Floor,
    ];

    /// Whether it has the rules of the reference policy.
    pub(crate) const fn has_rules(self) -> bool {
        matches!(self, Self::Guard | Self::Nginx | Self::HaProxy)
    }
}

impl House {
    /// None, aloud, where there is no nginx to stand behind.
    pub(crate) fn build() -> Option<Self> {
        let nginx = program("nginx")?;
        let folder = Folder::new("proxy");
        let addr = free_port();
        let text = NGINX.replace("WITHIN", NGINX_BEHIND).replace("BEFORE", "");
        let text = text.replace("ADDR", &addr.to_string());
        let text = text.replace("NAME", "behind");
        let text = text.replace("FOLDER", &folder.path().display().to_string());
        let mut command = Command::new(&nginx);
        command.arg("-c").arg(folder.write("behind.conf", &text));
        let behind = Running::start(&command, OTHER_CORE, addr);
        let house = Self {
            behind,
            folder,
            nginx,
        };
        house.write_rules();
        Some(house)
    }

    /// The rules of the reference policy, for each proxy in its own words.
    fn write_rules(&self) {
        let list = reference::list();
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
        // A map of nginx knows no prefixes but by expressions, one after the other: here it is spared.
        let map = exact.iter().chain(&below);
        let map: Vec<_> = map.map(|path| format!("{path} 1;")).collect();
        write("paths.map", &map.join("\n"));
        write("policy.toml", &reference::policy("networks.netset"));
        write(
            "bare.toml",
            "version = 1\n[client]\ntrusted_proxies = ['127.0.0.0/8']\n",
        );
    }

    /// Starts one; none, aloud, where it is not here.
    pub(crate) fn start(&self, stand: Stand) -> Option<Running> {
        let addr = free_port();
        let rules = |rules: &'static str| if stand.has_rules() { rules } else { "" };
        let (binary, args, text) = match stand {
            Stand::Guard | Stand::GuardBare => {
                let policy = if stand.has_rules() {
                    "policy.toml"
                } else {
                    "bare.toml"
                };
                let policy = self.folder.path().join(policy).display().to_string();
                let upstream = format!("http://{}", self.behind.addr);
                let args = ["--listen", &addr.to_string(), "--upstream", &upstream].map(Into::into);
                let more = ["--policy", &policy, "--workers", "1"].map(Into::into);
                (guard()?, [args, more].concat(), String::new())
            }
            Stand::Floor => {
                let args = [
                    floor::FLAG,
                    &addr.to_string(),
                    &self.behind.addr.to_string(),
                ];
                let this = env::current_exe().expect("this program");
                (this, args.map(Into::into).to_vec(), String::new())
            }
            Stand::Nginx | Stand::NginxBare => {
                let before = format!("{NGINX_POOL}{}", rules(NGINX_RULES));
                let within = format!("{}{NGINX_PASS}", rules(NGINX_REFUSE));
                let limits = "limit_req zone=client burst=1000000 nodelay; \
                              limit_req zone=all burst=1000000 nodelay;";
                let within = within.replace("LIMITS", rules(limits));
                let text = NGINX.replace("BEFORE", &before).replace("WITHIN", &within);
                (self.nginx.clone(), vec!["-c".to_owned()], text)
            }
            Stand::HaProxy | Stand::HaProxyBare => {
                let text = HAPROXY.replace("RULES", rules(HAPROXY_RULES));
                let text = text.replace("LIMIT", rules(HAPROXY_LIMIT));
                (program("haproxy")?, vec!["-f".to_owned()], text)
            }
        };
        let mut command = Command::new(binary);
        command.args(args);
        if !text.is_empty() {
            let name = format!("{stand:?}");
            let text = text.replace("ADDR", &addr.to_string());
            let text = text.replace("BEHIND", &self.behind.addr.to_string());
            let text = text.replace("NAME", &name);
            let text = text.replace("FOLDER", &self.folder.path().display().to_string());
            command.arg(self.folder.write(&name, &text));
        }
        Some(Running::start(&command, CORE, addr))
    }
}

impl fmt::Display for Stand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Guard => "guard",
            Self::GuardBare => "guard without rules",
            Self::Floor => "hyper alone",
            Self::HaProxy => "HAProxy",
            Self::HaProxyBare => "HAProxy without rules",
            Self::Nginx => "nginx",
            Self::NginxBare => "nginx without rules",
        })
    }
}
