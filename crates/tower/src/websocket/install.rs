//! Putting a tap between the server and the service.

use std::{
    cell::Cell,
    convert::Infallible,
    future::{Future as _, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Extensions, Request, Response, StatusCode};
use hyper::{
    body::Incoming, server::conn::http1, service::service_fn, upgrade, upgrade::OnUpgrade,
};

use super::{SessionPermit, tap::Tap};
use crate::GuardBody;

/// How often the canned connection may have to be polled; once is enough for hyper 1.12.
const POLLS: usize = 8;

/// Puts a tap in the place of what the server left in `extensions`, or says that it could not.
/// Where the server left nothing, nothing is done.
pub(crate) fn install(
    extensions: &mut Extensions,
    permit: SessionPermit,
) -> Result<(), &'static str> {
    let Some(real) = extensions.remove::<OnUpgrade>() else {
        return Ok(());
    };
    let session = permit.session().clone();
    let made = serve_canned(Tap::new(real, permit)).ok_or("hyper upgrades no more as it did")?;
    session.set_installed();
    extensions.insert(made);
    Ok(())
}

/// Has hyper serve the canned request, whose answer is an upgrade.
fn serve_canned(tap: Tap) -> Option<OnUpgrade> {
    let made = Cell::new(None);
    let service = service_fn(|mut request: Request<Incoming>| {
        made.set(Some(upgrade::on(&mut request)));
        let mut response = Response::new(GuardBody::<Incoming>::denial(Bytes::new()));
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
