//! The page that a browser gets for a denied request.
//!
//! It shows the status, one sentence, and the event id to quote to the operator. Like [`BriefReply`]
//! it never shows the rule or the bytes that matched, which would help an attacker.

use std::{
    fmt::{self, Write as _},
    sync::LazyLock,
};

use axum::body::Bytes;
use gabion::{
    event::Diagnosis,
    inspect::{BriefReply, Denial, Facts, HeaderIndex, KnownHeader, Reply},
};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS,
    },
};

const TEMPLATE: &str = include_str!("denied.html");

/// Allows the page's own style, by its hash (CSP Level 3, 6.7.3.3), and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'sha256-BF28rbuq/0Sg+U4UsY8eIgiMrpDJZHueXOMCWrpoicA='; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// A [`Reply`] with an HTML page where `Accept` prefers HTML, as browsers do; otherwise
/// [`BriefReply`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeniedPage;

/// A part of the page.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// Text of the template.
    Text(&'static str),
    /// The status code and its reason.
    Status,
    /// A sentence for visitors.
    Sentence,
    /// The event id, and what is wrong with a WebSocket handshake.
    Details,
}

/// The placeholders of the template.
const PLACEHOLDERS: [(&str, Part); 3] = [
    ("{status}", Part::Status),
    ("{sentence}", Part::Sentence),
    ("{details}", Part::Details),
];

/// The parts of the template, in order: a page is written without a search for placeholders, also in what it inserts.
static PARTS: LazyLock<Vec<Part>> = LazyLock::new(|| parts(TEMPLATE));

/// The headers of each page, copied as a whole: to insert each one hashes its name.
static HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    headers.into_iter().collect()
});

/// The number of bytes reserved for what a page inserts: two statuses, a sentence, and an event id.
const INSERTED: usize = 512;

/// A writer that escapes text for an HTML element or a quoted attribute.
struct Escaped<'p>(&'p mut String);

// === impl DeniedPage ===

impl Reply for DeniedPage {
    fn reply(&self, denial: &Denial, facts: &Facts<'_>) -> Response<Bytes> {
        if !prefers_html(&facts.index) {
            return BriefReply.reply(denial, facts);
        }
        let mut response = Response::new(page(denial, facts).into());
        *response.status_mut() = denial.status;
        *response.headers_mut() = HEADERS.clone();
        if denial.status == StatusCode::METHOD_NOT_ALLOWED {
            // RFC 9110, 15.5.6: the response must list the allowed methods.
            let methods = BriefReply.reply(denial, facts).headers_mut().remove(ALLOW);
            response
                .headers_mut()
                .extend(methods.map(|methods| (ALLOW, methods)));
        }
        response
    }
}

/// Returns `true` if HTML is the media type with the highest weight in `Accept`; of equal weights
/// the first counts (RFC 9110, 12.5.1). Wildcards express no preference.
fn prefers_html(headers: &HeaderIndex<'_>) -> bool {
    let mut preferred = (false, 0.0);
    for range in headers.tokens(KnownHeader::Accept) {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let kind = parts.next().unwrap_or_default();
        let weight = parts.find_map(weight).unwrap_or(1.0);
        if weight > preferred.1 && !kind.is_empty() && !kind.ends_with(b"/*") {
            let mut html = [&b"text/html"[..], b"application/xhtml+xml"].into_iter();
            preferred = (html.any(|html| kind.eq_ignore_ascii_case(html)), weight);
        }
        // The highest weight there is: no later range has a higher one.
        if preferred.1 >= 1.0 {
            break;
        }
    }
    preferred.0
}

/// Parses a parameter if it is a weight (RFC 9110, 12.4.2).
fn weight(parameter: &[u8]) -> Option<f32> {
    let [b'q' | b'Q', b'=', value @ ..] = parameter else {
        return None;
    };
    str::from_utf8(value).ok()?.parse().ok()
}

/// Splits a template at its placeholders.
fn parts(mut template: &'static str) -> Vec<Part> {
    let mut parts = Vec::new();
    let next = |text: &'static str| {
        let found = PLACEHOLDERS.into_iter();
        let found = found.filter_map(|(name, part)| Some((text.split_once(name)?, part)));
        found.min_by_key(|((before, _), _)| before.len())
    };
    while let Some(((before, after), part)) = next(template) {
        parts.extend([Part::Text(before), part]);
        template = after;
    }
    parts.push(Part::Text(template));
    parts
}

