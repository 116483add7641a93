//! Who may call the API.
//!
//! A request over the Unix socket is accepted when it did not come through a proxy, since the mode of the socket admits
//! only its owner and root. A request over TCP is accepted when
//! 1. its address has not failed too often within a minute;
//! 2. its `Host` is an address, `localhost` or a configured name, so that no page reaches the API by DNS rebinding;
//! 3. no browser sent it from another site;
//! 4. it has the token. `/livez` and `/readyz` need none.

mod attempts;
mod refusals;
mod token;

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use gabion::event::AuditAction;
use http::{HeaderMap, HeaderValue, StatusCode, header, uri::Authority};

use crate::{
    admin::{Admin, Change},
    caller::{Caller, Peer},
    error::ApiError,
};
use attempts::Attempts;
use refusals::Refusals;
pub use token::{Token, TokenError};

/// The checks of one listener.
pub(crate) struct Access {
    admin: Admin,
    tcp: Option<TcpAccess>,
    refusals: Refusals,
}

/// The checks of a TCP listener.
pub(crate) struct TcpAccess {
    token: Token,
    hosts: Vec<String>,
    attempts: Attempts,
}

/// The reason why a caller is refused.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    reason: String,
}

/// Headers that proxies add.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// Lets a request in with its [`Caller`], or answers it.
pub(crate) async fn check(
    State(access): State<Arc<Access>>,
    mut request: Request,
    next: Next,
) -> Response {
    match access.admit(&request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err((peer, refusal)) => access.refuse(peer, refusal),
    }
}

// === impl Access ===

impl Access {
    pub(crate) fn new(admin: Admin, tcp: Option<TcpAccess>) -> Self {
        Self {
            admin,
            tcp,
            refusals: Refusals::default(),
        }
    }

    fn admit(&self, request: &Request) -> Result<Caller, (Option<Peer>, Refusal)> {
        let peer = request.extensions().get::<Peer>().copied();
        let admitted = match (peer, &self.tcp) {
            (Some(Peer::Unix(uid)), None) => admit_unix(uid, request.headers()),
            (Some(Peer::Tcp(addr)), Some(tcp)) => tcp.admit(addr, request, self.now()),
            _ => Err(Refusal::new(StatusCode::FORBIDDEN, "unknown caller")),
        };
        admitted.map_err(|refusal| (peer, refusal))
    }

    fn now(&self) -> std::time::Duration {
        self.admin.guard().now().mono()
    }

    fn refuse(&self, peer: Option<Peer>, refusal: Refusal) -> Response {
        let Refusal { status, reason } = refusal;
        if let Some(suppressed) = self.refusals.admit(self.now()) {
            let actor: Arc<str> = match peer {
                Some(peer) => peer.to_string().into(),
                None => "unknown".into(),
            };
            let detail = match suppressed {
                0 => reason.clone(),
                more => format!("{reason} ({more} refusals before it are not shown)"),
            };
            let change = Change::new(AuditAction::Refused, None, detail);
            self.admin.audit(&actor, change);
        }
        let mut response = ApiError::new(status, reason).into_response();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let window = HeaderValue::from(Attempts::WINDOW.as_secs());
            response.headers_mut().insert(header::RETRY_AFTER, window);
        }
        response
    }
}

/// A proxy that forwards requests of clients to the socket, by mistake or by an attack, has the guard's own uid.
fn admit_unix(uid: Option<u32>, headers: &HeaderMap) -> Result<Caller, Refusal> {
    if let Some(name) = FORWARDED
        .into_iter()
        .find(|name| headers.contains_key(*name))
    {
        let reason = format!("the request came through a proxy: it has the header `{name}`");
        return Err(Refusal::new(StatusCode::FORBIDDEN, reason));
    }
    not_cross_site(headers)?;
    Ok(Caller {
        actor: Peer::Unix(uid).to_string().into(),
        is_local: true,
    })
}

/// Browsers add these headers, and pages cannot remove them.
fn not_cross_site(headers: &HeaderMap) -> Result<(), Refusal> {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if headers.contains_key(header::ORIGIN)
        || !matches!(site, None | Some(b"none" | b"same-origin"))
    {
        let reason = "a web page sent the request: pages may not use the API";
        return Err(Refusal::new(StatusCode::FORBIDDEN, reason));
    }
    Ok(())
}

// === impl TcpAccess ===

impl TcpAccess {
    /// Admits callers with `token` that name an address, `localhost` or one of `hosts`.
    pub(crate) fn new(token: Token, hosts: Vec<String>) -> Self {
        Self {
            token,
            hosts,
            attempts: Attempts::default(),
        }
    }

    fn admit(
        &self,
        addr: IpAddr,
        request: &Request,
        now: std::time::Duration,
    ) -> Result<Caller, Refusal> {
        if self.attempts.are_exceeded(addr, now) {
            let most = Attempts::MOST;
            let reason = format!("{most} requests of this address failed within a minute");
            return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, reason));
        }
        let admitted = self.admit_request(addr, request);
        if admitted.is_err() {
            self.attempts.record(addr, now);
        }
        admitted
    }

    fn admit_request(&self, addr: IpAddr, request: &Request) -> Result<Caller, Refusal> {
        let headers = request.headers();
        self.check_host(request)?;
        not_cross_site(headers)?;
        let actor = match request.uri().path() {
            "/livez" | "/readyz" => Peer::Tcp(addr).to_string(),
            _ => {
                self.check_token(headers)?;
                format!("token from {addr}")
            }
        };
        Ok(Caller {
            actor: actor.into(),
            is_local: false,
        })
    }

    fn check_host(&self, request: &Request) -> Result<(), Refusal> {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().unwrap_or_default(),
            _ => "",
        };
        let target = request.uri().authority().map(Authority::as_str);
        let wrong = [host]
            .into_iter()
            .chain(target)
            .find(|host| !self.is_known(host));
        let Some(wrong) = wrong else { return Ok(()) };
        let shown: String = wrong.chars().take(64).collect();
        let reason = format!(
            "the API is not served at Host `{}`: use its address, or add --admin-host NAME",
            shown.escape_debug()
        );
        Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, reason))
    }

    /// DNS rebinding needs a name; an address in a URL is where the browser connects to.
    fn is_known(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        let name = authority.host();
        let literal = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        literal.unwrap_or(name).parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self
                .hosts
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let unauthorized = |reason: &str| Refusal::new(StatusCode::UNAUTHORIZED, reason);
        let value = headers
            .get(header::AUTHORIZATION)
            .ok_or_else(|| unauthorized("no token: send `Authorization: Bearer TOKEN`"))?;
        let token = match value.as_bytes().split_at_checked(7) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token,
            _ => return Err(unauthorized("invalid `Authorization`: send `Bearer TOKEN`")),
        };
        if self.token.matches(token.trim_ascii()) {
            return Ok(());
        }
        Err(unauthorized("wrong token"))
    }
}

// === impl Refusal ===

impl Refusal {
    fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
        }
    }
}
