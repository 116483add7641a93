//! Unix sockets.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use gabion_proxy::{StartWait, UpstreamOptions};
use gabion_testkit::{Nginx, TempFolder, eventually, program};
use tokio::net::UnixListener;

use super::{get, serve_http1};
use crate::support::{Setup, group};

/// A child process, killed on drop.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn requests_are_forwarded_to_a_socket() {
    let folder = TempFolder::new("unix");
    let path = folder.file("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_http1(stream, "app".to_owned()));
        }
    });
    let front = Setup::default().before(&format!("unix:{path}"));
    for _ in 0..2 {
        assert_eq!(get(&front).await, "HTTP/1.1 localhost app");
    }
    // A request that names no host.
    let mut client = front.connect().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    client.until("HTTP/1.1 localhost app").await;
}

#[tokio::test]
async fn socket_that_does_not_exist_yet_is_waited_for() {
    let folder = TempFolder::new("unix-late");
    let path = folder.file("app.sock");
    let front = Setup::default().before(&format!("unix:{path}"));
    let starting = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let listener = UnixListener::bind(&path).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(serve_http1(stream, "late".to_owned()));
    };
    let (body, ()) = tokio::join!(get(&front), starting);
    assert_eq!(body, "HTTP/1.1 localhost late");

    let none = format!("unix:{}", folder.file("none.sock"));
    let wait = StartWait::default().with_time(Duration::ZERO);
    let options = UpstreamOptions::default().with_start_wait(wait);
    let front = Setup::default().before_group(group(&[&none], &options));
    let response = front.connect().await.get("/", "").await.unwrap();
    assert_eq!(response.status, 503);
}

#[tokio::test]
async fn nginx_python_and_node_serve_on_a_socket() {
    if let Some(nginx) = program("nginx") {
        let servers = "
            server { listen {listen}; }
            server { listen unix:{folder}/app.sock; location / { return 200 \"nginx $host\"; } }";
        let nginx = Nginx::with_servers(&nginx, "unix", servers).await;
        let front = Setup::default().before(&format!("unix:{}", nginx.file("app.sock")));
        assert_eq!(get(&front).await, "nginx localhost");
    }
    let python = "
import http.server, socketserver, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def address_string(self): return 'unix'
    def log_message(self, *args): pass
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', '6')
        self.end_headers()
        self.wfile.write(b'python')
socketserver.ThreadingUnixStreamServer(sys.argv[1], Handler).serve_forever()
";
    let node = "require('http').createServer((request, response) => response.end('node')).listen(process.argv[1])";
    for (name, option, script) in [("python3", "-c", python), ("node", "-e", node)] {
        let Some(interpreter) = program(name) else {
            continue;
        };
        let folder = TempFolder::new(name);
        let path = folder.file("app.sock");
        let mut command = Command::new(interpreter);
        command.args([option, script, &path]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let _process = Process(command.spawn().unwrap());
        let exists = eventually(|| Path::new(&path).exists().then_some(())).await;
        assert!(exists.is_some(), "{name} creates no socket");
        let front = Setup::default().before(&format!("unix:{path}"));
        let expected = name.trim_end_matches('3');
        for _ in 0..2 {
            assert_eq!(get(&front).await, expected);
        }
    }
}
