//! The tracker compared with hyper: its entries must match the requests that hyper parsed.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use gabion_core::Framing;
use http::{Request, Response, Uri};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use proptest::{collection::vec, option, prelude::*, sample::select};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{FramingQueue, FramingTracker, TrackedSocket};

/// The result of one connection.
struct Served {
    /// Each request's target, with its framing.
    requests: Vec<(Uri, Framing)>,
    /// The responses: each echoes the body, with the framing in `x-note`.
    response: Vec<u8>,
}

/// Sends `pieces` to hyper, one at a time, through a tracker.
fn serve(pieces: &[&[u8]]) -> Served {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().unwrap();
    runtime.block_on(async {
        let requests = Mutex::new(Vec::new());
        let (client, server) = tokio::io::duplex(1 << 20);
        let queue = Arc::<FramingQueue>::default();
        let io = TokioIo::new(TrackedSocket::new(Vec::new(), server, Arc::clone(&queue)));
        let service = service_fn(|request: Request<Incoming>| {
            let framing = queue.pop();
            requests
                .lock()
                .unwrap()
                .push((request.uri().clone(), framing));
            let answer = Response::builder().header("x-note", format!("{framing:?}"));
            std::future::ready(Ok::<_, Infallible>(
                answer.body(request.into_body()).unwrap(),
            ))
        });
        let (mut from, mut to) = tokio::io::split(client);
        let send = async {
            for piece in pieces {
                if to.write_all(piece).await.is_err() {
                    break;
                }
                // Lets the server read it before the next piece.
                tokio::task::yield_now().await;
            }
            let _ = to.shutdown().await;
        };
        let mut response = Vec::new();
        let receive = from.read_to_end(&mut response);
        let serve = http1::Builder::new().serve_connection(io, service);
        let (_, (), read) = tokio::join!(serve, send, receive);
        read.unwrap();
        let requests = std::mem::take(&mut *requests.lock().unwrap());
        Served { requests, response }
    })
}

/// Splits `bytes` at these fractions of its length.
fn cut<'b>(bytes: &'b [u8], shares: &[u16]) -> Vec<&'b [u8]> {
    let place = |share: &u16| bytes.len() * usize::from(*share) / usize::from(u16::MAX);
    let mut places: Vec<_> = shares.iter().map(place).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places
        .windows(2)
        .map(|pair| &bytes[pair[0]..pair[1]])
        .collect()
}

/// A request that hyper accepts, and its expected framing.
fn request() -> impl Strategy<Value = (Vec<u8>, Framing)> {
    let lead = select(vec!["", "\r\n", "\n", "\r\n\n\r\n"]);
    let start = select(vec!["GET", "POST", "x!"]);
    let more = vec(header(), 0..4);
    (lead, start, more, framing()).prop_map(|(lead, method, mut lines, framed)| {
        lines.extend(framed.lines);
        let head = format!("{lead}{method} /TARGET HTTP/1.1\r\n{}\r\n", lines.concat());
        ([head.into_bytes(), framed.body].concat(), framed.framing)
    })
}

/// A header without effect on the framing, however similar it looks.
fn header() -> impl Strategy<Value = String> {
    let names = [
        "X",
        "c",
        "Cookie",
        "Content-Lengt",
        "Content-Length-Was",
        "Transfer-Encodin",
        "Transfer-Encodings",
        "X-Content-Length",
        "Content_Length",
        "T",
        "Host",
    ];
    let values = [
        "",
        " 1",
        "\tchunked",
        " Content-Length: 9",
        ":Transfer-Encoding: chunked",
        " \u{ff}~",
    ];
    let ends = ["\r\n", "\n"];
    (
        select(names.to_vec()),
        select(values.to_vec()),
        select(ends.to_vec()),
    )
        .prop_map(|(name, value, end)| format!("{name}:{value}{end}"))
}

/// The headers that frame a body, in any order, and the body.
#[derive(Clone, Debug)]
struct Framed {
    lines: Vec<String>,
    body: Vec<u8>,
    framing: Framing,
}

fn framing() -> impl Strategy<Value = Framed> {
    prop_oneof![
        3 => Just(Framed { lines: vec![], body: vec![], framing: Framing::AsShown }),
        4 => (body(), any::<bool>()).prop_map(|(body, twice)| Framed {
            lines: vec![length(body.len()); 1 + usize::from(twice)],
            body,
            framing: Framing::AsShown,
        }),
        4 => (chunked(), option::of(Just("gzip, "))).prop_map(|(body, more)| Framed {
            lines: vec![coding(more.unwrap_or_default())],
            body,
            framing: Framing::AsShown,
        }),
        1 => (chunked(), any::<bool>(), 0..9_usize).prop_map(|(body, length_first, stated)| {
            let mut lines = vec![coding(""), length(stated)];
            if length_first {
                lines.reverse();
            }
            Framed { lines, body, framing: Framing::Both }
        }),
    ]
}

fn length(length: usize) -> String {
    format!("CONTENT-length: \t0{length} \r\n")
}

