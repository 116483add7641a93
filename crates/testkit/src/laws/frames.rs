//! Laws of frames.

use std::{
    io::{self, Read, Write},
    sync::Arc,
    time::Duration,
};

use gabion_frames::{
    Depth, Kind, Limits, MessageKind, Negotiated, Observer, Role, Seen, Violation,
};
use tokio_tungstenite::tungstenite::{
    Error, Message, WebSocket,
    protocol::{self, WebSocketConfig},
};

/// [`frames_of`], the terms of which two bytes at the front choose.
///
/// # Panics
///
/// Where a law is broken.
pub fn frames(input: &[u8]) {
    let Some(([terms, cut], sent)) = input.split_first_chunk() else {
        return;
    };
    let role = if terms & 1 == 0 {
        Role::Server
    } else {
        Role::Client
    };
    let depth = match terms >> 1 & 3 {
        0 => Depth::Headers,
        1 => Depth::Text,
        _ => Depth::Messages,
    };
    let extensions: &[u8] = match terms >> 3 & 3 {
        0 => b"permessage-deflate",
        1 => b"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        _ => b"",
    };
    let negotiated = Negotiated::from_header([extensions]).expect("legal extensions");
    frames_of(sent, role, depth, negotiated, usize::from(*cut).max(1));
}

/// Watching any bytes ends without a panic, and
/// 1. the steps' bytes are the input, up to the step that finds a violation;
/// 2. however the bytes are cut, the same is seen, and the same violation found;
/// 3. a violation stands;
/// 4. where messages are read and not compressed, tungstenite reads the same ones, and refuses what
///    is refused here.
///
/// tungstenite is laxer in three things: it takes lengths in more bytes than they need, closes with
/// any code, and is done at a close frame. It takes 1014 for a code that is not sent and shows
/// another, so codes are not compared.
///
/// # Panics
///
/// Where a law is broken.
pub fn frames_of(sent: &[u8], role: Role, depth: Depth, negotiated: Negotiated, cut: usize) {
    let whole = watch(&[sent], role, depth, negotiated);
    let pieces: Vec<_> = sent.chunks(cut).collect();
    let cut = watch(&pieces, role, depth, negotiated);
    assert_eq!(whole, cut, "2: {}", sent.escape_ascii());
    if depth == Depth::Messages && negotiated == Negotiated::NONE {
        agrees(sent, role, &whole);
    }
}

/// More than a frame may hold, so that a frame that is refused by its head can be completed.
const MOST: usize = 4096;

fn limits() -> Limits {
    let most = MOST as u64;
    Limits::new()
        .with_max_frame(most)
        .with_max_message(most)
        .with_max_fragments(u32::MAX)
}

/// What is seen of messages and control frames, each in a spelling of its own, and how it ended.
type SessionIo = (Vec<String>, Option<Violation>);

fn watch(pieces: &[&[u8]], role: Role, depth: Depth, negotiated: Negotiated) -> SessionIo {
    let mut observer = Observer::new(role, Arc::new(limits()), negotiated, depth);
    let mut seen = Vec::new();
    for piece in pieces {
        let (mut rest, mut handed) = (*piece, 0);
        loop {
            match observer.watch(&mut rest, Duration::ZERO) {
                Ok(Some(step)) => {
                    let own = piece.get(handed..handed + step.bytes.len());
                    assert_eq!(own, Some(step.bytes), "1");
                    handed += step.bytes.len();
                    seen.extend(step.seen.and_then(|what| spell(&what)));
                }
                Ok(None) => break,
                Err(violation) => {
                    let again = observer.watch(&mut &b"\x81\x00"[..], Duration::ZERO);
                    assert_eq!(again.err(), Some(violation), "3");
                    return (seen, Some(violation));
                }
            }
        }
        assert_eq!(handed, piece.len(), "1: {}", piece.escape_ascii());
    }
    (seen, None)
}

fn spell(seen: &Seen<'_>) -> Option<String> {
    Some(match *seen {
        Seen::Frame { .. } => return None,
        Seen::Message {
            kind: MessageKind::Text,
            payload,
            ..
        } => format!("text {}", payload.escape_ascii()),
        Seen::Message { payload, .. } => format!("binary {}", payload.escape_ascii()),
        Seen::Ping(payload) => format!("ping {}", payload.escape_ascii()),
        Seen::Pong(payload) => format!("pong {}", payload.escape_ascii()),
        Seen::Close { .. } => String::from("close"),
    })
}

/// 4.
fn agrees(sent: &[u8], role: Role, (seen, violation): &SessionIo) {
    let lax = |kind| {
        matches!(
            kind,
            Kind::LengthNotMinimal(_) | Kind::BadCloseCode(_) | Kind::AfterClose
        )
    };
    let mut completed = sent.to_vec();
    if violation.is_some() {
        completed.resize(sent.len() + MOST + 16, 0);
    }
    let (theirs, refused) = tungstenite(&completed, role);
    match violation.map(|violation| violation.kind()) {
        Some(kind) if lax(kind) => assert!(theirs.starts_with(seen), "4: {theirs:?} {seen:?}"),
        Some(kind) => {
            assert!(
                refused,
                "4: tungstenite takes {kind:?}: {}",
                sent.escape_ascii()
            );
            assert_eq!(theirs, *seen, "4: {}", sent.escape_ascii());
        }
        None => {
            assert!(!refused, "4: tungstenite refuses {}", sent.escape_ascii());
            assert_eq!(theirs, *seen, "4: {}", sent.escape_ascii());
        }
    }
}

/// What tungstenite reads, and whether it refuses what comes then.
fn tungstenite(sent: &[u8], role: Role) -> (Vec<String>, bool) {
    let role = match role {
        Role::Client => protocol::Role::Server,
        Role::Server => protocol::Role::Client,
    };
    let config = WebSocketConfig::default()
        .max_frame_size(Some(MOST))
        .max_message_size(Some(MOST));
    let mut socket = WebSocket::from_raw_socket(Tape(sent), role, Some(config));
    let mut seen = Vec::new();
    loop {
        seen.push(match socket.read() {
            Ok(Message::Text(text)) => format!("text {}", text.as_bytes().escape_ascii()),
            Ok(Message::Binary(bytes)) => format!("binary {}", bytes.escape_ascii()),
            Ok(Message::Ping(bytes)) => format!("ping {}", bytes.escape_ascii()),
            Ok(Message::Pong(bytes)) => format!("pong {}", bytes.escape_ascii()),
            Ok(Message::Close(_)) => {
                seen.push(String::from("close"));
                return (seen, false);
            }
            Ok(Message::Frame(_)) => panic!("tungstenite reads no raw frames"),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return (seen, false);
            }
            Err(_) => return (seen, true),
        });
    }
}

/// Gives what was sent, then waits for ever; what is written falls.
struct Tape<'t>(&'t [u8]);

impl Read for Tape<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.read(into)
    }
}

impl Write for Tape<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
