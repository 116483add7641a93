//! Responses that are streams of events.

use gabion_core::{HeaderIndex, KnownHeader};
use http::{HeaderMap, header::CONTENT_TYPE};

use std::sync::Arc;

use super::exchange::Exchange;
use crate::{
    engine::Engine,
    websocket::{EventStream, SessionPermit},
};

/// The media type that a browser's `EventSource` accepts and receives (HTML, 9.2).
const EVENT_STREAM: &[u8] = b"text/event-stream";

/// Other media types of responses that are sent in pieces and may never end.
const STREAM_TYPES: [&[u8]; 3] = [
    b"multipart/x-mixed-replace",
    b"application/x-ndjson",
    b"application/grpc",
];

/// The path of a stream whose request did not accept `text/event-stream`. A rule that denies this
/// path denies every path.
const UNKNOWN_PATH: &str = "/";

/// Returns `true` if the request accepts server-sent events.
pub(super) fn is_accepted(headers: &HeaderIndex<'_>) -> bool {
    // The search for a dash is cheaper than parsing, and most requests accept no type with a dash.
    let mut lines = headers.lines(KnownHeader::Accept);
    lines.any(|line| memchr::memchr(b'-', line).is_some())
        && (headers.tokens(KnownHeader::Accept)).any(|range| is_media_type(range, EVENT_STREAM))
}

/// Returns `true` if the response is a stream of events.
fn is_stream(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|media_type| {
        let media_type = media_type.as_bytes();
        is_media_type(media_type, EVENT_STREAM)
            || STREAM_TYPES
                .iter()
                .any(|stream_type| is_media_type(media_type, stream_type))
    })
}

/// Returns `true` if `found` is `media_type`, with or without a suffix or parameters.
fn is_media_type(found: &[u8], media_type: &[u8]) -> bool {
    let found = found.trim_ascii_start();
    let Some((head, rest)) = found.split_at_checked(media_type.len()) else {
        return false;
    };
    let is_end = matches!(rest.first(), None | Some(b';' | b'+' | b' ' | b'\t'));
    head.eq_ignore_ascii_case(media_type) && is_end
}

impl Engine {
    /// Registers a response that is a stream of events, so that it ends when its client is banned.
    pub(super) fn event_stream(
        self: &Arc<Self>,
        exchange: &Exchange,
        headers: &HeaderMap,
    ) -> Option<EventStream> {
        if self.sessions.is_none() || !is_stream(headers) {
            return None;
        }
        let path = exchange.stream_path().unwrap_or(UNKNOWN_PATH);
        let (client, generation) = (*exchange.state.client(), exchange.generation);
        let permit = SessionPermit::for_stream(self, client, path, generation)?;
        // A ban or policy change since the judgment reached registered sessions only.
        self.recheck(permit.session());
        Some(EventStream::new(permit))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, header::ACCEPT};

    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn streams_are_recognized_by_media_type() {
        for (media_type, stream) in [
            ("text/event-stream", true),
            ("Text/Event-Stream; charset=utf-8", true),
            ("multipart/x-mixed-replace;boundary=x", true),
            ("application/x-ndjson", true),
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc-web", false),
            ("text/event-streams", false),
            ("text/html", false),
            ("", false),
        ] {
            assert_eq!(
                is_stream(&headers(CONTENT_TYPE, media_type)),
                stream,
                "{media_type}"
            );
        }
        assert!(!is_stream(&HeaderMap::new()));
    }

    #[test]
    fn event_stream_is_accepted_only_by_name() {
        for (accept, events) in [
            ("text/event-stream", true),
            ("application/json, text/event-stream;q=0.5", true),
            ("*/*", false),
        ] {
            let headers = headers(ACCEPT, accept);
            let found = is_accepted(&HeaderIndex::new(&headers));
            assert_eq!(found, events, "{accept}");
        }
    }
}
