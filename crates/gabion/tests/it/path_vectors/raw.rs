//! An upstream that records request lines byte by byte.

use std::sync::{Arc, Mutex};

use gabion_testkit::LoopbackServer;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

type Lines = Arc<Mutex<Vec<Vec<u8>>>>;

pub(super) struct RequestLines {
    server: LoopbackServer,
    lines: Lines,
}

impl RequestLines {
    pub(super) async fn start() -> Self {
        let lines = Lines::default();
        let recorded = Arc::clone(&lines);
        let server = LoopbackServer::start(move |stream| answer(stream, Arc::clone(&recorded)));
        Self {
            server: server.await,
            lines,
        }
    }

    pub(super) fn url(&self) -> String {
        self.server.url()
    }

    /// Removes and returns the request lines recorded so far.
    pub(super) fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }
}

/// Takes the line after an empty line for a request line: the requests of these tests have no body.
async fn answer(stream: TcpStream, recorded: Lines) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    let mut is_first = true;
    while stream.read_until(b'\n', &mut line).await.unwrap_or(0) > 0 {
        if std::mem::take(&mut is_first) {
            let request_line = line.trim_ascii_end().to_vec();
            recorded.lock().unwrap().push(request_line);
        }
        if line == b"\r\n" {
            is_first = true;
            let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            let _ = stream.write_all(ok).await;
        }
        line.clear();
    }
}
