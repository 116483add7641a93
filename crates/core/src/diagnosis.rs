//! Diagnoses of WebSockets that fail to open or close unexpectedly.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// The cause of a WebSocket failure, with a stable code, a short text and advice.
///
/// Codes that start with W: the WebSocket did not open. Codes that start with D: it did not stay
/// open. Carried by [`Denial::diagnosis`](crate::Denial::diagnosis) and
/// [`DiagnosisEvent`](crate::DiagnosisEvent), and counted by [`DiagnosisCounters`].
///
/// # Examples
///
/// ```
/// use gabion_core::Diagnosis;
///
/// assert_eq!(Diagnosis::PlainGet.code(), "W01");
/// assert!(Diagnosis::CutInFront.advice().contains("proxy_read_timeout"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Diagnosis {
    /// W01: plain HTTP request to a path that serves only WebSockets.
    PlainGet,
    /// W02: a proxy in front removed `Upgrade`, or all of the handshake except its key.
    HopStripped,
    /// W03: a proxy in front uses HTTP/1.0.
    Http10Hop,
    /// W04: `Connection` does not list `upgrade`.
    NotNominated,
    /// W05: the version is not 13, or the key is invalid.
    BadHandshake,
    /// W06: the page's origin is not allowed to open WebSockets.
    ForeignOrigin,
    /// W07: the server refused the handshake.
    Refused,
    /// W08: the server accepted a different handshake from the one it was sent.
    WrongSwitch,
    /// W09: the server answered with a page.
    PageInstead,
    /// W10: the server accepts HTTP/2 only.
    OnlyHttp2,
    /// W11: the server redirects.
    Redirected,
    /// W12: a page loaded over `https` opened `ws`.
    MixedContent,
    /// W13: TLS on a plain port, plain text on a TLS port, or no bytes at all.
    NoHandshake,
    /// W14: a rule denied the handshake.
    Denied,
    /// D01: a hop in front closes idle WebSockets.
    CutInFront,
    /// D02: the server, or a proxy before it, closes idle WebSockets.
    CutBehind,
    /// D03: the ping interval is as long as a hop's idle timeout, or longer.
    PingTooRare,
    /// D04: the peer does not answer pings.
    NoPong,
    /// D05: one side sent a close frame.
    Closed,
    /// D06: a message exceeded a size limit.
    TooBig,
    /// D07: a maximum connection age was reached.
    TooOld,
    /// D08: the server restarts.
    Drained,
    /// D09: one side ended its half of the connection, and the other stays idle.
    HalfOpen,
    /// D10: the server waits for a first message from the client and got none.
    NoFirstMessage,
}

/// Lock-free counters, one per [`Diagnosis`], for the lifetime of the process.
///
/// # Examples
///
/// ```
/// use gabion_core::{Diagnosis, DiagnosisCounters};
///
/// let counters = DiagnosisCounters::default();
/// counters.count(Diagnosis::CutInFront);
/// assert_eq!(counters.to_string(), "D01 1");
/// ```
#[derive(Debug, Default)]
pub struct DiagnosisCounters([AtomicU64; Diagnosis::ALL.len()]);

// === impl Diagnosis ===

impl Diagnosis {
    /// All diagnoses, in the order of their codes.
    pub const ALL: [Self; 24] = [
        Self::PlainGet,
        Self::HopStripped,
        Self::Http10Hop,
        Self::NotNominated,
        Self::BadHandshake,
        Self::ForeignOrigin,
        Self::Refused,
        Self::WrongSwitch,
        Self::PageInstead,
        Self::OnlyHttp2,
        Self::Redirected,
        Self::MixedContent,
        Self::NoHandshake,
        Self::Denied,
        Self::CutInFront,
        Self::CutBehind,
        Self::PingTooRare,
        Self::NoPong,
        Self::Closed,
        Self::TooBig,
        Self::TooOld,
        Self::Drained,
        Self::HalfOpen,
        Self::NoFirstMessage,
    ];

