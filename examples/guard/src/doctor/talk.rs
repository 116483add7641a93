//! An open WebSocket: that whoever is there answers.

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
    door::Stream,
    handshake::Opened,
    report::{Finding, Report, excerpt},
};

/// How long a pong or an echo may take.
const ANSWER: Duration = Duration::from_secs(5);
/// What is sent to be echoed.
pub(super) const HELLO: &str = "guard doctor";
/// The longest message that is taken.
const MAX_MESSAGE: usize = 1 << 20;

/// This end of a WebSocket.
pub(super) struct Socket(WebSocketStream<Box<dyn Stream>>);

/// How a socket ended.
pub(super) enum End {
    /// With a close frame.
    Closed(Option<CloseFrame>),
    /// Without one.
    Cut(Error),
    /// With bytes that are no frame.
    Garbage(ProtocolError),
}

// === impl Socket ===

impl Socket {
    pub(super) async fn of(opened: Opened) -> Self {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let Opened { stream, early } = opened;
        Self(WebSocketStream::from_partially_read(stream, early, Role::Client, Some(config)).await)
    }

    /// Pings, then sends a text, which comes back where the service is an echo.
    pub(super) async fn try_out(&mut self, report: &mut Report) -> Option<()> {
        let began = Instant::now();
        let ping = Message::Ping(HELLO.into());
        match self.answer_to(ping, Message::is_pong).await {
            Ok(Some(_)) => report.ok(
                "ping",
                format_args!("its pong came in {} ms", began.elapsed().as_millis()),
            ),
            Ok(None) => report.failed("ping", unanswered(1)),
            Err(end) => {
                report.failed("ping", end.finding());
                return None;
            }
        }
        let began = Instant::now();
        let text = Message::text(HELLO);
        match self
            .answer_to(text, |answer| answer.is_text() || answer.is_binary())
            .await
        {
            Ok(Some(Message::Text(text))) if text.as_str() == HELLO => {
                report.ok(
                    "echo",
                    format_args!("a text came back in {} ms", began.elapsed().as_millis()),
                );
            }
            Ok(Some(other)) => {
                report.note(
                    "echo",
                    format_args!(
                        "no echo: a text is answered with {}",
                        excerpt(&other.into_data())
                    ),
                );
            }
            Ok(None) => report.note("echo", "no echo: a text is taken and not answered"),
            Err(end) => report.note(
                "echo",
                format_args!("no echo: at a text that it does not know, the socket was {end}"),
            ),
        }
        Some(())
    }

    /// The next message, pings and pongs among them.
    pub(super) async fn next(&mut self) -> Result<Message, End> {
        match self.0.next().await {
            Some(Ok(Message::Close(frame))) => Err(End::Closed(frame)),
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) => Err(error.into()),
            None => Err(End::Cut(Error::ConnectionClosed)),
        }
    }

    pub(super) async fn send(&mut self, message: Message) -> Result<(), End> {
        Ok(self.0.send(message).await?)
    }

    /// Takes leave.
    pub(super) async fn close(mut self) {
        // Nothing depends on it.
        let _ = timeout(ANSWER, self.0.close(None)).await;
    }

    /// Sends `message`, and waits for the answer that is meant.
    async fn answer_to(
        &mut self,
        message: Message,
        meant: impl Fn(&Message) -> bool,
    ) -> Result<Option<Message>, End> {
        self.send(message).await?;
        let answer = async {
            loop {
                let answer = self.next().await?;
                if meant(&answer) {
                    return Ok(Some(answer));
                }
            }
        };
        timeout(ANSWER, answer).await.unwrap_or(Ok(None))
    }
}

/// What it means that nobody answered `pings`.
pub(super) fn unanswered(pings: u32) -> Finding {
    let said = format!(
        "no pong to {pings} ping{} in {} s; the RFC wants one, and who finds dead peers by pings will \
         drop this one",
        if pings == 1 { "" } else { "s" },
        ANSWER.as_secs(),
    );
    Finding::coded(Diagnosis::NoPong, said, Advice::Pong)
}

// === impl End ===

impl End {
    /// What it means that a socket ended as soon as it was open.
    fn finding(&self) -> Finding {
        match self {
            Self::Closed(frame) => closed(frame.as_ref(), "at once"),
            Self::Cut(_) => {
                Finding::plain(format!("the socket was {self}, at once"), Advice::Behind)
            }
            Self::Garbage(_) => Finding::plain(self.to_string(), Advice::Switch),
        }
    }
}

/// What it means that a server closed a socket.
pub(super) fn closed(frame: Option<&CloseFrame>, when: &str) -> Finding {
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
        .map(|reason| format!(", saying {}", excerpt(reason)))
        .unwrap_or_default();
    let said = format!(
        "the server closed the socket {when} with {code}{reason}: {}",
        meaning(code)
    );
    Finding::coded(diagnosis, said, Advice::of_close(code))
}

/// What a close code says (RFC 6455, 7.4).
const fn meaning(code: u16) -> &'static str {
    match code {
        1000 => "its work was done",
        1001 => "the server goes away: a stop, or a deploy",
        1002 => "it saw a protocol error",
        1003 => "it does not take that kind of data",
        1005 => "without a reason",
        1007 => "it got a text that is not UTF-8",
        1008 => "a policy forbids it: a ban, a limit, or who is not signed in",
        1009 => "a message was too big for it",
        1011 => "its handler failed",
        1012 => "it restarts; come back in a moment",
        1013 => "it is overloaded; come back later",
        1014 => "a proxy got no good answer from the server behind",
        3000 => "who asks is not signed in",
        4000..=4999 => "the service's own code; its documentation says what it means",
        _ => "a code of no known meaning",
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed(frame) => {
                let code = frame.as_ref().map_or(1005, |frame| frame.code.into());
                write!(f, "closed with {code}: {}", meaning(code))
            }
            Self::Cut(Error::Io(error)) => write!(f, "cut without a close frame ({error})"),
            Self::Cut(_) => f.write_str("cut without a close frame"),
            Self::Garbage(error) => write!(f, "what came is no WebSocket frame: {error}"),
        }
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        match error {
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Cut(error),
            Error::Protocol(error) => Self::Garbage(error),
            error => Self::Cut(error),
        }
    }
}
