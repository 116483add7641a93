//! A method that web applications do not use and that the service rejected. A service that accepts
//! it, such as a calendar or file share with PROPFIND, does not match.

use http::{Method, StatusCode};

use super::{Detector, Signal, Trigger};

pub(super) const SIGNAL: Signal = Signal {
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
