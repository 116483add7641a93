//! The upstream server: a minimal WebSocket echo, which unmasks each frame and sends it back.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Builder,
};

/// The argument that runs this program as the echo server.
pub(crate) const ROLE: &str = "echo";

/// The handshake response to the sample key of RFC 6455, 1.3.
const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// The offsets of the masking key and the payload in a short frame (RFC 6455, 5.2).
const KEY: usize = 2;
const PAYLOAD: usize = 6;

/// Serves until the process ends.
pub(crate) fn serve(addr: SocketAddr) {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let listener = TcpListener::bind(addr).await.expect("the port is free");
        loop {
            let (socket, _) = listener.accept().await.expect("a connection");
            tokio::spawn(echo(socket));
        }
    });
}

/// Echoes messages until the client closes the connection.
async fn echo(mut socket: TcpStream) -> Option<()> {
    socket.set_nodelay(true).ok()?;
    let mut bytes = [0; 4096];
    let mut len = 0;
    while !bytes[..len].ends_with(b"\r\n\r\n") {
        len += read(&mut socket, &mut bytes[len..]).await?;
    }
    socket.write_all(ANSWER).await.ok()?;
    loop {
        // The client sends one message at a time, so all bytes belong to one frame.
        let mut len = read(&mut socket, &mut bytes).await?;
        while len < PAYLOAD || len < PAYLOAD + usize::from(bytes[1] & 0x7f) {
            len += read(&mut socket, &mut bytes[len..]).await?;
        }
        let whole = PAYLOAD + usize::from(bytes[1] & 0x7f);
        assert!(len == whole && bytes[1] < 0xfe, "one short masked frame");
        let key = [bytes[2], bytes[3], bytes[4], bytes[5]];
        for (byte, key) in bytes[PAYLOAD..len].iter_mut().zip(key.iter().cycle()) {
            *byte ^= key;
        }
        let head = [bytes[0], bytes[1] & 0x7f];
        let begin = PAYLOAD - KEY;
        bytes[begin..PAYLOAD].copy_from_slice(&head);
        socket.write_all(&bytes[begin..len]).await.ok()?;
    }
}

/// Reads bytes; `None` at the end of the connection.
async fn read(socket: &mut TcpStream, space: &mut [u8]) -> Option<usize> {
    let read = socket.read(space).await.ok()?;
    (read > 0).then_some(read)
}
