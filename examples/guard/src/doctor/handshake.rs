//! The WebSocket handshake, and the diagnosis of each way in which it fails.

use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};

use super::{
    Diagnosis, DoctorArgs,
    advice::Advice,
    connector::{Connector, Transport},
    exchange::{self, HttpResponse, ResponseError},
    report::{Finding, Report, excerpt},
    target::{Origin, Target},
};

/// A connection after the 101, and the bytes that came with the 101.
pub(super) struct OpenedSocket {
    pub(super) stream: Box<dyn Transport>,
    pub(super) early: Vec<u8>,
}

/// Reports the response to a plain GET. Only a server that does not respond with HTTP ends the
/// diagnosis here: a path may serve a page or an error to other requests.
pub(super) async fn check_plain_get(
    args: &DoctorArgs,
    connector: &Connector,
    report: &mut Report,
) -> Option<()> {
    let response = match connector.connect().await {
        Ok(mut stream) => exchange::send(&mut *stream, &exchange::plain_get(args)).await,
        Err(error) => Err(ResponseError::Broken(error)),
    };
    let response = match response {
        Ok(response) => response,
        Err(error) => {
            let finding = no_response_finding(&args.url, connector, &error).await;
            report.failed("GET", finding);
            return None;
        }
    };
    let shown = response.describe();
    match response.status {
        400 | 426 => report.ok(
            "GET",
            format_args!("{shown}: the usual response of a WebSocket path to a plain GET"),
        ),
        200..300 if response.is_html() => report.note("GET", format_args!("a page: {shown}")),
        300..400 => report.note("GET", format_args!("{shown} to {}", location(&response))),
        _ => report.note("GET", shown),
    }
    Some(())
}

/// Opens the WebSocket and reports the result.
pub(super) async fn check(
    args: &DoctorArgs,
    connector: &Connector,
    report: &mut Report,
) -> Option<OpenedSocket> {
    let error = match open(args, connector, args.origin()).await {
        Ok(opened) => {
            match args.origin() {
                Some(origin) => report.ok("handshake", format_args!("101 with Origin {origin}")),
                None => report.ok(
                    "handshake",
                    "101 without Origin (browsers send one: add --page URL)",
                ),
            }
            return Some(opened);
        }
        Err(error) => error,
    };
    report.failed("handshake", error.finding(args, connector).await);
    None
}

/// The reason for a failed handshake.
pub(super) enum HandshakeError {
    /// The status is not 101.
    Refused(HttpResponse),
    /// There is no response.
    NoResponse(ResponseError),
    /// The status is 101, but browsers reject the response for this reason.
    InvalidSwitch(String),
}

/// Performs one handshake on a new connection.
pub(super) async fn open(
    args: &DoctorArgs,
    connector: &Connector,
    origin: Option<&Origin>,
) -> Result<OpenedSocket, HandshakeError> {
    let broken = |error| HandshakeError::NoResponse(ResponseError::Broken(error));
    let mut stream = connector.connect().await.map_err(broken)?;
    let key = generate_key();
    let request = exchange::handshake(args, &key, origin);
    let response = exchange::send(&mut *stream, &request)
        .await
        .map_err(HandshakeError::NoResponse)?;
    if response.status != 101 {
        return Err(HandshakeError::Refused(response));
    }
    if let Some(error) = switch_error(args, &response, &key) {
        return Err(HandshakeError::InvalidSwitch(error));
    }
    let early = response.body;
    Ok(OpenedSocket { stream, early })
}

/// Checks a 101 as browsers do (RFC 6455, 4.1); returns the first error.
fn switch_error(args: &DoctorArgs, response: &HttpResponse, key: &str) -> Option<String> {
    let accept = derive_accept_key(key.as_bytes());
    let value = |name| {
        response
            .header(name)
            .map_or_else(|| "missing".to_owned(), excerpt)
    };
    if !response.lists("upgrade", "websocket") {
        return Some(format!(
            "101, but its Upgrade header is {}, not \"websocket\"",
            value("upgrade")
        ));
    }
    if !response.lists("connection", "upgrade") {
        return Some(format!(
            "101, but its Connection header is {}, not \"upgrade\"",
            value("connection")
        ));
    }
    if response.header("sec-websocket-accept") != Some(accept.as_bytes()) {
        let value = value("sec-websocket-accept");
        return Some(format!(
            "101, but its Sec-WebSocket-Accept header is {value}, not \"{accept}\""
        ));
    }
    ["sec-websocket-extensions", "sec-websocket-protocol"]
        .into_iter()
        .find_map(|name| {
            let chosen = response.header(name).filter(|chosen| !chosen.is_empty())?;
            let offered = args.sends(name, chosen);
            (!offered).then(|| {
                format!(
                    "101, but it selects {}, which was not offered",
                    excerpt(chosen)
                )
            })
        })
}

