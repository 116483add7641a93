//! The subprotocols and extensions of a WebSocket handshake, and the check of the upstream's
//! selection.
//!
//! A response passes if:
//! 1. it selects at most one subprotocol, and one that was offered (RFC 6455, 4.1);
//! 2. it accepts no extension that was not offered, and none twice (RFC 6455, 9.1);
//! 3. the parameters of `permessage-deflate` are valid in a response (RFC 7692, 7.1).
//!
//! Parameters of other extensions are not checked.

use gabion_core::{Evidence, tokens};
use http::{
    HeaderMap,
    header::{SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL},
};

use super::error::UpstreamError;

const DEFLATE: &[u8] = b"permessage-deflate";

/// The subprotocol and extension headers that a client offered.
#[derive(Debug)]
pub(super) struct HandshakeOffer(HeaderMap);

// === impl HandshakeOffer ===

impl HandshakeOffer {
    /// Copies the headers of a handshake request.
    pub(super) fn from_headers(request: &HeaderMap) -> Self {
        let mut offered = HeaderMap::new();
        for name in [SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_EXTENSIONS] {
            for line in request.get_all(&name) {
                offered.append(&name, line.clone());
            }
        }
        Self(offered)
    }

    /// Returns an error if a response selects something that was not offered.
    pub(super) fn check_response(&self, response: &HeaderMap) -> Result<(), UpstreamError> {
        self.check_subprotocol(response)?;
        self.check_extensions(response)
    }

    fn check_subprotocol(&self, response: &HeaderMap) -> Result<(), UpstreamError> {
        let is_offered = |granted: &[u8]| {
            let mut offered = tokens(&self.0, &SEC_WEBSOCKET_PROTOCOL);
            offered.any(|token| token == granted)
        };
        let mut granted = response.get_all(SEC_WEBSOCKET_PROTOCOL).iter().enumerate();
        match granted.find(|(idx, line)| *idx > 0 || !is_offered(line.as_bytes())) {
            Some((_, wrong)) => {
                let wrong = Evidence::new(wrong.as_bytes());
                Err(UpstreamError::WrongSubprotocol(wrong))
            }
            None => Ok(()),
        }
    }

    fn check_extensions(&self, response: &HeaderMap) -> Result<(), UpstreamError> {
        let mut granted: Vec<&[u8]> = Vec::new();
        for extension in tokens(response, &SEC_WEBSOCKET_EXTENSIONS) {
            let (name, params) = split(extension);
            let is_first = !granted.iter().any(|other| other.eq_ignore_ascii_case(name));
            let offered = self.extensions(name).next().is_some();
            let valid = !name.eq_ignore_ascii_case(DEFLATE) || self.is_valid_deflate(params);
            if !(is_first && offered && valid) {
                let wrong = Evidence::new(extension);
                return Err(UpstreamError::WrongExtension(wrong));
            }
            granted.push(name);
        }
        Ok(())
    }

    /// Returns the parameters of each offer of an extension.
    fn extensions(&self, name: &[u8]) -> impl Iterator<Item = &[u8]> {
        tokens(&self.0, &SEC_WEBSOCKET_EXTENSIONS)
            .map(split)
            .filter(move |(offered, _)| offered.eq_ignore_ascii_case(name))
            .map(|(_, params)| params)
    }

    fn is_valid_deflate(&self, granted: &[u8]) -> bool {
        let mut seen: Vec<&[u8]> = Vec::new();
        params(granted).all(|(name, value)| {
            let is_first = !seen.contains(&name);
            seen.push(name);
            is_first
                && match (name, value) {
                    (b"client_no_context_takeover" | b"server_no_context_takeover", None) => true,
                    (b"server_max_window_bits", Some(bits)) => is_window_bits(bits),
                    // RFC 7692, 7.1.2.2: only if the client offered this parameter.
                    (b"client_max_window_bits", Some(bits)) => {
                        is_window_bits(bits) && self.offers_client_window()
                    }
                    _ => false,
                }
        })
    }

    fn offers_client_window(&self) -> bool {
        self.extensions(DEFLATE)
            .flat_map(params)
            .any(|(name, _)| name == b"client_max_window_bits")
    }
}

/// Splits an extension into its name and the rest.
fn split(extension: &[u8]) -> (&[u8], &[u8]) {
    let end = extension.iter().position(|&byte| byte == b';');
    let (name, params) = extension.split_at(end.unwrap_or(extension.len()));
    (name.trim_ascii(), params)
}

/// Parses parameters, each after its `;`, with their values unquoted.
fn params(text: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    let texts = text.split(|&byte| byte == b';').skip(1);
    texts.map(|text| match text.iter().position(|&byte| byte == b'=') {
        Some(at) => (text[..at].trim_ascii(), Some(unquote(&text[at + 1..]))),
        None => (text.trim_ascii(), None),
    })
}

fn unquote(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii();
    let inner = value.strip_prefix(b"\"");
    inner
        .and_then(|rest| rest.strip_suffix(b"\""))
        .unwrap_or(value)
}

/// RFC 7692, 7.1.2.1: 8 to 15, without a leading zero.
fn is_window_bits(bits: &[u8]) -> bool {
    matches!(
        bits,
        b"8" | b"9" | b"10" | b"11" | b"12" | b"13" | b"14" | b"15"
    )
}

#[cfg(test)]
mod tests {
    use gabion_testkit::rows;
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn lines(name: &HeaderName, text: &str) -> HeaderMap {
        let lines = text.split(" | ").filter(|line| *line != "-");
        let line = |line| (name.clone(), HeaderValue::from_str(line).unwrap());
        lines.map(line).collect()
    }

    #[test]
    fn only_offered_values_are_accepted() {
        for row in rows(include_str!("../../testdata/granted.tsv")) {
            let [header, offered, granted, expected] = row[..] else {
                unreachable!("the table has four columns")
            };
            let (name, refused) = match header {
                "protocol" => (SEC_WEBSOCKET_PROTOCOL, "subprotocol"),
                "extensions" => (SEC_WEBSOCKET_EXTENSIONS, "extension"),
                other => panic!("no header {other}"),
            };
            let offer = HandshakeOffer::from_headers(&lines(&name, offered));
            let got = match offer.check_response(&lines(&name, granted)) {
                Ok(()) => "ok",
                Err(UpstreamError::WrongSubprotocol(_)) => "subprotocol",
                Err(UpstreamError::WrongExtension(_)) => "extension",
                Err(other) => panic!("{other}"),
            };
            let expected = match expected {
                "refused" => refused,
                other => other,
            };
            assert_eq!(got, expected, "{row:?}");
        }
    }

    #[test]
    fn error_contains_the_rejected_value() {
        let nothing = HandshakeOffer::from_headers(&HeaderMap::new());
        for (name, granted, named) in [
            (SEC_WEBSOCKET_PROTOCOL, "ch\"at", r"ch\x22at"),
            (SEC_WEBSOCKET_EXTENSIONS, "x-a; b, x-c", "x-a; b"),
        ] {
            let error = nothing.check_response(&lines(&name, granted)).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(&format!("\"{named}\"")), "{error}");
        }
    }
}
