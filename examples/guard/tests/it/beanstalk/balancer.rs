//! HAProxy in the place of the Application Load Balancer.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use gabion_testkit::{TempFolder, eventually, program};

/// Does what the ALB does: appends the client to `X-Forwarded-For`, writes `X-Forwarded-Proto`, passes on what
/// else a client sends, closes what is idle, and checks the health of its target by address. It connects from
/// an address of its own, as from a subnet of the balancer.
const CONF: &str = "
defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 10s
    timeout tunnel 3s
frontend listener
    bind {listen}
    option forwardfor
    http-request set-header X-Forwarded-Proto https
    default_backend targets
backend targets
    source 127.0.0.2
    option httpchk
    http-check send meth GET uri /health ver HTTP/1.1 hdr Host {target} hdr User-Agent ELB-HealthChecker/2.0
    http-check expect status 200
    server instance {target} check inter 100ms fall 1 rise 1
";

/// A running HAProxy. Dropping it kills the process.
pub(super) struct Balancer {
    child: Child,
    addr: SocketAddr,
    _folder: TempFolder,
}

// === impl Balancer ===

impl Balancer {
    /// Starts HAProxy in front of `target`. If it is not installed, prints `SKIPPED` and returns `None`.
    pub(super) async fn start(test: &str, target: SocketAddr) -> Option<Self> {
        let haproxy = program("haproxy")?;
        let folder = TempFolder::new(&format!("haproxy-{test}"));
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = free.local_addr().unwrap();
        drop(free);
        let conf = CONF
            .replace("{listen}", &addr.to_string())
            .replace("{target}", &target.to_string());
        let conf = folder.write("haproxy.cfg", &conf);
        let mut command = Command::new(haproxy);
        // In the foreground, as one process.
        command.args(["-db", "-f", &conf]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let listens = eventually(|| TcpStream::connect(addr).ok()).await;
        assert!(listens.is_some(), "HAProxy does not start");
        Some(Self {
            child,
            addr,
            _folder: folder,
        })
    }

    /// The address for clients.
    pub(super) const fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
