//! A served API and its callers.

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::Arc,
};

use gabion::Guard;
use gabion_admin::{Admin, AdminServer, Existing, TcpListener, Token, UnixListener};
use gabion_testkit::{Recorder, TempFolder};
use serde_json::Value;

/// A guard, its events, and its API on a Unix socket and on loopback.
pub(crate) struct Served {
    pub(crate) guard: Guard,
    pub(crate) events: Arc<Recorder>,
    pub(crate) token: String,
    pub(crate) folder: TempFolder,
    server: AdminServer,
}

/// A status and a JSON body; `Null` if the body is not JSON.
pub(crate) type Answer = (u16, Value);

pub(crate) const POLICY: &str = "version = 1\n[client]\ntrusted_proxies = ['198.51.100.0/24']\n[allow]\nnetworks = ['203.0.113.63']\n";

impl Served {
    pub(crate) fn start() -> Self {
        Self::start_with(|admin| admin)
    }

    pub(crate) fn start_with(options: impl FnOnce(Admin) -> Admin) -> Self {
        let events = Arc::new(Recorder::default());
        let builder = Guard::builder().with_sink(events.clone());
        let guard = builder.with_policy(POLICY, "policy").unwrap();
        let folder = TempFolder::new("admin");
        let path = folder.path().join("admin.sock");
        let unix = UnixListener::bind(&path, Existing::Refuse).unwrap();
        let token = Token::generate().unwrap();
        let addr = "127.0.0.1:0".parse().unwrap();
        let tcp = TcpListener::bind(addr, token.parse().unwrap(), None).unwrap();
        let tcp = tcp.add_host("guard.example");
        let admin = options(Admin::new(guard.clone()));
        let server = AdminServer::start(admin, Some(unix), Some(tcp)).unwrap();
        Self {
            guard,
            events,
            token,
            folder,
            server,
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("admin.sock")
    }

    /// Sends a request over the Unix socket, with additional header lines.
    pub(crate) fn unix(&self, request: &str, headers: &str, body: &str) -> Answer {
        let stream = UnixStream::connect(self.socket()).unwrap();
        exchange(
            stream,
            request,
            &format!("Host: localhost\r\n{headers}"),
            body,
        )
    }

    /// Sends a request over the Unix socket with a JSON body.
    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        let json = "Content-Type: application/json\r\n";
        self.unix(&format!("POST {path}"), json, body)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.unix(&format!("GET {path}"), "", "")
    }

    /// Returns the body of a response that is not one JSON value.
    pub(crate) fn text(&self, path: &str) -> String {
        let stream = UnixStream::connect(self.socket()).unwrap();
        exchange_text(stream, &format!("GET {path}"), "Host: localhost\r\n", "").1
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.unix(&format!("DELETE {path}"), "", "")
    }

    /// Sends a request over TCP, with these header lines.
    pub(crate) fn tcp(&self, request: &str, headers: &str, body: &str) -> Answer {
        let addr = self.server.local_addr().unwrap();
        exchange(TcpStream::connect(addr).unwrap(), request, headers, body)
    }

    /// The `Authorization` line.
    pub(crate) fn bearer(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.token)
    }
}

fn exchange(stream: impl Read + Write, request: &str, headers: &str, body: &str) -> Answer {
    let (status, body) = exchange_text(stream, request, headers, body);
    (status, serde_json::from_str(&body).unwrap_or_default())
}

fn exchange_text(
    mut stream: impl Read + Write,
    request: &str,
    headers: &str,
    body: &str,
) -> (u16, String) {
    let length = body.len();
    let head = format!(
        "{request} HTTP/1.1\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // A caller that is refused early may not read the body.
    let _ = stream.write_all(body.as_bytes());
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response);
    let response = String::from_utf8(response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").expect("a response");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}