    /// The stable code, such as `W01`: a search term for logs and documentation.
    pub const fn code(self) -> &'static str {
        match self {
            Self::PlainGet => "W01",
            Self::HopStripped => "W02",
            Self::Http10Hop => "W03",
            Self::NotNominated => "W04",
            Self::BadHandshake => "W05",
            Self::ForeignOrigin => "W06",
            Self::Refused => "W07",
            Self::WrongSwitch => "W08",
            Self::PageInstead => "W09",
            Self::OnlyHttp2 => "W10",
            Self::Redirected => "W11",
            Self::MixedContent => "W12",
            Self::NoHandshake => "W13",
            Self::Denied => "W14",
            Self::CutInFront => "D01",
            Self::CutBehind => "D02",
            Self::PingTooRare => "D03",
            Self::NoPong => "D04",
            Self::Closed => "D05",
            Self::TooBig => "D06",
            Self::TooOld => "D07",
            Self::Drained => "D08",
            Self::HalfOpen => "D09",
            Self::NoFirstMessage => "D10",
        }
    }

    /// A short description that may be shown to a client.
    pub const fn brief(self) -> &'static str {
        match self {
            Self::PlainGet => "this path serves WebSockets only, and the request is plain HTTP",
            Self::HopStripped => "a proxy in front removed the Upgrade header",
            Self::Http10Hop => "a proxy in front uses HTTP/1.0, which has no WebSockets",
            Self::NotNominated => "the Connection header does not list upgrade",
            Self::BadHandshake => "this is not a valid WebSocket handshake of version 13",
            Self::ForeignOrigin => "the origin of this page is not allowed to open WebSockets here",
            Self::Refused => "the upstream server refused the WebSocket handshake",
            Self::WrongSwitch => {
                "the handshake response of the upstream server does not match the request"
            }
            Self::PageInstead => "the upstream server answered with a page instead of a WebSocket",
            Self::OnlyHttp2 => "the upstream server accepts HTTP/2 only",
            Self::Redirected => {
                "the upstream server redirects, which WebSocket clients do not follow"
            }
            Self::MixedContent => "a page loaded over https cannot open ws://",
            Self::NoHandshake => "TLS on a plain-text port, or plain text on a TLS port",
            Self::Denied => "a rule denied the handshake",
            Self::CutInFront => "a proxy or load balancer in front closes idle WebSockets",
            Self::CutBehind => "the upstream server, or a proxy before it, closes idle WebSockets",
            Self::PingTooRare => "the ping interval is too long to keep the WebSocket open",
            Self::NoPong => "the peer does not answer pings",
            Self::Closed => "one side closed the WebSocket",
            Self::TooBig => "a message exceeded the size limit",
            Self::TooOld => "the WebSocket reached its maximum age",
            Self::Drained => "the server restarts",
            Self::HalfOpen => "one side ended the connection, and the other side stays idle",
            Self::NoFirstMessage => "the upstream server timed out waiting for a first message",
        }
    }

    /// The configuration change or check that helps, for the operator of the server.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::PlainGet => {
                "connect with `new WebSocket(\"wss://host/path\")`, not with http:// or fetch"
            }
            Self::HopStripped | Self::NotNominated => {
                "in nginx, set: proxy_http_version 1.1; proxy_set_header Upgrade \
                 $http_upgrade; proxy_set_header Connection \"upgrade\";"
            }
            Self::Http10Hop => {
                "in nginx before 1.29.7, set: proxy_http_version 1.1; (its default towards \
                 upstreams is HTTP/1.0)"
            }
            Self::BadHandshake => {
                "check the WebSocket library of the client: browsers send valid handshakes"
            }
            Self::ForeignOrigin => "if the page is yours, add its origin to [upgrade] origins",
            Self::Refused => {
                "check the status of the response: 404 means no WebSocket endpoint on this path \
                 (check the context path; SockJS endpoints end in /websocket), 403 an origin \
                 that the server does not allow (Spring: setAllowedOrigins), 401 missing \
                 authentication, 400 or 426 a proxy before the server that removes Upgrade"
            }
            Self::WrongSwitch => {
                "check the upstream address: the server there is not a WebSocket server, or \
                 it is broken"
            }
            Self::PageInstead => {
                "check the path: it belongs to a page, or to the fallback route of a \
                 single-page app"
            }
            Self::OnlyHttp2 => "configure an upstream port that accepts HTTP/1.1",
            Self::Redirected => {
                "connect to the final address: check wss:// against ws://, and the slash at \
                 the end"
            }
            Self::MixedContent => "open wss:// from pages loaded over https",
            Self::NoHandshake => "use ws:// for plain-text ports and wss:// for TLS ports",
            Self::Denied => "see the rule in the log",
            Self::CutInFront => {
                "set [upgrade] ping below the idle timeout of that hop, or raise the timeout \
                 (AWS ALB: idle_timeout.timeout_seconds; nginx: proxy_read_timeout)"
            }
            Self::CutBehind => {
                "raise the idle timeout there (nginx: proxy_read_timeout), or set [upgrade] \
                 ping below it"
            }
            Self::PingTooRare => {
                "set the ping interval below half of the shortest idle timeout on the way"
            }
            Self::NoPong => {
                "no change needed unless it is frequent: the peer is asleep, unreachable, or \
                 behind a NAT that dropped its mapping"
            }
            Self::Closed => "see the close code for the reason",
            Self::TooBig => {
                "raise [upgrade] max_message, or for rule message/inflates max_inflate_ratio (1032 \
                 permits any message), or the limit of the server (Tomcat: 8 KiB by default)"
            }
            Self::TooOld => "reconnect: all WebSockets end at this age",
            Self::Drained => "reconnect after a short random delay",
            Self::HalfOpen => "close the other side too",
            Self::NoFirstMessage => {
                "send a message first (STOMP: CONNECT): Spring closes WebSockets without one \
                 after 60 s (setTimeToFirstMessage)"
            }
        }
    }
}

