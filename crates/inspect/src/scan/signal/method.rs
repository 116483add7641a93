//! A method that web applications do not use and that the service rejected. A service that accepts
//! it, such as a calendar or file share with PROPFIND, does not match.

use gabion_core::{Outcome, RequestState};
use http::{Method, StatusCode};

use super::{Detector, Signal, Trigger};

pub(crate) const SIGNAL: Signal = Signal {
    name: "method",
    weight: 30,
    trigger: Trigger::Alone,
    detector: Detector::Response(|exchange| {
        let status = exchange.outcome.status;
        let is_accepted =
            status.is_success() || status.is_informational() || status.is_redirection();
        let needs_login = status == StatusCode::UNAUTHORIZED;
        !is_usual(exchange.state.method()) && !is_accepted && !needs_login
    }),
};

/// Returns `true` if the service does not offer the method. Then the request is not scored: file
/// managers try OPTIONS and PROPFIND on any server, and on several paths within a second.
pub(crate) fn is_not_offered(state: &RequestState, outcome: &Outcome<'_>) -> bool {
    let refuses_method = matches!(
        outcome.status,
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
    );
    match state.method().as_str() {
        "OPTIONS" | "PROPFIND" => refuses_method || outcome.status == StatusCode::NOT_FOUND,
        _ => refuses_method && !is_usual(state.method()),
    }
}

fn is_usual(method: &Method) -> bool {
    const USUAL: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    USUAL.contains(method)
}
