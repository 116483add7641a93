//! An open WebSocket: its pong, its echo, and the diagnosis of its end.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        error::ProtocolError,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use super::{
    Diagnosis,
    advice::Advice,
    connector::Transport,
    handshake::OpenedSocket,
    report::{Finding, Report, excerpt},
};

/// The timeout for a pong, an echo, or a close frame.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);
/// The payload of pings and of the text message.
pub(super) const PAYLOAD: &str = "guard doctor";
/// The longest message that is accepted, in bytes.
const MAX_MESSAGE: usize = 1 << 20;

/// The client end of a WebSocket.
pub(super) struct Socket(WebSocketStream<Box<dyn Transport>>);

/// The end of a WebSocket.
pub(super) enum SocketEnd {
    /// The server sent a close frame.
    Closed(Option<CloseFrame>),
    /// The connection ended without a close frame.
    Cut(Error),
    /// The server sent bytes that are not a WebSocket frame.
    InvalidFrame(ProtocolError),
}

// === impl Socket ===

impl Socket {
    /// Wraps the connection after the handshake.
    pub(super) async fn new(opened: OpenedSocket) -> Self {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let OpenedSocket { stream, early } = opened;
        Self(WebSocketStream::from_partially_read(stream, early, Role::Client, Some(config)).await)
    }

    /// Sends a ping, which must be answered, then a text, which only an echo service returns.
    pub(super) async fn check_ping_and_echo(&mut self, report: &mut Report) -> Option<()> {
        let start = Instant::now();
        let ping = Message::Ping(PAYLOAD.into());
        match self.request(ping, Message::is_pong).await {
            Ok(Some(_)) => report.ok(
                "ping",
                format_args!("pong after {} ms", start.elapsed().as_millis()),
            ),
            Ok(None) => report.failed("ping", no_pong_finding(1)),
            Err(end) => {
                report.failed("ping", end.finding());
                return None;
            }
        }
        let start = Instant::now();
        let text = Message::text(PAYLOAD);
        let is_data = |reply: &Message| reply.is_text() || reply.is_binary();
        match self.request(text, is_data).await {
            Ok(Some(Message::Text(text))) if text.as_str() == PAYLOAD => {
                report.ok(
                    "echo",
                    format_args!("echo after {} ms", start.elapsed().as_millis()),
                );
            }
            Ok(Some(other)) => {
                report.note(
                    "echo",
                    format_args!(
                        "no echo: the reply to a text is {}",
                        excerpt(&other.into_data())
                    ),
                );
            }
            Ok(None) => report.note("echo", "no echo: no reply to a text"),
            Err(end) => report.note(
                "echo",
                format_args!("no echo: after an unexpected text the WebSocket was {end}"),
            ),
        }
        Some(())
    }

    /// Returns the next message, control frames included.
    pub(super) async fn next(&mut self) -> Result<Message, SocketEnd> {
        match self.0.next().await {
            Some(Ok(Message::Close(frame))) => Err(SocketEnd::Closed(frame)),
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) => Err(error.into()),
            None => Err(SocketEnd::Cut(Error::ConnectionClosed)),
        }
    }

    pub(super) async fn send(&mut self, message: Message) -> Result<(), SocketEnd> {
        Ok(self.0.send(message).await?)
    }

    /// Closes the WebSocket.
    pub(super) async fn close(mut self) {
        // The report does not depend on the result.
        let _ = timeout(REPLY_TIMEOUT, self.0.close(None)).await;
    }

    /// Sends `message` and waits for a message that is a reply; returns `None` after
    /// [`REPLY_TIMEOUT`].
    async fn request(
        &mut self,
        message: Message,
        is_reply: impl Fn(&Message) -> bool,
    ) -> Result<Option<Message>, SocketEnd> {
        self.send(message).await?;
        let reply = async {
            loop {
                let message = self.next().await?;
                if is_reply(&message) {
                    return Ok(Some(message));
                }
            }
        };
        timeout(REPLY_TIMEOUT, reply).await.unwrap_or(Ok(None))
    }
}

/// Describes `pings` pings without a pong (RFC 6455, 5.5.2).
pub(super) fn no_pong_finding(pings: u32) -> Finding {
    let message = format!(
        "no pong to {pings} ping{} in {} s; RFC 6455 requires one, and peers that detect dead \
         connections by pings will close this one",
        if pings == 1 { "" } else { "s" },
        REPLY_TIMEOUT.as_secs(),
    );
    Finding::with_code(Diagnosis::NoPong, message, Advice::Pong)
}

// === impl SocketEnd ===

impl SocketEnd {
    /// Describes a WebSocket that ended right after it opened.
    fn finding(&self) -> Finding {
        match self {
            Self::Closed(frame) => close_finding(frame.as_ref(), "right after it opened"),
            Self::Cut(_) => Finding::new(
                format!("the WebSocket was {self}, right after it opened"),
                Advice::Upstream,
            ),
            Self::InvalidFrame(_) => {
                Finding::new(format!("the WebSocket was {self}"), Advice::Switch)
            }
        }
    }
}

/// Describes a WebSocket that the server closed.
pub(super) fn close_finding(frame: Option<&CloseFrame>, when: &str) -> Finding {
    let code = frame.map_or(1005, |frame| frame.code.into());
    let diagnosis = match code {
        1009 => Diagnosis::TooBig,
        1012 => Diagnosis::Drained,
        _ => Diagnosis::Closed,
    };
    let reason = frame
        .map(|frame| frame.reason.as_bytes())
        .filter(|reason| !reason.is_empty());
    let reason = reason
        .map(|reason| format!(" ({})", excerpt(reason)))
        .unwrap_or_default();
    let message = format!(
        "the server closed the WebSocket {when} with {code}{reason}: {}",
        close_code_meaning(code)
    );
    Finding::with_code(diagnosis, message, Advice::for_close_code(code))
}

/// Returns the meaning of a close code (RFC 6455, 7.4).
const fn close_code_meaning(code: u16) -> &'static str {
    match code {
        1000 => "its work was done",
        1001 => "the server is going away: a stop or a deploy",
        1002 => "the server saw a protocol error",
        1003 => "the server does not accept this kind of data",
        1005 => "no reason given",
        1007 => "the server received a text that is not UTF-8",
        1008 => "a policy forbids it: a ban, a limit, or missing authentication",
        1009 => "a message was too big for the server",
        1011 => "the handler failed",
        1012 => "the server restarts; connect again after a moment",
        1013 => "the server is overloaded; connect again later",
        1014 => "a proxy received an invalid response from the server behind it",
        3000 => "the user is not authenticated",
        4000..=4999 => "a code of the service; see its documentation",
        _ => "an unknown code",
    }
}

/// The rest of a sentence that begins with "the WebSocket was".
impl std::fmt::Display for SocketEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed(frame) => {
                let code = frame.as_ref().map_or(1005, |frame| frame.code.into());
                write!(f, "closed with {code}: {}", close_code_meaning(code))
            }
            Self::Cut(Error::Io(error)) => write!(f, "cut without a close frame ({error})"),
            Self::Cut(_) => f.write_str("cut without a close frame"),
            Self::InvalidFrame(error) => {
                write!(f, "broken by bytes that are not a WebSocket frame: {error}")
            }
        }
    }
}

impl From<Error> for SocketEnd {
    fn from(error: Error) -> Self {
        match error {
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Cut(error),
            Error::Protocol(error) => Self::InvalidFrame(error),
            error => Self::Cut(error),
        }
    }
}
