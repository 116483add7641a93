//! HTTP/2 control frames beyond those that requests need.

use std::{sync::Arc, time::Duration};

use gabion_testkit::{ProxyServer, RawServer, Recorder, eventually};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::support::{PATIENCE, Setup};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A GET for `/` with the host `a`: fields of the static table (RFC 7541, appendix A) and one literal.
const GET: &[u8] = &[0x82, 0x84, 0x86, 0x01, 1, b'a'];

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const UNKNOWN: u8 = 0xf0;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length, &[kind, flags][..], &stream.to_be_bytes(), payload].concat()
}

/// Connects, with a settings frame.
async fn connect(front: &ProxyServer) -> TcpStream {
    let mut client = front.connect().await.into_stream();
    client.write_all(PREFACE).await.unwrap();
    let settings = frame(SETTINGS, 0, 0, &[]);
    client.write_all(&settings).await.unwrap();
    client
}

/// Sends `flood` until the connection ends, at most 20,000 times, and reads meanwhile; returns `true` if it ended.
async fn is_cut(client: TcpStream, flood: &[u8]) -> bool {
    let (mut from, mut to) = client.into_split();
    let read = tokio::spawn(async move {
        let mut bytes = [0; 4096];
        while let Ok(1..) = from.read(&mut bytes).await {}
    });
    let flooding = async {
        for _ in 0..20_000 {
            to.write_all(flood).await?;
        }
        Ok::<_, std::io::Error>(())
    };
    let flooded = timeout(PATIENCE, flooding)
        .await
        .expect("it reads what is sent");
    let ended = timeout(Duration::from_millis(500), read).await;
    flooded.is_err() || ended.is_ok()
}

#[tokio::test]
async fn flood_of_control_frames_is_cut() {
    let backend = RawServer::bind().await;
    let events = Arc::<Recorder>::default();
    let setup = Setup::with_http2();
    let serve = setup.serve.with_sink(events.clone());
    let front = Setup { serve, ..setup }.before(&backend.url());
    for flood in [
        frame(SETTINGS, 0, 0, &[]),
        frame(PING, 0, 0, &[0; 8]),
        frame(PING, ACK, 0, &[0; 8]),
        frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()),
        frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9]),
        frame(UNKNOWN, 0, 0, &[]),
    ] {
        let client = connect(&front).await;
        assert!(is_cut(client, &flood).await, "{flood:?}");
        let texts = || Some(events.take_texts()).filter(|texts| !texts.is_empty());
        let texts = eventually(texts).await.expect("an event");
        let refused = "connection of 127.0.0.1 refused: it sends more HTTP/2 control frames than its requests need";
        assert_eq!(texts, [refused], "{flood:?}");
    }
}

#[tokio::test]
async fn flood_beside_a_request_in_progress_is_cut() {
    let backend = RawServer::bind().await;
    let front = Setup::with_http2().before(&backend.url());
    for flood in [
        frame(PING, 0, 0, &[0; 8]),
        frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes()),
        frame(DATA, 0, 1, &[]),
    ] {
        let mut client = connect(&front).await;
        let get = frame(HEADERS, END_HEADERS, 1, GET);
        client.write_all(&get).await.unwrap();
        let _request = backend.accept().await;
        assert!(is_cut(client, &flood).await, "{flood:?}");
    }
}

/// Reads frames, and answers each of a response with two updates and a ping. Returns the bytes of the response.
async fn download(client: &mut TcpStream) -> usize {
    let mut length = 0;
    loop {
        let mut head = [0; 9];
        client.read_exact(&mut head).await.unwrap();
        let [a, b, c, kind, flags, ..] = head;
        let size = u32::from_be_bytes([0, a, b, c]);
        let mut payload = vec![0; usize::try_from(size).unwrap()];
        client.read_exact(&mut payload).await.unwrap();
        if kind == DATA {
            length += payload.len();
            if flags & END_STREAM != 0 {
                return length;
            }
            if size > 0 {
                let update = size.to_be_bytes();
                let answers = [
                    frame(WINDOW_UPDATE, 0, 0, &update),
                    frame(WINDOW_UPDATE, 0, 1, &update),
                    frame(PING, 0, 0, &[0; 8]),
                ];
                client.write_all(&answers.concat()).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn client_that_answers_each_frame_of_a_download_is_not_cut() {
    const MESSAGES: usize = 5_000;
    let backend = RawServer::bind().await;
    let front = Setup::with_http2().before(&backend.url());
    let mut client = connect(&front).await;
    let get = frame(HEADERS, END_HEADERS | END_STREAM, 1, GET);
    client.write_all(&get).await.unwrap();
    let mut upstream = backend.accept().await;
    upstream.head().await;
    let answer = tokio::spawn(async move {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        upstream.send(head).await;
        for _ in 0..MESSAGES {
            upstream.send("5\r\nhello\r\n").await;
            // A message at a time, as in a stream of events.
            tokio::task::yield_now().await;
        }
        upstream.send("0\r\n\r\n").await;
    });
    let length = timeout(4 * PATIENCE, download(&mut client)).await;
    assert_eq!(length, Ok(5 * MESSAGES));
    answer.await.unwrap();
}

#[tokio::test]
async fn client_that_pings_an_idle_stream_is_not_cut() {
    let backend = RawServer::bind().await;
    let front = Setup::with_http2().before(&backend.url());
    let mut client = connect(&front).await;
    let get = frame(HEADERS, END_HEADERS | END_STREAM, 1, GET);
    client.write_all(&get).await.unwrap();
    let mut upstream = backend.accept().await;
    upstream.head().await;
    for _ in 0..20 {
        client.write_all(&frame(PING, 0, 0, &[0; 8])).await.unwrap();
        sleep(Duration::from_millis(20)).await;
    }
    upstream
        .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        .await;
    assert_eq!(timeout(PATIENCE, download(&mut client)).await, Ok(2));
}
