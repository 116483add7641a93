//! A method that web applications do not use, and that the service did not take. Where it does, as a
//! calendar or a share takes PROPFIND, it says nothing.

use http::{Method, StatusCode};

use super::{Sign, Signal, Weight};

pub(super) const SIGNAL: Signal = Signal {
    name: "method",
    weight: 30,
    counts: Weight::Alone,
    sign: Sign::Answer(|answer| {
        let status = answer.outcome.status;
        let taken = status.is_success() || status.is_informational() || status.is_redirection();
        let asks_who = status == StatusCode::UNAUTHORIZED;
        !is_usual(answer.state.method()) && !taken && !asks_who
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
