"""One measurement: the app behind guard, or behind nginx with fail2ban, and a trusted hop in front.

    client -> hop (nginx, names the client) -> guard or nothing -> app (nginx) -> app.py

The hop sets `X-Forwarded-For` and `Host`, and logs which requests reached the app. Each measurement has a
guard of its own, so that no row depends on another.
"""

import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import site_files
from fail2ban import Fail2ban

HERE = Path(__file__).parent
VISITOR = "198.51.100.7"

# The columns: how `guard init` is called, and the mode of `[scan]`; `None` for nginx with fail2ban.
COLUMNS = {
    "a": ([], "observe"),
    "b": (["--behind", "node"], "observe"),
    "c": (["--behind", "node"], "enforce"),
    "d": (["--behind", "spring"], "enforce"),
    "fail2ban": None,
}

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
    SECRETS
    location ~ ^/(api/|search$|login$|account$|forum|editor) { proxy_pass http://dynamic; add_header X-Dynamic yes; }
    UNKNOWN
  }
}
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port):
    """Waits until something listens on `port`."""
    for _ in range(500):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    sys.exit(f"nothing listens on 127.0.0.1:{port}")


def end(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Testbed:
    """What all measurements share: the site, the dynamic app, the policies, and fail2ban."""

    def __init__(self, guard, folder, columns):
        self.guard, self.folder = guard, folder
        self.site = folder / "site"
        self.site.mkdir()
        site_files.write(self.site)
        self.words = site_files.write_words(folder)
        folder.chmod(0o755)  # nginx reads it as another user
        self.dynamic = subprocess.Popen([sys.executable, "-B", HERE / "app.py"], stdout=subprocess.PIPE, text=True)
        self.dynamic_port = int(self.dynamic.stdout.readline())
        self.fail2ban = Fail2ban.start(folder) if "fail2ban" in columns else None
        self.columns = [column for column in columns if column != "fail2ban" or self.fail2ban]
        self.count = 0
        for column in self.columns:
            if COLUMNS[column]:
                self.write_policy(column)

    def write_policy(self, column):
        options, mode = COLUMNS[column]
        file = self.folder / f"{column}.toml"
        subprocess.run([self.guard, "init", file, *options], check=True, stdout=subprocess.DEVNULL)
        text = file.read_text()
        for pattern, value in (
            (r"(?m)^trusted_proxies = .*", 'trusted_proxies = ["127.0.0.1"]'),
            (r"(?m)^\[scan\]\nmode = .*", f'[scan]\nmode = "{mode}"'),
        ):
            text, found = re.subn(pattern, value, text)
            if found != 1:
                sys.exit(f"the policy of `guard init` has no line {pattern}")
        file.write_text(text)

    def measurement(self, column, variant):
        self.count += 1
        return Measurement(self, column, variant, self.count)

    def close(self):
        end(self.dynamic)
        if self.fail2ban:
            self.fail2ban.close()


class Measurement:
    """The servers of one measurement, and the folder of its files."""

    def __init__(self, testbed, column, variant, number):
        self.folder = testbed.folder / f"measurement-{number}"
        self.folder.mkdir(mode=0o755)
        # A new address each time: fail2ban keeps its bans from row to row.
        self.client = f"203.0.113.{number % 250 + 1}" if COLUMNS[column] else f"198.18.{number // 250}.{number % 250 + 1}"
        self.words_folder = testbed.folder
        self.page_length = (testbed.site / "app.html").stat().st_size if variant == "SPA" else None
        hop, app, guard = free_port(), free_port(), free_port()
        self.visitor = VISITOR
        self.url = f"http://127.0.0.1:{hop}"
        self.port = hop
        self.front = guard if COLUMNS[column] else app
        self.processes = []
        fail2ban = testbed.fail2ban if column == "fail2ban" else None
        secrets = "".join(
            f"location = {path} {{ add_header X-App secret always; }} " for path in site_files.SECRETS
        )
        text = NGINX
        for name, value in {
            "SITE": testbed.site,
            "ACCESS": fail2ban.access_log if fail2ban else "off",
            "BANNED": fail2ban.banned if fail2ban else "/nonexistent",
            "SECRETS": secrets,
            "UNKNOWN": UNKNOWN_PATHS[variant],
            "FRONT": self.front,
            "DYNAMIC": testbed.dynamic_port,
            "HOP": hop,
            "APP": app,
            "CLIENT": self.client,
            "FOLDER": self.folder,
        }.items():
            text = re.sub(rf"\b{name}\b", lambda _, value=value: str(value), text)
        (self.folder / "nginx.conf").write_text(text)
        self.start(["nginx", "-p", self.folder, "-c", self.folder / "nginx.conf"], app)
        if COLUMNS[column]:
            policy = testbed.folder / f"{column}.toml"
            listen = ["--listen", f"127.0.0.1:{guard}", "--upstream", f"http://127.0.0.1:{app}"]
            self.start([testbed.guard, *listen, "--policy", policy], guard)

    def start(self, command, port):
        with open(self.folder / f"{Path(command[0]).name}.out", "w") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.processes.append(process)
        wait_for(port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The front first: guard reports an unreachable server otherwise.
        for process in reversed(self.processes):
            end(process)

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

    def delete(self):
        shutil.rmtree(self.folder)
