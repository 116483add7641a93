//! Test vectors: the results for given bytes, however they are cut.

use std::{sync::Arc, time::Duration};

use gabion_frames::{Limits, MessageDecoding, MessageKind, Negotiated, Observer, Role, Seen};
use gabion_testkit::rows;

#[test]
fn frames_match_the_vectors() {
    check_all(include_str!("../../testdata/frames.tsv"));
}

#[test]
fn compressed_messages_match_the_vectors() {
    check_all(include_str!("../../testdata/deflate.tsv"));
}

#[track_caller]
fn check_all(table: &str) {
    for row in rows(table) {
        let [case, role, decoding, extensions, sent, seen] = row[..] else {
            panic!("six fields in {row:?}")
        };
        let new = || observer(role, decoding, extensions);
        let sent = bytes(sent);
        assert_eq!(watch(new(), &[&sent]), seen, "{case}");
        if sent.len() > 70_000 {
            let pieces: Vec<_> = sent.chunks(4093).collect();
            assert_eq!(watch(new(), &pieces), seen, "{case}, in pieces");
            continue;
        }
        let each: Vec<_> = sent.chunks(1).collect();
        assert_eq!(watch(new(), &each), seen, "{case}, byte by byte");
        for at in 0..sent.len().min(300) {
            let (before, after) = sent.split_at(at);
            assert_eq!(watch(new(), &[before, after]), seen, "{case}, cut at {at}");
        }
    }
}

/// The observer, and whether the row lists frames.
fn observer(role: &str, decoding: &str, extensions: &str) -> (Observer, bool) {
    let role = match role {
        "client" => Role::Client,
        "server" => Role::Server,
        _ => panic!("no role {role}"),
    };
    let decoding = match decoding {
        "headers" => MessageDecoding::None,
        "text" => MessageDecoding::Text,
        "messages" => MessageDecoding::All,
        _ => panic!("unknown decoding {decoding}"),
    };
    let lines = (extensions != "-").then_some(extensions.as_bytes());
    let negotiated = Negotiated::from_header(lines).unwrap();
    let limits = Arc::new(Limits::new().with_max_ratio(100, Limits::RATIO_FLOOR));
    let observer = Observer::new(role, limits, negotiated, decoding);
    (observer, decoding == MessageDecoding::None)
}

/// Parses hexadecimal words such as `0a0b` and `61*126`, separated by spaces.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in text.split(' ') {
        let (digits, times) = word.split_once('*').unwrap_or((word, "1"));
        let pairs = digits.as_bytes().chunks(2);
        let part: Vec<_> = pairs
            .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        bytes.extend(part.repeat(times.parse().unwrap()));
    }
    bytes
}

fn watch((mut observer, frames): (Observer, bool), pieces: &[&[u8]]) -> String {
    let mut seen = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        loop {
            match observer.watch(&mut rest, Duration::ZERO) {
                Ok(Some(observation)) => {
                    seen.extend(observation.seen.and_then(|seen| format_seen(&seen, frames)));
                }
                Ok(None) => break,
                Err(violation) => {
                    let (id, code) = (violation.kind().id(), violation.code());
                    seen.push(format!("! {id} {code}"));
                    return seen.join(" | ");
                }
            }
        }
    }
    seen.join(" | ")
}

fn format_seen(seen: &Seen<'_>, frames: bool) -> Option<String> {
    let short = |bytes: &[u8]| match bytes.len() {
        0..=16 => format!(" {}", bytes.escape_ascii()),
        len => format!("[{len}]"),
    };
    Some(match *seen {
        Seen::Frame { opcode, fin, len } => {
            let data = !opcode.is_control() && fin;
            return frames.then(|| format!("{opcode:?} {len}{}", if data { "." } else { "" }));
        }
        Seen::Message {
            kind: MessageKind::Text,
            payload,
            ..
        } => format!("text{}", short(payload)),
        Seen::Message { payload, .. } => format!("binary{}", short(payload)),
        Seen::Ping(payload) => format!("ping{}", short(payload)),
        Seen::Pong(payload) => format!("pong{}", short(payload)),
        Seen::Close { code: None, .. } => String::from("close -"),
        Seen::Close {
            code: Some(code),
            reason,
        } => format!("close {code} {}", reason.as_bytes().escape_ascii())
            .trim_end()
            .to_owned(),
    })
}
