//! WebSocket clients, each of which sends a message, waits for its echo, and repeats.

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

/// The result of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Processor time of the measured process for each round trip, in microseconds.
    pub(crate) micros: f64,
    /// Round trips per second.
    pub(crate) per_second: f64,
}

/// The message: 64 bytes of JSON, so that message rules apply.
const TEXT: &[u8; 64] = br#"{"say":{"t":"the gate stands open until nine and the bread is"}}"#;

/// The masking key. A browser uses a random one for each frame; the value does not matter here.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The timeout of each step; the bench fails after it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends messages through `running` on `sockets` sockets for `time`.
pub(crate) fn measure(running: &Running, sockets: usize, time: Duration) -> Run {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut open = Vec::with_capacity(sockets);
        for _ in 0..sockets {
            let socket = timeout(TIMEOUT, handshake(running.addr)).await;
            open.push(socket.expect("a handshake in time"));
        }
        let before = running.cpu();
        let end = Instant::now() + time;
        let clients: Vec<_> = open
            .into_iter()
            .map(|socket| tokio::spawn(repeat_message(socket, end)))
            .collect();
        let (mut messages, mut sockets) = (0, Vec::new());
        for client in clients {
            let client = timeout(time + TIMEOUT, client).await;
            let (socket, count) = client.expect("echoes in time").expect("echoes");
            messages += count;
            sockets.push(socket);
        }
        // Measured before the sockets close: closing is not part of a round trip.
        let cpu = running.cpu() - before;
        drop(sockets);
        Run::new(cpu, messages, time)
    })
}

async fn handshake(addr: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(addr).await.expect("a connection");
    socket.set_nodelay(true).expect("a socket");
    let request = format!(
        "GET /chat HTTP/1.1\r\nHost: app.example\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nOrigin: http://app.example\r\nX-Forwarded-For: {CLIENT}\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\r\n"
    );
    let sent = socket.write_all(request.as_bytes()).await;
    sent.expect("the handshake is sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.expect("an answer"));
    }
    let head = String::from_utf8_lossy(&head);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    socket
}

/// Sends the message repeatedly until `end`, and returns the number of echoes.
async fn repeat_message(mut socket: TcpStream, end: Instant) -> (TcpStream, u64) {
    let (frame, expected) = frames(TEXT);
    let mut echo = vec![0; expected.len()];
    let mut count = 0;
    while Instant::now() < end {
        socket.write_all(&frame).await.expect("a message is sent");
        socket.read_exact(&mut echo).await.expect("an echo");
        assert_eq!(echo, expected);
        count += 1;
    }
    (socket, count)
}

/// Returns the masked frame of a client and the frame of its echo, for a short payload (RFC 6455, 5.2).
fn frames(payload: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let len = u8::try_from(payload.len()).expect("a short message");
    let mut frame = vec![0x81, 0x80 | len];
    frame.extend(KEY);
    let masked = payload.iter().zip(KEY.iter().cycle());
    frame.extend(masked.map(|(byte, key)| byte ^ key));
    let echo = [&[0x81, len], payload].concat();
    (frame, echo)
}

/// Returns `true` if `running` echoes a message with this payload.
pub(crate) fn is_echoed(running: &Running, payload: &[u8]) -> bool {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut socket = handshake(running.addr).await;
        let (frame, expected) = frames(payload);
        socket.write_all(&frame).await.expect("a message is sent");
        let mut echo = vec![0; expected.len()];
        let read = timeout(TIMEOUT, socket.read(&mut echo)).await;
        let read = read.expect("an answer in time").unwrap_or_default();
        echo[..read] == expected
    })
}

/// Returns the ratio of the processor times of two series: the median of all rounds.
pub(crate) fn ratio(own: &[Run], other: &[Run]) -> f64 {
    let each = own.iter().zip(other);
    let mut ratios: Vec<_> = each.map(|(own, other)| own.micros / other.micros).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

/// Returns the run with the median processor time.
pub(crate) fn median(mut runs: Vec<Run>) -> Run {
    runs.sort_by(|one, other| one.micros.total_cmp(&other.micros));
    runs[runs.len() / 2]
}

// === impl Run ===

impl Run {
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of some seconds")]
    fn new(cpu: u64, messages: u64, time: Duration) -> Self {
        assert!(messages > 0, "no echo received");
        Self {
            micros: cpu as f64 / 1e3 / messages as f64,
            per_second: messages as f64 / time.as_secs_f64(),
        }
    }
}