fn page(denial: &Denial, facts: &Facts<'_>) -> String {
    let mut page = String::with_capacity(TEMPLATE.len() + INSERTED);
    let reason = denial.status.canonical_reason().unwrap_or("Refused");
    for part in PARTS.iter() {
        match part {
            Part::Text(text) => page.push_str(text),
            Part::Status => page.extend([denial.status.as_str(), " ", reason]),
            Part::Sentence => page.push_str(sentence(denial.status)),
            Part::Details => write_details(&mut page, denial, facts),
        }
    }
    page
}

fn write_details(page: &mut String, denial: &Denial, facts: &Facts<'_>) {
    let address = (denial.diagnosis == Some(Diagnosis::PlainGet))
        .then(|| facts.websocket_url())
        .flatten();
    if denial.diagnosis.is_none() && denial.event.is_none() {
        return;
    }
    page.push_str("  <dl>\n");
    if let Some(diagnosis) = denial.diagnosis {
        write_detail(page, "Diagnosis", diagnosis);
    }
    if let Some(address) = address {
        write_detail(page, "Address", address);
    }
    if let Some(event) = denial.event {
        write_detail(page, "Event id", event);
    }
    page.push_str("  </dl>\n");
}

fn write_detail(page: &mut String, term: &str, value: impl fmt::Display) {
    page.extend(["    <dt>", term, "</dt><dd>"]);
    // Writing to a string cannot fail.
    let _ = write!(Escaped(&mut *page), "{value}");
    page.push_str("</dd>\n");
}

/// A sentence for visitors. None of them depends on the rule that denied the request.
const fn sentence(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "The server could not read this request. Check the address for unusual characters.",
        403 => {
            "This request was blocked for security reasons. If you think that is a mistake, send \
             the event id below to the operator of this site."
        }
        404 => "There is no page at this address.",
        421 => "This server does not answer for the host name in the address.",
        426 => {
            "This address is a WebSocket: programs open it, and a browser cannot show it as a page."
        }
        429 => "Too many requests came from your network. Wait a moment, then try again.",
        503 => "The server cannot answer right now. Wait a moment, then try again.",
        _ => {
            "The server refused this request. If you think that is a mistake, send the event \
             id below to the operator of this site."
        }
    }
}

// === impl Escaped ===

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, reference)) = rest.bytes().enumerate().find_map(reference) {
            self.0.extend([&rest[..at], reference]);
            rest = &rest[at + 1..];
        }
        self.0.push_str(rest);
        Ok(())
    }
}

/// Returns the character reference for a special byte, with its position.
fn reference((at, byte): (usize, u8)) -> Option<(usize, &'static str)> {
    let reference = match byte {
        b'&' => "&amp;",
        b'<' => "&lt;",
        b'>' => "&gt;",
        b'"' => "&quot;",
        b'\'' => "&#39;",
        _ => return None,
    };
    Some((at, reference))
}

#[cfg(test)]
mod tests {
    use gabion::{client::ClientRules, event::EventId};
    use gabion_testkit::OwnedHead;
    use http::header::ACCEPT;

    use super::*;

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    fn denial(status: u16) -> Denial {
        let status = StatusCode::from_u16(status).unwrap();
        let mut denial = Denial::forbidden("secret-rule", "secret reason").with_evidence(b".env");
        denial.status = status;
        denial.event = Some(EventId::new(0xabc));
        denial
    }

