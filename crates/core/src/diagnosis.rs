//! Why a WebSocket does not open, or does not stay open.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// What is wrong with a WebSocket, in words that name what to change.
///
/// W: it did not open. D: it did not stay open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Diagnosis {
    /// W01: a WebSocket's path was asked for with plain HTTP.
    PlainGet,
    /// W02: a hop in front took `Upgrade`, or all of the handshake but its key, away.
    HopStripped,
    /// W03: a hop in front speaks HTTP/1.0.
    Http10Hop,
    /// W04: `Connection` does not name `upgrade`.
    NotNominated,
    /// W05: the version is not 13, or the key is none.
    BadHandshake,
    /// W06: a page of this origin may not open sockets.
    ForeignOrigin,
    /// W07: the server behind refused the handshake.
    Refused,
    /// W08: the server behind opened another WebSocket than was asked for.
    WrongSwitch,
    /// W09: the server behind answered with a page.
    PageInstead,
    /// W10: the server behind speaks HTTP/2 only.
    OnlyHttp2,
    /// W11: the server behind redirects.
    Redirected,
    /// W12: a page loaded over `https` may not open `ws`.
    MixedContent,
    /// W13: TLS came to a plain port, or plain text to a TLS port, or nothing at all.
    NoHandshake,
    /// W14: a rule of the guard refused it.
    Denied,
    /// D01: something in front closes sockets that were silent for a time.
    CutInFront,
    /// D02: something behind does.
    CutBehind,
    /// D03: pings come no more often than a hop gives up.
    PingTooRare,
    /// D04: the peer answers no pings.
    NoPong,
    /// D05: one side closed it, and said why.
    Closed,
    /// D06: a message was too big.
    TooBig,
    /// D07: it was open for longer than somebody allows.
    TooOld,
    /// D08: the server restarts.
    Drained,
    /// D09: one side has ended, and the other goes on in silence.
    HalfOpen,
    /// D10: the server behind waits for a first message, and got none.
    NoFirstMessage,
}

/// How often each was made. Sums of a process, lock-free.
#[derive(Debug, Default)]
pub struct DiagnosisCounters([AtomicU64; Diagnosis::ALL.len()]);

// === impl Diagnosis ===

impl Diagnosis {
    /// Every one, by its code.
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

    /// Its code, to be searched for.
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

