//! The WebSocket's handshake, and what each refusal of it means.

use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};

use super::{
    Diagnosis, Doctor,
    advice::Advice,
    door::{Door, Stream},
    exchange::{self, Answer, NoAnswer},
    report::{Finding, Report, excerpt},
    target::{Origin, Target},
};

/// A WebSocket just opened, and what came with its 101.
pub(super) struct Opened {
    pub(super) stream: Box<dyn Stream>,
    pub(super) early: Vec<u8>,
}

/// Says what a plain GET finds. Only a server that speaks no HTTP ends the walk here: what the path
/// is for everyone else says nothing against it.
pub(super) async fn look(asked: &Doctor, door: &Door, report: &mut Report) -> Option<()> {
    let page = match door.open().await {
        Ok(mut stream) => exchange::ask(&mut *stream, &exchange::page(asked)).await,
        Err(error) => Err(NoAnswer::Broken(error)),
    };
    let page = match page {
        Ok(page) => page,
        Err(none) => {
            let finding = unanswered(&asked.url, door, &none).await;
            report.failed("GET", finding);
            return None;
        }
    };
    let shown = page.shown();
    match page.status {
        400 | 426 => report.ok(
            "GET",
            format_args!("{shown}: as a WebSocket answers a plain GET"),
        ),
        200..300 if page.is_html() => report.note("GET", format_args!("a page: {shown}")),
        300..400 => report.note("GET", format_args!("{shown}, to {}", place(&page))),
        _ => report.note("GET", shown),
    }
    Some(())
}

/// Opens the WebSocket, or says why it does not open.
pub(super) async fn knock(asked: &Doctor, door: &Door, report: &mut Report) -> Option<Opened> {
    let refusal = match open(asked, door, asked.origin()).await {
        Ok(opened) => {
            match asked.origin() {
                Some(origin) => report.ok("handshake", format_args!("101, for a page of {origin}")),
                None => report.ok(
                    "handshake",
                    "101, asked without an Origin (--page URL asks as a browser does)",
                ),
            }
            return Some(opened);
        }
        Err(refusal) => refusal,
    };
    report.failed("handshake", refusal.finding(asked, door).await);
    None
}

/// Why a WebSocket is not open.
pub(super) enum Refusal {
    /// Another status than 101.
    Answered(Answer),
    /// No answer.
    None(NoAnswer),
    /// A 101 that a browser does not take.
    Wrong(String),
}

/// One handshake.
pub(super) async fn open(
    asked: &Doctor,
    door: &Door,
    origin: Option<&Origin>,
) -> Result<Opened, Refusal> {
    let broken = |error| Refusal::None(NoAnswer::Broken(error));
    let mut stream = door.open().await.map_err(broken)?;
    let key = generate_key();
    let request = exchange::handshake(asked, &key, origin);
    let answer = exchange::ask(&mut *stream, &request)
        .await
        .map_err(Refusal::None)?;
    if answer.status != 101 {
        return Err(Refusal::Answered(answer));
    }
    if let Some(wrong) = wrong(asked, &answer, &key) {
        return Err(Refusal::Wrong(wrong));
    }
    let early = answer.rest;
    Ok(Opened { stream, early })
}

/// What is wrong with a 101 (RFC 6455, 4.1).
fn wrong(asked: &Doctor, answer: &Answer, key: &str) -> Option<String> {
    let accept = derive_accept_key(key.as_bytes());
    let said = |name| {
        answer
            .header(name)
            .map_or_else(|| "nothing".to_owned(), excerpt)
    };
    if !answer.lists("upgrade", "websocket") {
        return Some(format!(
            "101, but its Upgrade says {}, not websocket",
            said("upgrade")
        ));
    }
    if !answer.lists("connection", "upgrade") {
        return Some(format!(
            "101, but its Connection says {}, not upgrade",
            said("connection")
        ));
    }
    if answer.header("sec-websocket-accept") != Some(accept.as_bytes()) {
        let said = said("sec-websocket-accept");
        return Some(format!(
            "101, but its Sec-WebSocket-Accept says {said}, not \"{accept}\""
        ));
    }
    ["sec-websocket-extensions", "sec-websocket-protocol"]
        .into_iter()
        .find_map(|name| {
            let chosen = answer.header(name).filter(|chosen| !chosen.is_empty())?;
            let offered = asked.sends(name, chosen);
            (!offered).then(|| {
                format!(
                    "101, but it chooses {}, which was not offered",
                    excerpt(chosen)
                )
            })
        })
}