fn coding(more: &str) -> String {
    format!("transfer-ENCODING:{more}Chunked\n")
}

/// Bytes that a tracker out of step would parse as a head.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let texts = [
        "",
        "x",
        "\r\n",
        "\n\n",
        "GET /smuggled HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
        "0\r\n\r\n",
        "POST /smuggled HTTP/1.1\nTransfer-Encoding: chunked\n\n",
    ];
    vec(select(texts.to_vec()), 0..4).prop_map(|texts| texts.concat().into_bytes())
}

fn chunked() -> impl Strategy<Value = Vec<u8>> {
    let sizes = ["", " ", "\t ", ";a", ";a=\"b\"; c", " ;0"];
    let chunk = (body(), select(sizes.to_vec()), any::<bool>());
    let trailers = [
        "",
        "X: 1\r\n",
        "X: 1\r\nY:2\r\n",
        "Content-Length: 9\r\n",
        // hyper ends a trailer line with CRLF only; a head parser would end it earlier.
        "X: 1\n\nGET /smuggled HTTP/1.1\r\n",
        "X: 1\n\r\nGET /smuggled HTTP/1.1\r\n",
    ];
    (vec(chunk, 0..4), select(trailers.to_vec())).prop_map(|(chunks, trailers)| {
        let mut bytes = Vec::new();
        for (data, rest, upper) in chunks.iter().filter(|(data, ..)| !data.is_empty()) {
            let size = data.len();
            let size = if *upper {
                format!("{size:03X}")
            } else {
                format!("{size:x}")
            };
            bytes.extend([size.as_bytes(), rest.as_bytes(), b"\r\n", data, b"\r\n"].concat());
        }
        bytes.extend([b"0\r\n", trailers.as_bytes(), b"\r\n"].concat());
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn each_request_has_its_framing(
        requests in vec(request(), 1..6),
        shares in vec(any::<u16>(), 0..12),
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for (nth, (request, framing)) in requests.iter().enumerate() {
            let request = String::from_utf8(request.clone()).unwrap();
            bytes.extend(request.replace("TARGET", &nth.to_string()).into_bytes());
            expected.push((format!("/{nth}").parse().unwrap(), *framing));
        }
        // hyper reads no more after such a head.
        let last = expected.iter().position(|(_, framing)| *framing == Framing::Both);
        expected.truncate(last.map_or(expected.len(), |last| last + 1));
        prop_assert_eq!(serve(&cut(&bytes, &shares)).requests, expected);
    }

    /// For random bytes hyper itself is the reference: it ends a connection after a head that
    /// stated its length twice, and nothing else here makes it do so.
    #[test]
    fn framing_matches_hyper(
        fragments in vec(select(FRAGMENTS.to_vec()), 0..40),
        shares in vec(any::<u16>(), 0..6),
    ) {
        let served = serve(&cut(fragments.concat().as_bytes(), &shares));
        let response = String::from_utf8_lossy(&served.response);
        let heads: Vec<_> = response.split("x-note: ").skip(1).collect();
        // A broken body may discard a response that was not sent yet.
        prop_assert!(heads.len() <= served.requests.len() && served.requests.len() <= heads.len() + 1);
        let unknown = |(_, note): &(Uri, Framing)| *note == Framing::Unknown;
        prop_assert!(!served.requests.iter().any(unknown), "{fragments:?}");
        for (head, (target, framing)) in heads.iter().zip(&served.requests) {
            let head = head.split("\r\n\r\n").next().unwrap_or_default();
            let both = head.contains("connection: close");
            let found = if both { Framing::Both } else { Framing::AsShown };
            prop_assert_eq!(*framing, found, "{}: {:?}", target, fragments);
        }
    }
}

#[test]
fn other_protocol_is_not_tracked() {
    let upgrade = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for (http, other) in [
        (&upgrade[..], &b"\x81\x85\0\0\0\0hello"[..]),
        (upgrade, b"\x88\x80\0\0\0\0"),
        (preface, b"\0\0\x06\x04\0\0\0\0\0"),
    ] {
        let mut tracker = FramingTracker::new(Arc::default());
        tracker.scan(http);
        assert!(!tracker.is_lost());
        tracker.scan(other);
        assert!(tracker.is_lost(), "{other:?}");
    }
}

const FRAGMENTS: [&str; 24] = [
    "GET / HTTP/1.1\r\n",
    "GET / HTTP/1.1\r\n",
    "GET / HTTP/1.1\n",
    "GET / HTTP/1.1\r\n\r\n",
    "\r\n",
    "\r\n",
    "\r\n",
    "\n",
    "\r",
    "0\r\n\r\n",
    "0\r\n",
    "3\r\nabc\r\n",
    "3;x\r\n",
    "Content-Length: 3\r\n",
    "Content-Length: 3\n",
    "Content-Length: 0\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\n",
    "X: 1\r\n",
    "X: 1\n",
    " ",
    "abc",
    "Content-Length",
    ":",
];
