//! Installation of a tap between the server and the service.

use std::{
    cell::Cell,
    convert::Infallible,
    future::{Future as _, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use http::{Extensions, Request, Response, StatusCode};
use hyper::{
    body::Incoming, server::conn::http1, service::service_fn, upgrade, upgrade::OnUpgrade,
};

use super::{SessionPermit, tap::Tap};

const INCOMPATIBLE: &str = "WebSocket handshake answered with 503: hyper did not complete the upgrade of \
     gabion's internal connection; use a hyper version that this gabion version supports (1.12)";

/// The maximum number of polls of the internal connection. hyper 1.12 needs one.
const POLLS: usize = 8;

/// Replaces the `OnUpgrade` that the server left in `extensions` by that of a tap. Does nothing if
/// there is none. Returns a message for the operator if hyper does not complete the internal
/// upgrade.
pub(crate) fn install(
    extensions: &mut Extensions,
    permit: SessionPermit,
) -> Result<(), &'static str> {
    let Some(real) = extensions.remove::<OnUpgrade>() else {
        return Ok(());
    };
    let session = permit.session().clone();
    let made = serve_canned(Tap::new(real, permit)).ok_or(INCOMPATIBLE)?;
    session.set_installed();
    extensions.insert(made);
    Ok(())
}

/// Lets hyper serve the internal request, which is answered with an upgrade.
fn serve_canned(tap: Tap) -> Option<OnUpgrade> {
    let made = Cell::new(None);
    let service = service_fn(|mut request: Request<Incoming>| {
        made.set(Some(upgrade::on(&mut request)));
        let mut response = Response::new(String::new());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        ready(Ok::<_, Infallible>(response))
    });
    let mut server = http1::Builder::new();
    let connection = server
        .auto_date_header(false)
        .serve_connection(tap, service);
    let mut connection = pin!(connection.with_upgrades());
    let mut cx = Context::from_waker(Waker::noop());
    let mut polls = (0..POLLS).map(|_| connection.as_mut().poll(&mut cx));
    let done = polls.any(|polled| matches!(polled, Poll::Ready(Ok(()))));
    made.take().filter(|_| done)
}
