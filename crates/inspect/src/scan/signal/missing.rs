//! Requests for many different pages that the service does not have: it answers 404 or 410; or it answers
//! with the page that it returns for any path, and the client loads no assets.
//!
//! Honest clients request a few: a crawler that visits moved pages, a checker of links, a client that
//! looks up ids. So the signal begins with a number of pages, within one to two half-lives of the score:
//! more for programs that name themselves, as crawlers do, and for browsers in single-page applications. And
//! 1. another id in a path does not make another page;
//! 2. of a folder in which the client was served a page, and of the queries of such a page, at most
//!    four count; in a single-page application, of any folder;
//! 3. pages that the service served lately to any client do not count;
//! 4. the client was served at most eight times as many different pages: an address that many people
//!    share requests both.
//!
//! Assets ([`super::asset`]) do not count, and neither do 401 and 403, which an application returns
//! for every path after its session has ended.

use super::{Detector, Signal, Trigger};
use crate::scan::{
    distinct::Distinct,
    exchange::{Answer, Exchange, NAMED, TOOL},
};

pub(super) const SIGNAL: Signal = Signal {
    name: "missing",
    weight: 15,
    trigger: Trigger::Alone,
    detector: Detector::Response(|exchange| {
        exchange.is_new
            && pages(exchange).is_some_and(|(pages, first)| {
                let served = exchange.history.served.estimate();
                pages.bits() >= first && pages.estimate() * SERVED >= served
            })
    }),
};

/// Returns the pages that are missing in the way of this one, and the number of pages with which the signal
/// begins.
const fn pages<'e>(exchange: &Exchange<'e>) -> Option<(&'e Distinct<2>, u32)> {
    let history = exchange.history;
    let (pages, browser) = match exchange.answer {
        Answer::Missing => (&history.missing, 11),
        Answer::CatchAll { .. } => (&history.catch_all, 40),
        _ => return None,
    };
    let first = match exchange.signals & (NAMED | TOOL) {
        0 => browser,
        TOOL => 11,
        NAMED => 18,
        // A library, which sends `User-Agent` by default.
        _ => 14,
    };
    Some((pages, first))
}

/// The number of served pages for each missing one with which the signal ends.
const SERVED: f32 = 8.0;
