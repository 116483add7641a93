//! The size of the request body.

use gabion_core::{Denial, Facts, KnownHeader, Upgrade};
use http::{HeaderValue, StatusCode, Version};

use super::deny;

/// Denies an announced body of more than `most` bytes (RFC 9110, section 15.5.14).
pub(super) fn announced(facts: &Facts<'_>, most: u64) -> Option<Denial> {
    let length = facts.index.first(KnownHeader::ContentLength)?;
    // Other checks deny a length that is not a number; one beyond `u64` is larger, too.
    let bytes = length.to_str().ok().and_then(|text| text.parse().ok());
    (bytes.unwrap_or(u64::MAX) > most).then(|| too_large(length))
}

fn too_large(length: &HeaderValue) -> Denial {
    let why = "body larger than max_body in [protocol]";
    let status = StatusCode::PAYLOAD_TOO_LARGE;
    deny("body/large", why, status).with_evidence(length.as_bytes())
}

/// Returns `true` if a request may have a body of unknown length. What follows the head of a WebSocket
/// handshake is no body.
pub(super) fn is_streamed(facts: &Facts<'_>) -> bool {
    let may_have_body =
        facts.version >= Version::HTTP_2 || facts.index.contains(KnownHeader::TransferEncoding);
    may_have_body
        && facts.upgrade != Upgrade::WebSocket
        && !facts.index.contains(KnownHeader::ContentLength)
}

#[cfg(test)]
mod tests {
    use gabion_core::{
        BodyLimit, ClientRules, Facts, Inspect as _, RequestState, Upgrade, Verdict,
    };
    use gabion_testkit::OwnedHead;
    use http::{Request, Version};

    use crate::{Config as _, Context, ProtocolConfig, ProtocolRules, State};

    fn compile(text: &str) -> ProtocolRules {
        let config: ProtocolConfig = toml::from_str(text).unwrap();
        config.compile(&Context::new(&State::scratch())).unwrap()
    }

    /// The rule that denies a head, if any, and the limit of its body.
    fn limit(protocol: &ProtocolRules, head: &OwnedHead) -> (Option<String>, Option<u64>) {
        limit_of(protocol, &head.facts(&ClientRules::default()))
    }

    fn limit_of(protocol: &ProtocolRules, facts: &Facts<'_>) -> (Option<String>, Option<u64>) {
        let mut state = RequestState::new(facts);
        let denied = match protocol.inspect(facts, &mut state) {
            Verdict::Deny(denial) => {
                assert_eq!(denial.status, 413);
                Some(denial.cause.rule.to_string())
            }
            _ => None,
        };
        (denied, state.body_limit().map(BodyLimit::bytes))
    }

    #[test]
    fn body_is_limited_by_its_length_or_on_its_way() {
        let post = || OwnedHead::get("/a").method("POST");
        let http2 = || {
            let request = Request::post("/a").version(Version::HTTP_2);
            OwnedHead::from_request(request.body(()).unwrap()).host("localhost")
        };
        let length = |bytes: &str| post().header("content-length", bytes);
        let large = || Some("body/large".to_owned());
        for (head, expected) in [
            (post(), (None, None)),
            (length("10"), (None, None)),
            (length("11"), (large(), None)),
            (http2().header("content-length", "11"), (large(), None)),
            (length("99999999999999999999"), (large(), None)),
            (
                post().header("transfer-encoding", "chunked"),
                (None, Some(10)),
            ),
            (http2(), (None, Some(10))),
        ] {
            let found = limit(&compile("max_body = '10B'"), &head);
            assert_eq!(found, expected, "{head:?}");
            let unlimited = limit(&ProtocolRules::default(), &head);
            assert_eq!(unlimited, (None, None), "{head:?}");
            for exempt in [
                "off = ['body/large']",
                "observe = ['body/large']",
                "[[except]]\npaths = '/a'\noff = ['body/large']",
            ] {
                let exempting = compile(&format!("max_body = '10B'\n{exempt}"));
                assert_eq!(limit(&exempting, &head), (None, None), "{exempt}");
            }
        }
    }

    #[test]
    fn websocket_over_http2_has_no_body() {
        let request = Request::connect("/ws").version(Version::HTTP_2);
        let head = OwnedHead::from_request(request.body(()).unwrap()).host("localhost");
        let head = head.header("sec-websocket-version", "13");
        let mut facts = head.facts(&ClientRules::default());
        facts.upgrade = Upgrade::WebSocket;
        let found = limit_of(&compile("max_body = '10B'"), &facts);
        assert_eq!(found, (None, None));
    }
}
