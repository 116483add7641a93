//! The clients of many WebSockets.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Open WebSockets, which send nothing except in [`Sockets::echo`].
#[derive(Default)]
pub(crate) struct Sockets(Vec<TcpStream>);

/// The timeout of each step; the bench fails after it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A handshake with the headers of a browser and the sample key of RFC 6455, 1.3.
const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: app.example\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nOrigin: http://app.example\r\nSec-WebSocket-Version: 13\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0\r\n\
    Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// "hi", masked with a key of zeros, and as a server sends it.
const MESSAGE: &[u8] = b"\x81\x82\0\0\0\0hi";
const ECHO: &[u8] = b"\x81\x02hi";

impl Sockets {
    /// Opens `count` more sockets.
    pub(crate) fn open(&mut self, addr: SocketAddr, count: usize) {
        for _ in 0..count {
            let mut socket = TcpStream::connect(addr).expect("a connection");
            socket.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
            socket
                .write_all(HANDSHAKE.as_bytes())
                .expect("the handshake is sent");
            let head = head(&mut socket);
            assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
            self.0.push(socket);
        }
    }

    /// Sends a message on each socket and waits for its echo.
    pub(crate) fn echo(&mut self) {
        for socket in &mut self.0 {
            socket.write_all(MESSAGE).expect("the message is sent");
            let mut echo = [0; ECHO.len()];
            socket.read_exact(&mut echo).expect("an echo");
            assert_eq!(echo, ECHO);
        }
    }
}

fn head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("an answer");
        head.extend(byte);
    }
    String::from_utf8_lossy(&head).into_owned()
}