/// The code and the short description.
impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.brief())
    }
}

// === impl DiagnosisCounters ===

impl DiagnosisCounters {
    /// Adds one.
    pub fn count(&self, diagnosis: Diagnosis) {
        let mut counters = Diagnosis::ALL.iter().zip(&self.0);
        if let Some((_, sum)) = counters.find(|(each, _)| **each == diagnosis) {
            sum.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The diagnoses with a count above zero, and their counts.
    pub fn made(&self) -> impl Iterator<Item = (Diagnosis, u64)> {
        let sums = self.0.iter().map(|sum| sum.load(Ordering::Relaxed));
        let all = Diagnosis::ALL.into_iter().zip(sums);
        all.filter(|(_, sum)| *sum > 0)
    }
}

/// The counts above zero on one line: `W01 3, D02 1`.
impl fmt::Display for DiagnosisCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        self.made().try_for_each(|(diagnosis, sum)| {
            write!(f, "{between}{} {sum}", diagnosis.code())?;
            between = ", ";
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_in_order() {
        let codes: Vec<_> = Diagnosis::ALL.map(Diagnosis::code).into();
        let expected: Vec<_> = (1..=14)
            .map(|nth| format!("W{nth:02}"))
            .chain((1..=10).map(|nth| format!("D{nth:02}")))
            .collect();
        assert_eq!(codes, expected);
    }

    #[test]
    fn each_diagnosis_has_its_own_counter() {
        let counters = DiagnosisCounters::default();
        counters.count(Diagnosis::CutInFront);
        counters.count(Diagnosis::PlainGet);
        counters.count(Diagnosis::CutInFront);
        assert_eq!(counters.to_string(), "W01 1, D01 2");
    }
}
