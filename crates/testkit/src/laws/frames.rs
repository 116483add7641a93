//! Laws of WebSocket frames.

use std::{
    io::{self, Read, Write},
    sync::Arc,
    time::Duration,
};

use gabion_frames::{
    BufferBudget, Kind, Limits, MessageDecoding, MessageKind, Negotiated, Observer, Role, Seen,
    Violation,
};
use tokio_tungstenite::tungstenite::{
    Error, Message, WebSocket,
    protocol::{self, WebSocketConfig},
};

/// Checks [`frames_with`], with parameters from the first two bytes of `input`.
///
/// # Panics
///
/// Panics if a law is broken.
pub fn frames(input: &[u8]) {
    let Some(([terms, cut], sent)) = input.split_first_chunk() else {
        return;
    };
    let role = if terms & 1 == 0 {
        Role::Server
    } else {
        Role::Client
    };
    let decoding = match terms >> 1 & 3 {
        0 => MessageDecoding::None,
        1 => MessageDecoding::Text,
        _ => MessageDecoding::All,
    };
    let extensions: &[u8] = match terms >> 3 & 3 {
        0 => b"permessage-deflate",
        1 => b"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        _ => b"",
    };
    let negotiated = Negotiated::from_header([extensions]).expect("legal extensions");
    frames_with(sent, role, decoding, negotiated, usize::from(*cut).max(1));
}

/// Checks that an [`Observer`] does not panic for any bytes, and that
/// 1. the bytes of all steps together are the input, up to the step that finds a violation;
/// 2. observations and the violation do not depend on how the bytes are split;
/// 3. after a violation, the observer returns the same violation again;
/// 4. for uncompressed messages, tungstenite reads the same messages and rejects the same input;
/// 5. the memory of messages under decoding is returned to its budget.
///
/// tungstenite is more lenient in three ways: it accepts lengths in more bytes than necessary, accepts any
/// close code, and stops at a close frame. It replaces close code 1014 by another, so codes are not
/// compared.
///
/// # Panics
///
/// Panics if a law is broken.
pub fn frames_with(
    sent: &[u8],
    role: Role,
    decoding: MessageDecoding,
    negotiated: Negotiated,
    cut: usize,
) {
    let whole = watch(&[sent], role, decoding, negotiated);
    let pieces: Vec<_> = sent.chunks(cut).collect();
    let cut = watch(&pieces, role, decoding, negotiated);
    assert_eq!(whole, cut, "2: {}", sent.escape_ascii());
    if decoding == MessageDecoding::All && negotiated == Negotiated::NONE {
        agrees_with_tungstenite(sent, role, &whole);
    }
}

/// The maximum size of a frame and of a message, in bytes.
const MAX: usize = 4096;

fn limits() -> Limits {
    let max = MAX as u64;
    Limits::new()
        .with_max_frame(max)
        .with_max_message(max)
        .with_max_fragments(u32::MAX)
}

/// The observed messages and control frames, formatted, and the violation that ended the input.
type Observed = (Vec<String>, Option<Violation>);

fn watch(
    pieces: &[&[u8]],
    role: Role,
    decoding: MessageDecoding,
    negotiated: Negotiated,
) -> Observed {
    let budget = Arc::new(BufferBudget::default());
    let limits = Arc::new(limits().with_budget(Arc::clone(&budget), u64::MAX));
    let observed = watch_with(
        &mut Observer::new(role, limits, negotiated, decoding),
        pieces,
    );
    assert_eq!(budget.used(), 0, "5");
    observed
}

fn watch_with(observer: &mut Observer, pieces: &[&[u8]]) -> Observed {
    let mut seen = Vec::new();
    for piece in pieces {
        let (mut rest, mut handed) = (*piece, 0);
        loop {
            match observer.watch(&mut rest, Duration::ZERO) {
                Ok(Some(step)) => {
                    let own = piece.get(handed..handed + step.bytes.len());
                    assert_eq!(own, Some(step.bytes), "1");
                    handed += step.bytes.len();
                    seen.extend(step.seen.and_then(|what| format_seen(&what)));
                    if step.inflated > 0 {
                        seen.push(format!("inflated by {}", step.inflated));
                    }
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

fn format_seen(seen: &Seen<'_>) -> Option<String> {
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

/// Checks law 4.
fn agrees_with_tungstenite(sent: &[u8], role: Role, (seen, violation): &Observed) {
    let is_lenient = |kind| {
        matches!(
            kind,
            Kind::LengthNotMinimal(_) | Kind::BadCloseCode(_) | Kind::AfterClose
        )
    };
    let mut completed = sent.to_vec();
    if violation.is_some() {
        // tungstenite rejects some frames only when they are complete.
        completed.resize(sent.len() + MAX + 16, 0);
    }
    let (theirs, refused) = tungstenite(&completed, role);
    match violation.map(|violation| violation.kind()) {
        Some(kind) if is_lenient(kind) => {
            assert!(theirs.starts_with(seen), "4: {theirs:?} {seen:?}");
        }
        Some(kind) => {
            assert!(
                refused,
                "4: tungstenite accepts {kind:?}: {}",
                sent.escape_ascii()
            );
            assert_eq!(theirs, *seen, "4: {}", sent.escape_ascii());
        }
        None => {
            assert!(!refused, "4: tungstenite rejects {}", sent.escape_ascii());
            assert_eq!(theirs, *seen, "4: {}", sent.escape_ascii());
        }
    }
}

/// Returns the messages that tungstenite reads, and `true` if it rejects the rest of the input.
fn tungstenite(sent: &[u8], role: Role) -> (Vec<String>, bool) {
    let role = match role {
        Role::Client => protocol::Role::Server,
        Role::Server => protocol::Role::Client,
    };
    let config = WebSocketConfig::default()
        .max_frame_size(Some(MAX))
        .max_message_size(Some(MAX));
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

/// A stream that returns the bytes, then `WouldBlock`, and discards everything written to it.
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
