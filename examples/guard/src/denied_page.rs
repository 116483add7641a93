//! The page that a browser gets for a denied request.
//!
//! It shows the status, one sentence, and the event id to quote to the operator. Like [`BriefReply`]
//! it never shows the rule or the bytes that matched, which would help an attacker.

use std::fmt::Write as _;

use axum::body::Bytes;
use gabion::{
    event::Diagnosis,
    inspect::{BriefReply, Denial, Facts, Reply},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{
        ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
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

// === impl DeniedPage ===

impl Reply for DeniedPage {
    fn reply(&self, denial: &Denial, facts: &Facts<'_>) -> Response<Bytes> {
        // Sets the status, `no-store`, and `Allow` where the status requires it.
        let mut response = BriefReply.reply(denial, facts);
        if !prefers_html(facts.headers) {
            return response;
        }
        *response.body_mut() = page(denial, facts).into();
        let headers: [(HeaderName, &'static str); 4] = [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (REFERRER_POLICY, "no-referrer"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        for (name, value) in headers {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// Returns `true` if HTML is the media type with the highest weight in `Accept`; of equal weights
/// the first counts (RFC 9110, 12.5.1). Wildcards express no preference.
fn prefers_html(headers: &HeaderMap) -> bool {
    let mut preferred = (false, 0.0);
    let lines = headers.get_all(ACCEPT).into_iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    for range in lines.flat_map(|line| line.split(',')) {
        let mut parts = range
            .split(';')
            .map(|part| part.trim().to_ascii_lowercase());
        let kind = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
        let weight = weight.unwrap_or(1.0);
        if weight > preferred.1 && !kind.is_empty() && !kind.ends_with("/*") {
            let is_html = matches!(&*kind, "text/html" | "application/xhtml+xml");
            preferred = (is_html, weight);
        }
    }
    preferred.0
}

fn page(denial: &Denial, facts: &Facts<'_>) -> String {
    let mut details = String::new();
    let mut detail = |term: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(details, "    <dt>{term}</dt><dd>{}</dd>", escape(value));
    };
    if let Some(diagnosis) = denial.diagnosis {
        detail("Diagnosis", &diagnosis.to_string());
    }
    if denial.diagnosis == Some(Diagnosis::PlainGet)
        && let Some(address) = facts.websocket_url()
    {
        detail("Address", &address);
    }
    if let Some(event) = denial.event {
        detail("Event id", &event.to_string());
    }
    if !details.is_empty() {
        details = format!("  <dl>\n{details}  </dl>\n");
    }
    let reason = denial.status.canonical_reason().unwrap_or("Refused");
    // The template's own text first: what is inserted is not searched for placeholders again.
    TEMPLATE
        .replace("{sentence}", sentence(denial.status))
        .replace("{status}", &format!("{} {reason}", denial.status.as_u16()))
        .replace("{details}", &details)
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

/// Escapes text for an HTML element or a quoted attribute.
fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            plain => html.push(plain),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use gabion::{client::ClientRules, event::EventId};
    use gabion_testkit::OwnedHead;

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
            ("application/json", false),
            ("text/*", false),
            ("*/*", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
            assert_eq!(prefers_html(&headers), is_html, "{accept}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
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