/// Describes a handshake with another status than 101.
async fn refused_finding(
    args: &DoctorArgs,
    connector: &Connector,
    response: &HttpResponse,
) -> Finding {
    let target = &args.url;
    let shown = response.describe();
    if let Some(origin) = args.origin().filter(|_| response.status == 403)
        && open(args, connector, None).await.is_ok()
    {
        let message = format!("{shown}: the origin {origin} is refused; without Origin it opens");
        return Finding::with_code(
            Diagnosis::ForeignOrigin,
            message,
            Advice::Origin(Some(origin.to_string())),
        );
    }
    if let Some(diagnosis) = response.guard_diagnosis() {
        let message = format!("{shown}: a guard in front reports: {}", diagnosis.brief());
        let advice = Advice::for_diagnosis(diagnosis, response.status, args);
        return Finding::with_code(diagnosis, message, advice);
    }
    match response.status {
        200..=299 => {
            let kind = if response.is_html() {
                "a page"
            } else {
                "an ordinary response"
            };
            let message = format!(
                "{kind} instead of a WebSocket: {shown}; nothing on this path accepts WebSockets"
            );
            Finding::with_code(Diagnosis::PageInstead, message, Advice::for_path(target))
        }
        301 | 302 | 303 | 307 | 308 => {
            let location = location(response);
            let message =
                format!("{shown} to {location}; browsers do not follow redirects for a WebSocket");
            Finding::with_code(Diagnosis::Redirected, message, Advice::Redirect(location))
        }
        400 if !target.tls() && connector.accepts_tls(target).await => tls_required(target),
        status => {
            let message = format!("{shown}: {}", status_meaning(status));
            Finding::with_code(
                Diagnosis::Refused,
                message,
                Advice::for_status(status, args),
            )
        }
    }
}

/// Returns the usual cause of a status in response to a handshake.
const fn status_meaning(status: u16) -> &'static str {
    match status {
        400 => {
            "the server did not recognize the handshake; usually a proxy in between removed the \
             Upgrade header"
        }
        401 => {
            "the server requires authentication, and a page cannot set headers on a WebSocket, only \
             cookies are sent"
        }
        403 => "refused because of the origin of the page, the user, or a firewall rule",
        404 => "no WebSocket on this path",
        405 => "the path exists, but does not allow GET, the method of every handshake",
        426 => {
            "the server did not see a handshake of version 13; usually a proxy in between removed \
             the Upgrade header"
        }
        429 => "too many handshakes or open WebSockets",
        500 => "the handler failed before the upgrade",
        502..=504 => {
            "from a proxy: the server behind it is down, too slow, or does not accept the handshake"
        }
        _ => "the server does not open a WebSocket",
    }
}

/// Describes a missing response.
async fn no_response_finding(
    target: &Target,
    connector: &Connector,
    error: &ResponseError,
) -> Finding {
    match error {
        ResponseError::Http2 => {
            Finding::with_code(Diagnosis::OnlyHttp2, error.describe(), Advice::Http1)
        }
        ResponseError::Tls => tls_required(target),
        ResponseError::Closed | ResponseError::Broken(_) | ResponseError::Silent
            if !target.tls() && connector.accepts_tls(target).await =>
        {
            tls_required(target)
        }
        _ => Finding::with_code(Diagnosis::NoHandshake, error.describe(), Advice::Silent),
    }
}

fn tls_required(target: &Target) -> Finding {
    let (port, other) = (target.port(), target.other_scheme());
    let message =
        format!("port {port} requires TLS, and ws:// does not use it: change the URL to {other}");
    Finding::with_code(Diagnosis::NoHandshake, message, Advice::Scheme(other))
}

// === impl HandshakeError ===

impl HandshakeError {
    /// Describes the error. After a 403 it tries again without an origin.
    pub(super) async fn finding(&self, args: &DoctorArgs, connector: &Connector) -> Finding {
        match self {
            Self::Refused(response) => refused_finding(args, connector, response).await,
            Self::NoResponse(error) => no_response_finding(&args.url, connector, error).await,
            Self::InvalidSwitch(message) => {
                Finding::with_code(Diagnosis::WrongSwitch, message, Advice::Switch)
            }
        }
    }
}

/// Returns the target of a redirect, escaped and in quotes.
fn location(response: &HttpResponse) -> String {
    response
        .header("location")
        .map_or_else(|| "no Location header".to_owned(), excerpt)
}