    fn reply(denial: &Denial, target: &str, accept: &str) -> (HeaderMap, String) {
        let head = OwnedHead::get(target).header("accept", accept);
        let response = DeniedPage.reply(denial, &head.facts(&ClientRules::default()));
        assert_eq!(response.status(), denial.status);
        let (parts, body) = response.into_parts();
        (parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn html_is_sent_only_where_accept_prefers_it() {
        for (accept, is_html) in [
            (BROWSER, true),
            ("TEXT/HTML", true),
            ("text/html;q=0.9, application/json;q=0.8", true),
            ("text/html, application/json", true),
            ("application/json, text/html", false),
            ("text/html;q=0.5, text/plain", false),
            ("text/html;level=1;q=0", false),
            ("text/html;Q=0.5, text/plain", false),
            ("text/html, application/json;q=9", true),
            ("application/json", false),
            ("text/*", false),
            ("*/*", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
            let index = HeaderIndex::new(&headers);
            assert_eq!(prefers_html(&index), is_html, "{accept}");
        }
        assert!(!prefers_html(&HeaderIndex::new(&HeaderMap::new())));
    }

    #[test]
    fn page_shows_status_sentence_and_event_id_but_not_the_rule() {
        for (status, words) in [
            (400, "could not read this request"),
            (403, "blocked for security reasons"),
            (404, "no page at this address"),
            (413, "refused this request"),
            (421, "host name"),
            (426, "WebSocket"),
            (429, "Too many requests"),
            (503, "cannot answer right now"),
        ] {
            let (headers, body) = reply(&denial(status), "/x/.env", BROWSER);
            assert_eq!(headers["content-type"], "text/html; charset=utf-8");
            assert_eq!(headers["cache-control"], "no-store");
            assert!(body.contains(&format!("<h1>{status} ")), "{body}");
            assert!(
                body.contains(words) && body.contains("0000000000000abc"),
                "{body}"
            );
            assert!(!body.contains("secret") && !body.contains(".env"), "{body}");
            assert!(!body.contains(['{', '}']) || body.contains(":root {"));
            assert!(body.len() < 3000, "{} bytes", body.len());
        }
    }

    #[test]
    fn page_for_a_method_that_is_not_allowed_lists_the_allowed_ones() {
        let (headers, _) = reply(&denial(405), "/", BROWSER);
        assert!(headers["allow"].to_str().unwrap().starts_with("GET, "));
        let (headers, _) = reply(&denial(403), "/", BROWSER);
        assert!(!headers.contains_key("allow"));
    }

    #[test]
    fn path_and_host_in_the_page_are_escaped_and_cut() {
        let denial = denial(426).with_diagnosis(Diagnosis::PlainGet);
        let head = OwnedHead::get("/ws/&'{status}{details}")
            .host("<script>")
            .header("accept", BROWSER);
        let response = DeniedPage.reply(&denial, &head.facts(&ClientRules::default()));
        let body = String::from_utf8(response.into_body().to_vec()).unwrap();
        let address = "<dd>ws://&lt;script&gt;/ws/&amp;&#39;{status}{details}</dd>";
        assert!(body.contains(address), "{body}");
        let long = format!("/{}", "x".repeat(5000));
        let (_, body) = reply(&denial, &long, BROWSER);
        assert!(body.contains("xxx..</dd>") && body.len() < 3000);
    }

    #[test]
    fn other_clients_get_text_or_json() {
        let (headers, body) = reply(&denial(403), "/", "*/*");
        assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
        assert!(!headers.contains_key("content-security-policy"));
        assert!(body.starts_with("Forbidden\n"), "{body}");
        let (headers, body) = reply(&denial(403), "/", "application/json");
        assert_eq!(headers["content-type"], "application/json");
        assert!(body.starts_with('{'), "{body}");
    }

    #[test]
    fn style_has_the_hash_of_the_content_security_policy() {
        let style = TEMPLATE.split_once("<style>").unwrap().1;
        let style = style.split_once("</style>").unwrap().0;
        let suites = tokio_rustls::rustls::crypto::ring::ALL_CIPHER_SUITES;
        let sha256 = suites
            .iter()
            .find_map(|suite| {
                let hash = suite.tls13()?.common.hash_provider;
                (hash.output_len() == 32).then_some(hash)
            })
            .unwrap();
        let digest = base64(sha256.hash(style.as_bytes()).as_ref());
        assert!(POLICY.contains(&format!("'sha256-{digest}'")), "{digest}");
    }

    fn base64(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let word = (0..3).fold(0, |word, at| {
                word << 8 | usize::from(*chunk.get(at).unwrap_or(&0))
            });
            for digit in 0..4 {
                text.push(if digit <= chunk.len() {
                    char::from(DIGITS[word >> (18 - 6 * digit) & 63])
                } else {
                    '='
                });
            }
        }
        text
    }
}
