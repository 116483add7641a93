//! Clients who say one thing, wait for its echo, and say it again.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use gabion_benches::{process::Running, reference::CLIENT};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Builder,
    time::timeout,
};

/// One run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Processor time of what is measured for each round trip, in microseconds.
    pub(crate) micros: f64,
    pub(crate) per_second: f64,
}

/// What is said: 64 bytes of JSON, so that rules have something to read.
const SAID: &[u8; 64] = br#"{"say":{"t":"the gate stands open until nine and the bread is"}}"#;

/// Any will do; a browser draws one for each frame.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A bench that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Talks through `running` on so many sockets for so long.
pub(crate) fn put_on(running: &Running, sockets: usize, time: Duration) -> Run {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut open = Vec::with_capacity(sockets);
        for _ in 0..sockets {
            let socket = timeout(PATIENCE, handshake(running.addr)).await;
            open.push(socket.expect("a handshake in time"));
        }
        let before = running.cpu();
        let end = Instant::now() + time;
        let talks: Vec<_> = open
            .into_iter()
            .map(|socket| tokio::spawn(talk(socket, end)))
            .collect();
        let (mut messages, mut sockets) = (0, Vec::new());
        for talk in talks {
            let talk = timeout(time + PATIENCE, talk).await;
            let (socket, count) = talk.expect("echoes in time").expect("echoes");
            messages += count;
            sockets.push(socket);
        }
        // What the end of sockets costs is not counted.
        let spent = running.cpu() - before;
        drop(sockets);
        Run::of(spent, messages, time)
    })
}

async fn handshake(addr: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(addr).await.expect("a connection");
    socket.set_nodelay(true).expect("a socket");
    let ask = format!(
        "GET /chat HTTP/1.1\r\nHost: app.example\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nOrigin: http://app.example\r\nX-Forwarded-For: {CLIENT}\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\r\n"
    );
    let asked = socket.write_all(ask.as_bytes()).await;
    asked.expect("the handshake goes out");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.expect("an answer"));
    }
    let head = String::from_utf8_lossy(&head);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    socket
}

/// How many echoes came until `end`.
async fn talk(mut socket: TcpStream, end: Instant) -> (TcpStream, u64) {
    let (frame, expected) = frames(SAID);
    let mut echo = vec![0; expected.len()];
    let mut count = 0;
    while Instant::now() < end {
        socket.write_all(&frame).await.expect("a message goes out");
        socket.read_exact(&mut echo).await.expect("an echo");
        assert_eq!(echo, expected);
        count += 1;
    }
    (socket, count)
}

/// What is sent for what is said, and its echo: one short frame each (RFC 6455, 5.2).
fn frames(said: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let len = u8::try_from(said.len()).expect("a short message");
    let mut frame = vec![0x81, 0x80 | len];
    frame.extend(KEY);
    let masked = said.iter().zip(KEY.iter().cycle());
    frame.extend(masked.map(|(byte, key)| byte ^ key));
    let echo = [&[0x81, len], said].concat();
    (frame, echo)
}

/// Whether this comes back through `running`.
pub(crate) fn is_echoed(running: &Running, said: &[u8]) -> bool {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut socket = handshake(running.addr).await;
        let (frame, expected) = frames(said);
        socket.write_all(&frame).await.expect("a message goes out");
        let mut echo = vec![0; expected.len()];
        let read = timeout(PATIENCE, socket.read(&mut echo)).await;
        let read = read.expect("an answer in time").unwrap_or_default();
        echo[..read] == expected
    })
}

/// How many times what the other took in the same round: the median of all rounds.
pub(crate) fn ratio(own: &[Run], other: &[Run]) -> f64 {
    let each = own.iter().zip(other);
    let mut ratios: Vec<_> = each.map(|(own, other)| own.micros / other.micros).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

/// The run in the middle.
pub(crate) fn median(mut runs: Vec<Run>) -> Run {
    runs.sort_by(|one, other| one.micros.total_cmp(&other.micros));
    runs[runs.len() / 2]
}

// === impl Run ===

impl Run {
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of some seconds")]
    fn of(spent: u64, messages: u64, time: Duration) -> Self {
        assert!(messages > 0, "no echo came");
        Self {
            micros: spent as f64 / 1e3 / messages as f64,
            per_second: messages as f64 / time.as_secs_f64(),
        }
    }
}
