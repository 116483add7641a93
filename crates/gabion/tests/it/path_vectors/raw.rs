//! A server that remembers request lines byte by byte.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

type Lines = Arc<Mutex<Vec<Vec<u8>>>>;

pub(super) struct Raw {
    pub(super) url: String,
    lines: Lines,
}

impl Raw {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let lines = Lines::default();
        let seen = Arc::clone(&lines);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(answer(socket, Arc::clone(&seen)));
            }
        });
        Self { url, lines }
    }

    /// The request lines since this was last asked.
    pub(super) fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }
}

/// Takes a line after an empty one for a request's first: no request here has a body.
async fn answer(socket: TcpStream, seen: Lines) {
    let mut socket = BufReader::new(socket);
    let mut line = Vec::new();
    let mut first = true;
    while socket.read_until(b'\n', &mut line).await.unwrap_or(0) > 0 {
        if std::mem::take(&mut first) {
            seen.lock().unwrap().push(line.trim_ascii_end().to_vec());
        }
        if line == b"\r\n" {
            first = true;
            let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            let _ = socket.write_all(ok).await;
        }
        line.clear();
    }
}