/// What a refusal means.
async fn refused(asked: &Doctor, door: &Door, answer: &Answer) -> Finding {
    let target = &asked.url;
    let shown = answer.shown();
    if answer.status == 403 && asked.origin().is_some() && opens_without_origin(asked, door).await {
        let origin = asked.origin().map(ToString::to_string).unwrap_or_default();
        let said =
            format!("{shown}: refused because the page is of {origin}; without Origin it opens");
        return Finding::coded(Diagnosis::ForeignOrigin, said, Advice::Origin(Some(origin)));
    }
    if let Some(told) = answer.told() {
        let said = format!("{shown}: told by the guard in front, {}", told.brief());
        return Finding::coded(told, said, Advice::of_told(told, answer.status, asked));
    }
    match answer.status {
        200..=299 => {
            let what = if answer.is_html() {
                "a page"
            } else {
                "an ordinary answer"
            };
            let said = format!(
                "{what} instead of a WebSocket: {shown}; nothing on this path takes the handshake"
            );
            Finding::coded(Diagnosis::PageInstead, said, Advice::route(target))
        }
        301 | 302 | 303 | 307 | 308 => {
            let said = format!(
                "{shown}, to {}; browsers do not follow redirects for a WebSocket",
                place(answer)
            );
            Finding::coded(Diagnosis::Redirected, said, Advice::Redirect(place(answer)))
        }
        400 if !target.tls() && door.speaks_tls(target).await => wants_tls(target),
        status => {
            let said = format!("{shown}: {}", meaning(status));
            Finding::coded(Diagnosis::Refused, said, Advice::of_status(status, asked))
        }
    }
}

/// What a server means by a status.
const fn meaning(status: u16) -> &'static str {
    match status {
        400 => {
            "it saw no handshake that it understands; mostly, a proxy in between has dropped Upgrade"
        }
        401 => {
            "it wants to know who asks, and a page cannot set headers on a WebSocket: only cookies go along"
        }
        403 => "not allowed: the page's origin, the user, or a firewall's rule",
        404 => "no WebSocket on this path",
        405 => "the path is known, but not with GET, which every handshake is",
        426 => "it saw no handshake of version 13; mostly, a proxy in between has dropped Upgrade",
        429 => "too many handshakes or open sockets",
        500 => "the handler failed before it answered",
        502..=504 => {
            "a proxy answers: the server behind it is down, slow, or does not take the handshake"
        }
        _ => "the server does not open a WebSocket",
    }
}

/// Why there is no answer.
async fn unanswered(target: &Target, door: &Door, none: &NoAnswer) -> Finding {
    match none {
        NoAnswer::Http2 => Finding::coded(Diagnosis::OnlyHttp2, none.shown(), Advice::Http1),
        NoAnswer::Tls => wants_tls(target),
        NoAnswer::Closed | NoAnswer::Broken(_) | NoAnswer::Silent
            if !target.tls() && door.speaks_tls(target).await =>
        {
            wants_tls(target)
        }
        _ => Finding::coded(Diagnosis::NoHandshake, none.shown(), Advice::Silent),
    }
}

fn wants_tls(target: &Target) -> Finding {
    let (port, other) = (target.port(), target.other_scheme());
    let said = format!("port {port} speaks TLS, and ws:// goes without: the URL should be {other}");
    Finding::coded(Diagnosis::NoHandshake, said, Advice::Scheme(other))
}

async fn opens_without_origin(asked: &Doctor, door: &Door) -> bool {
    open(asked, door, None).await.is_ok()
}

// === impl Refusal ===

impl Refusal {
    /// What it means.
    pub(super) async fn finding(&self, asked: &Doctor, door: &Door) -> Finding {
        match self {
            Self::Answered(answer) => refused(asked, door, answer).await,
            Self::None(none) => unanswered(&asked.url, door, none).await,
            Self::Wrong(said) => Finding::coded(Diagnosis::WrongSwitch, said, Advice::Switch),
        }
    }
}

/// Where a redirect leads.
fn place(answer: &Answer) -> String {
    answer
        .header("location")
        .map_or_else(|| "nowhere".to_owned(), excerpt)
}
