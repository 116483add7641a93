//! A minimal HTTP client for scanners and visitors.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    ops::Range,
    thread,
    time::SystemTime,
};

use crate::{PROBE_INTERVAL, TIMEOUT};

/// A client with its own address (`X-Forwarded-For`), on one connection.
pub(crate) struct Client {
    pub(crate) addr: Ipv4Addr,
    stream: BufReader<TcpStream>,
}

// === impl Client ===

impl Client {
    pub(crate) fn new(proxy: SocketAddr, addr: Ipv4Addr) -> Self {
        let stream = TcpStream::connect(proxy).expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        let stream = BufReader::new(stream);
        Self { addr, stream }
    }

    /// Requests these pages, none of which exists. Returns the time of the last response.
    pub(crate) fn probe(&mut self, pages: Range<usize>) -> SystemTime {
        let mut answered = SystemTime::now();
        for nth in pages {
            let status = self.get(&format!("/phpmyadmin/{nth}/.git/config"));
            answered = SystemTime::now();
            assert_eq!(status, 404);
            thread::sleep(PROBE_INTERVAL);
        }
        answered
    }

    /// Requests `path` and returns the status of the response.
    pub(crate) fn get(&mut self, path: &str) -> u16 {
        let sent = write!(
            self.stream.get_mut(),
            "GET {path} HTTP/1.1\r\nHost: app.example\r\nX-Forwarded-For: {}\r\n\
             User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
             Accept: text/html,*/*;q=0.8\r\n\r\n",
            self.addr
        );
        sent.expect("the request is sent");
        let first = self.line();
        let status = first.split(' ').nth(1).expect("a status");
        let status = status.parse().expect("a number");
        let mut len = 0;
        loop {
            let line = self.line().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                len = value.trim().parse().expect("a length");
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; len];
        self.stream.read_exact(&mut body).expect("a body");
        status
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).expect("a response");
        assert!(read > 0, "the proxy closed the connection");
        line
    }
}
