"""One measurement: the app behind guard, or behind nginx with fail2ban, and a trusted hop in front.

    client -> hop (nginx, names the client) -> guard or nothing -> app (nginx) -> app.py

The hop sets `X-Forwarded-For` and `Host`, and logs which requests reached the app. Each measurement has
a guard of its own, so that no row depends on another.
"""

import re
import shutil
from pathlib import Path

import processes
import site_files

UNKNOWN_PATHS = {
    "404": "location = / { try_files /index.html =404; } location / { try_files $uri.html $uri =404; }",
    "SPA": "location / { try_files $uri /app.html; }",
}

NGINX = """
daemon off; pid FOLDER/nginx.pid; error_log FOLDER/nginx.log error; worker_processes 1;
events { worker_connections 1024; }
http {
  default_type text/html; types { text/css css; text/javascript js; image/svg+xml svg; image/png png; }
  keepalive_requests 1000000; absolute_redirect off; server_tokens off; underscores_in_headers on;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/temp; fastcgi_temp_path FOLDER/temp;
  uwsgi_temp_path FOLDER/temp; scgi_temp_path FOLDER/temp;
  proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host $http_host;
  log_format hop '$status|$upstream_http_x_app|$request';
  upstream front { server 127.0.0.1:FRONT max_fails=0; keepalive 64; }
  upstream dynamic { server 127.0.0.1:DYNAMIC max_fails=0; keepalive 64; }
  server {
    listen 127.0.0.1:HOP;
    access_log FOLDER/hop.log hop;
    location / {
      proxy_pass http://front;
      proxy_set_header Connection '';
      proxy_set_header Host app.example;
      proxy_set_header X-Forwarded-For CLIENT;
      proxy_hide_header X-App;
    }
  }
  server {
    listen 127.0.0.1:APP;
    root SITE;
    access_log ACCESS;
    set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;
    set $mark page;
    if (-f BANNED/$remote_addr) { set $mark ''; return 403; }
    add_header X-App $mark always;
    if (-f FOLDER/outage) { return 503; }
    SECRETS
    # app.py marks its own responses.
    location ~ ^/(api/|search$|login$|account$|forum|editor) {
      proxy_pass http://dynamic;
      add_header X-Dynamic yes;
    }
    UNKNOWN
  }
}
"""


class Measurement:
    """The servers of one measurement, and the folder of its files. A context manager: the servers run
    within it."""

    def __init__(self, testbed, policy, variant, number):
        self.testbed, self.policy, self.variant = testbed, policy, variant
        self.folder = testbed.folder / f"measurement-{number}"
        self.folder.mkdir(mode=0o755)
        # A new address each time, since fail2ban keeps its bans.
        self.client = f"198.51.{number // 250 + 100}.{number % 250 + 1}"
        self.port, self.app_port = processes.free_port(), processes.free_port()
        self.front_port = processes.free_port() if policy else self.app_port
        self.url = f"http://127.0.0.1:{self.port}"
        self.running = []

    def __enter__(self):
        file = self.folder / "nginx.conf"
        file.write_text(self.nginx_config())
        self.start(["nginx", "-p", self.folder, "-c", file], self.app_port)
        if self.policy:
            upstream = ["--upstream", f"http://127.0.0.1:{self.app_port}", "--policy", self.policy]
            listen = ["--listen", f"127.0.0.1:{self.front_port}"]
            self.start([self.testbed.guard, *listen, *upstream], self.front_port)
        return self

    def __exit__(self, *_):
        for process in reversed(self.running):
            processes.end(process)

    def start(self, command, port):
        with open(self.folder / f"{Path(command[0]).name}.out", "w") as output:
            self.running.append(processes.start(command, output, output))
        processes.wait_for(port)

    def nginx_config(self):
        fail2ban = None if self.policy else self.testbed.fail2ban
        secret = "location = {} {{ add_header X-App secret always; }} "
        text = NGINX
        for name, value in {
            "SITE": self.testbed.site,
            "ACCESS": fail2ban.access_log if fail2ban else "off",
            "BANNED": fail2ban.banned if fail2ban else "/nonexistent",
            "SECRETS": "".join(secret.format(path) for path in site_files.SECRETS),
            "UNKNOWN": UNKNOWN_PATHS[self.variant],
            "FRONT": self.front_port,
            "DYNAMIC": self.testbed.dynamic_port,
            "HOP": self.port,
            "APP": self.app_port,
            "CLIENT": self.client,
            "FOLDER": self.folder,
        }.items():
            text = re.sub(rf"\b{name}\b", lambda _, value=value: str(value), text)
        return text

    def page_length(self):
        """Returns the length of the page that answers any path, or `None`."""
        return (self.testbed.site / "app.html").stat().st_size if self.variant == "SPA" else None

    def refusals(self):
        """Returns how many of the last requests were refused in a row."""
        exchanges = self.exchanges()
        reached = [at for at, (reached, _) in enumerate(exchanges, 1) if reached]
        return len(exchanges) - (reached[-1] if reached else 0)

    def exchanges(self):
        """Returns the requests in the order of their responses: (reached, path of a secret that was read)."""
        exchanges = []
        for line in (self.folder / "hop.log").read_text(errors="replace").splitlines():
            _, mark, request = line.split("|", 2)
            secret = request.split(" ")[1].split("?")[0] if mark == "secret" else None
            exchanges.append((mark != "-", secret))
        return exchanges

    def has_password(self):
        """Returns whether the tool printed the hash of a user's password, of which each response may have
        contained only a bit."""
        output = self.folder / "tool.out"
        return output.exists() and site_files.HASH in output.read_text(errors="replace")

    def is_banned(self):
        """Returns whether guard's log has a ban of this client."""
        log = self.folder / "guard.out"
        return log.exists() and f"{self.client}/32 banned for" in log.read_text(errors="replace")

    def set_outage(self, is_outage):
        """Makes the app answer each request with 503, or ends that."""
        file = self.folder / "outage"
        file.touch() if is_outage else file.unlink()

    def delete(self):
        shutil.rmtree(self.folder)
