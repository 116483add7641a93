//! Log lines of every kind of event: nothing that a client writes is outside of quotes.

#![allow(clippy::unwrap_used, reason = "a failed step must end the test")]

mod events;

use std::{
    io,
    sync::{Arc, Mutex},
};

use gabion_core::{Event, EventClass, Sink};
use gabion_sinks::Tracing;

use crate::events::{Written, every_event};

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that a formatter of `tracing-subscriber` writes of `event`.
fn logged(event: &Event) -> String {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || Tracing::default().record(event));
    let bytes = buffer.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

/// The text of a line outside of double quotes.
fn unquoted(line: &str) -> String {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let outside = line.chars().filter(|&char| {
        is_quoted ^= char == '"' && !is_escaped;
        is_escaped = char == '\\' && !is_escaped;
        !is_quoted
    });
    outside.collect()
}

#[test]
fn nothing_that_a_client_writes_is_outside_of_quotes_or_raw() {
    let written = Written {
        method: "FORGED".to_owned(),
        target: "/FORGED?FORGED=1".to_owned(),
        text: "FORGED\" FORGED=1 \x1b[2J\nFORGED \u{202e}".to_owned(),
    };
    let mut quoted = 0;
    for event in every_event(&written) {
        let line = logged(&event);
        if event.class() == EventClass::Policy {
            continue; // Documents and setups are not written by clients.
        }
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(!unquoted(&line).contains("FORGED"), "{line}");
        assert!(
            !line.contains('\x1b') && !line.contains('\u{202e}'),
            "{line}"
        );
        quoted += usize::from(line.contains("FORGED"));
        if event.class() == EventClass::Upstream {
            continue; // It is about a server.
        }
        // A tool that does not know quotes takes the first field of a name.
        let who = line
            .split_once("client=")
            .or_else(|| line.split_once("peer="));
        let (_, who) = who.expect("a client or a peer");
        assert!(who.starts_with("203.0.113.9"), "{line}");
    }
    assert!(quoted >= 12, "the text arrives in {quoted} events only");
}
