//! What is measured, and how it is started.

use std::{
    env, fmt, fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use gabion_testkit::program;

/// What stands between a client and an echo, or is the echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    /// The echo behind the proxies.
    Echo,
    Bare,
    Guard,
    HaProxy,
    Held,
    Layered,
    Nginx,
}

/// A process, which ends with this.
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
      proxy_pass http://BEHIND;
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
  server one BEHIND
";

/// Starts it before `behind`; none, aloud, where it is not here.
pub(crate) fn start(stand: Stand, behind: Option<SocketAddr>) -> Option<Running> {
    let addr = free_port();
    let folder = env::temp_dir().join(format!("gabion-sockets-{}", addr.port()));
    fs::create_dir_all(&folder).expect("a folder");
    let conf = folder.join("conf");
    let mut command = match stand {
        Stand::Echo | Stand::Bare | Stand::Held | Stand::Layered => {
            let role = match stand {
                Stand::Held => "held",
                Stand::Layered => "layered",
                _ => "bare",
            };
            let mut command = Command::new(env::current_exe().expect("this program"));
            command.args([role, &addr.to_string()]);
            command
        }
        Stand::Guard => {
            let mut command = Command::new(guard()?);
            let upstream = format!("http://{}", behind?);
            command.args(["--workers", "1", "--listen", &addr.to_string()]);
            command.args(["--upstream", &upstream]);
            command
        }
        Stand::HaProxy => {
            let mut command = Command::new(program("haproxy")?);
            command.arg("-f").arg(&conf);
            command
        }
        Stand::Nginx => {
            let mut command = Command::new(program("nginx")?);
            command.arg("-c").arg(&conf);
            command
        }
    };
    if let Some(behind) = behind {
        let text = if stand == Stand::Nginx {
            NGINX
        } else {
            HAPROXY
        };
        let text = text
            .replace("LISTEN", &addr.to_string())
            .replace("BEHIND", &behind.to_string())
            .replace("PID", &folder.join("pid").display().to_string());
        fs::write(&conf, text).expect("a file");
    }
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let running = Running {
        addr,
        child: child.expect("it starts"),
        folder,
    };
    running.wait();
    Some(running)
}

fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// The binary that a release build leaves beside this one.
fn guard() -> Option<PathBuf> {
    let here = env::current_exe().expect("this program");
    let found = here
        .ancestors()
        .map(|folder| folder.join("guard"))
        .find(|file| file.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: no guard; `cargo build --release -p guard` makes one");
    }
    found
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Until it answers.
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
        // nginx ends its worker only where it is asked to end.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl fmt::Display for Stand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Echo => "echo",
            Self::Bare => "axum, which echoes",
            Self::Guard => "guard, its built-in policy",
            Self::HaProxy => "HAProxy",
            Self::Held => "axum behind a layer with limits",
            Self::Layered => "axum behind a layer",
            Self::Nginx => "nginx",
        })
    }
}