    /// What is wrong, in a few words that a client may see.
    pub const fn brief(self) -> &'static str {
        match self {
            Self::PlainGet => "this path is a WebSocket, and was asked for with plain HTTP",
            Self::HopStripped => "a proxy in front took the Upgrade header away",
            Self::Http10Hop => "a proxy in front speaks HTTP/1.0, which has no WebSockets",
            Self::NotNominated => "the Connection header does not name upgrade",
            Self::BadHandshake => "this is no WebSocket handshake of version 13",
            Self::ForeignOrigin => "pages of this origin may not open WebSockets here",
            Self::Refused => "the server behind refused the WebSocket",
            Self::WrongSwitch => "the server behind opened another WebSocket than was asked for",
            Self::PageInstead => "the server behind answered with a page, not a WebSocket",
            Self::OnlyHttp2 => "the server behind speaks HTTP/2 only",
            Self::Redirected => "the server behind redirects, which WebSockets do not follow",
            Self::MixedContent => "a page loaded over https may not open ws://",
            Self::NoHandshake => "TLS and plain text have met on one port",
            Self::Denied => "a rule refused it",
            Self::CutInFront => "something in front closes silent sockets",
            Self::CutBehind => "something behind closes silent sockets",
            Self::PingTooRare => "pings come too rarely to keep the socket open",
            Self::NoPong => "the peer answers no pings",
            Self::Closed => "one side closed the socket",
            Self::TooBig => "a message was too big",
            Self::TooOld => "the socket was open for as long as somebody allows",
            Self::Drained => "the server restarts",
            Self::HalfOpen => "one side has ended, and the other is silent",
            Self::NoFirstMessage => "the server behind waited for a first message",
        }
    }

    /// What to change, for whoever runs the server.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::PlainGet => {
                "the client needs `new WebSocket(\"wss://host/path\")`, not http:// or fetch"
            }
            Self::HopStripped | Self::NotNominated => {
                "nginx in front needs: proxy_http_version 1.1; \
                 proxy_set_header Upgrade $http_upgrade; \
                 proxy_set_header Connection \"upgrade\";"
            }
            Self::Http10Hop => {
                "nginx before 1.29.7 speaks HTTP/1.0 to what is behind it unless told: \
                 proxy_http_version 1.1;"
            }
            Self::BadHandshake => "the client is no browser, or its library is broken",
            Self::ForeignOrigin => "if the page is yours, name its origin in [upgrade] origins",
            Self::Refused => {
                "404: nothing serves WebSockets on that path (context path? SockJS has \
                 /websocket at its end); 403: the server's own allowed origins (Spring: \
                 setAllowedOrigins); 401: it wants to know who asks; 400 or 426: a hop between \
                 here and there takes Upgrade away"
            }
            Self::WrongSwitch => "what answers there is no WebSocket server, or a broken one",
            Self::PageInstead => {
                "the path belongs to a page, or to the fallback of a single-page app"
            }
            Self::OnlyHttp2 => "give the server behind a port that speaks HTTP/1.1",
            Self::Redirected => {
                "the client must ask for the final address by itself: mind wss:// and a slash at \
                 the end"
            }
            Self::MixedContent => "open wss:// from pages that came over https",
            Self::NoHandshake => "ws:// goes to plain ports and wss:// to TLS ports",
            Self::Denied => "the log names the rule",
            Self::CutInFront => {
                "pings must come more often than that ([upgrade] ping), or the hop must wait \
                 longer (AWS ALB: idle_timeout.timeout_seconds; nginx: proxy_read_timeout)"
            }
            Self::CutBehind => {
                "the server behind, or a proxy between, must wait longer (nginx: \
                 proxy_read_timeout), or pings must come more often ([upgrade] ping)"
            }
            Self::PingTooRare => "ping at less than half of the shortest timeout on the way",
            Self::NoPong => "it is gone: asleep, out of reach, or behind a NAT that forgot it",
            Self::Closed => "its close code says why",
            Self::TooBig => {
                "raise [upgrade] max_message, or the server's own limit (Tomcat: 8 KiB by default)"
            }
            Self::TooOld => "the client must open another: no socket lasts for ever",
            Self::Drained => "the client should come back after a short, random wait",
            Self::HalfOpen => "the side that is left should close too",
            Self::NoFirstMessage => {
                "Spring closes sockets that say nothing within 60 s \
                 (setTimeToFirstMessage): the client must send first, STOMP its CONNECT"
            }
        }
    }
}

/// The code and what is wrong.
impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.brief())
    }
}

// === impl Diagnoses ===

impl DiagnosisCounters {
    /// One more.
    pub fn count(&self, diagnosis: Diagnosis) {
        let of = Diagnosis::ALL.iter().zip(&self.0);
        if let Some((_, sum)) = of.into_iter().find(|(each, _)| **each == diagnosis) {
            sum.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Those that were made, and how often.
    pub fn made(&self) -> impl Iterator<Item = (Diagnosis, u64)> {
        let sums = self.0.iter().map(|sum| sum.load(Ordering::Relaxed));
        let all = Diagnosis::ALL.into_iter().zip(sums);
        all.filter(|(_, sum)| *sum > 0)
    }
}

/// What was made, on one line: `W01 3, D02 1`.
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
    fn codes_are_told_apart_and_in_order() {
        let codes: Vec<_> = Diagnosis::ALL.map(Diagnosis::code).into();
        let expected: Vec<_> = (1..=14)
            .map(|nth| format!("W{nth:02}"))
            .chain((1..=10).map(|nth| format!("D{nth:02}")))
            .collect();
        assert_eq!(codes, expected);
    }

    #[test]
    fn each_is_counted_for_itself() {
        let sums = DiagnosisCounters::default();
        sums.count(Diagnosis::CutInFront);
        sums.count(Diagnosis::PlainGet);
        sums.count(Diagnosis::CutInFront);
        assert_eq!(sums.to_string(), "W01 1, D01 2");
    }
}
