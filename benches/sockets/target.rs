//! The measured servers and proxies.

use std::{
    env, fmt, fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use gabion_testkit::program;

/// A measured process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The echo server, upstream of the proxies.
    Echo,
    /// An axum server that echoes.
    Axum,
    /// The axum server behind gabion's layer, without limits on messages.
    AxumWithLayer,
    /// The axum server behind gabion's layer, with a limit on messages.
    AxumWithLimits,
    Guard,
    HaProxy,
    Nginx,
}

/// A running process. Dropping it ends the process.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    child: Child,
    folder: PathBuf,
}

const NGINX: &str = "
daemon off; pid PID; error_log stderr crit; worker_processes 1; worker_rlimit_nofile 20000;
events { worker_connections 20000; }
http {
  access_log off;
  server {
    listen LISTEN;
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
  maxconn 9900
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend front
  bind LISTEN
  default_backend back
backend back
  server one UPSTREAM
";

/// Starts a process, in front of `upstream` if it is a proxy. Prints a note and returns `None` if it is
/// not installed.
pub(crate) fn start(target: Target, upstream: Option<SocketAddr>) -> Option<Running> {
    let addr = free_port();
    let folder = env::temp_dir().join(format!("gabion-sockets-{}", addr.port()));
    fs::create_dir_all(&folder).expect("a folder");
    let conf = folder.join("conf");
    let mut command = match target {
        Target::Echo | Target::Axum | Target::AxumWithLimits | Target::AxumWithLayer => {
            let role = match target {
                Target::AxumWithLimits => "axum-with-limits",
                Target::AxumWithLayer => "axum-with-layer",
                _ => "axum",
            };
            let mut command = Command::new(env::current_exe().expect("this program"));
            command.args([role, &addr.to_string()]);
            command
        }
        Target::Guard => {
            let mut command = Command::new(guard()?);
            let upstream = format!("http://{}", upstream?);
            command.args(["--workers", "1", "--listen", &addr.to_string()]);
            command.args(["--upstream", &upstream]);
            command
        }
        Target::HaProxy => {
            let mut command = Command::new(program("haproxy")?);
            command.arg("-f").arg(&conf);
            command
        }
        Target::Nginx => {
            let mut command = Command::new(program("nginx")?);
            command.arg("-c").arg(&conf);
            command
        }
    };
    if let Some(upstream) = upstream {
        let text = if target == Target::Nginx {
            NGINX
        } else {
            HAPROXY
        };
        let text = text
            .replace("LISTEN", &addr.to_string())
            .replace("UPSTREAM", &upstream.to_string())
            .replace("PID", &folder.join("pid").display().to_string());
        fs::write(&conf, text).expect("a file");
    }
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let running = Running {
        addr,
        child: child.expect("the process starts"),
        folder,
    };
    running.wait();
    Some(running)
}

fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// Finds the `guard` binary of a release build, in a parent folder of this program.
fn guard() -> Option<PathBuf> {
    let here = env::current_exe().expect("this program");
    let found = here
        .ancestors()
        .map(|folder| folder.join("guard"))
        .find(|file| file.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: no guard binary; run `cargo build --release -p guard`");
    }
    found
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the process listens.
    fn wait(&self) {
        for _ in 0..250 {
            if TcpStream::connect(self.addr).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{} does not listen", self.addr);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SIGTERM, not SIGKILL: nginx ends its worker process only on a regular exit.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Echo => "echo",
            Self::Axum => "axum echo server",
            Self::Guard => "guard, its built-in policy",
            Self::HaProxy => "HAProxy",
            Self::AxumWithLimits => "axum upstream a layer with limits",
            Self::AxumWithLayer => "axum upstream a layer",
            Self::Nginx => "nginx",
        })
    }
}
