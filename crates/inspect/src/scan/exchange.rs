//! An exchange, and what the client did before.

use gabion_core::{Outcome, RequestState};
use http::{Method, StatusCode};

use super::{distinct::Distinct, target::Target};

/// An exchange, and the recent behavior of its client.
pub(super) struct Exchange<'a> {
    pub(super) state: &'a RequestState,
    /// The signals of the head, as bits.
    pub(super) signals: u64,
    pub(super) outcome: &'a Outcome<'a>,
    pub(super) answer: Answer,
    /// Includes this exchange.
    pub(super) history: &'a History,
    /// `true` if this exchange added to the history.
    pub(super) is_new: bool,
}

/// The meaning of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The service served the page.
    Served,
    /// The service does not have the page: it returned 404 or 410.
    Missing,
    /// The service returned the page that it returns for any path.
    CatchAll {
        /// A hash of the status and the length.
        shape: u32,
    },
    /// The service failed (500) at a page that it serves to other clients.
    Error,
    /// The service refused a modifying request.
    Refused,
    /// Any other response, such as a denial or a redirection.
    Other,
}

/// The recent behavior of a client.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// The pages that the client was served.
    pub(super) served: Distinct,
    /// The collections ([`Target::collection`]) of the pages that the client was served.
    collections: Distinct,
    /// The missing pages.
    pub(super) missing: Distinct<2>,
    /// The targets at which the service failed.
    pub(super) errors: Distinct,
    /// The number of modifying requests answered with 401 or 403. Decays with the score.
    pub(super) refused: f32,
    /// The number of assets that the client was served. Decays with the score.
    assets: f32,
    /// The pages to which the service gave the response that it gives to any path.
    pub(super) catch_all: Distinct<2>,
    /// The most frequent such response.
    catch_all_shape: MostFrequent,
    /// The period of the sets, counted in half-lives.
    period: u32,
}

/// The most frequent of some numbers, if it is the majority (Boyer and Moore, 1981).
#[derive(Clone, Copy, Debug, Default)]
struct MostFrequent {
    number: u32,
    votes: u8,
}

/// The bit of the signals of a head that was judged.
pub(super) const JUDGED: u64 = 1 << 63;
/// The bit of the signals of a head whose path is an asset.
pub(super) const ASSET: u64 = 1 << 62;
/// The bit of the signals of a head that a program sent, rather than a browser.
pub(super) const TOOL: u64 = 1 << 61;
/// The bit of the signals of a head whose `User-Agent` is that of a program with a name of its own, such
/// as a crawler.
pub(super) const NAMED: u64 = 1 << 60;
/// The bit of the signals of a head whose query looks like an attack.
pub(super) const INJECTION: u64 = 1 << 59;

// === impl Answer ===

impl Answer {
    /// Returns the meaning of a response by its status. A success may also be [`Self::CatchAll`], and
    /// an error [`Self::Other`].
    pub(super) fn by_status(state: &RequestState, signals: u64, outcome: &Outcome<'_>) -> Self {
        if outcome.denial.is_some() {
            return Self::Other;
        }
        match outcome.status {
            status if status.is_success() => Self::Served,
            StatusCode::NOT_MODIFIED | StatusCode::SWITCHING_PROTOCOLS => Self::Served,
            StatusCode::NOT_FOUND | StatusCode::GONE if signals & ASSET == 0 => Self::Missing,
            StatusCode::INTERNAL_SERVER_ERROR => Self::Error,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if !is_read(state.method()) => {
                Self::Refused
            }
            _ => Self::Other,
        }
    }
}

// === impl MostFrequent ===

impl MostFrequent {
    /// The lead of the most frequent number that shows more than chance.
    const LEAD: u8 = 3;

    /// Adds a number. Returns `true` if it is the most frequent one, with a lead.
    const fn add(&mut self, number: u32) -> bool {
        if self.votes == 0 {
            self.number = number;
        }
        let is_most_frequent = self.number == number;
        self.votes = if is_most_frequent {
            self.votes.saturating_add(1)
        } else {
            self.votes.saturating_sub(1)
        };
        is_most_frequent && self.votes >= Self::LEAD
    }
}

const fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

// === impl History ===

impl History {
    /// The number of items of a collection that count as missing, once one was served.
    const ITEMS: u32 = 4;

    /// The number of pages for each asset, up to which a client loads assets.
    const PAGES_PER_ASSET: f32 = 4.0;

    /// Counts an exchange. Returns `true` if it adds to the history.
    pub(super) fn record(&mut self, target: Target, signals: u64, answer: Answer) -> bool {
        match answer {
            Answer::Served => {
                self.assets += if signals & ASSET == 0 { 0.0 } else { 1.0 };
                if let Some(collection) = target.collection() {
                    self.collections.insert(collection);
                }
                self.served.insert(target.page())
            }
            Answer::Missing => self.missing.insert(self.missing_key(target)),
            // A crawler opens all pages of a single-page application.
            Answer::CatchAll { shape } if signals & (NAMED | TOOL) != NAMED => {
                let is_counted = self.catch_all_shape.add(shape) && !self.loads_assets();
                is_counted && self.catch_all.insert(Self::item(target))
            }
            Answer::Error => self.errors.insert(target.key()),
            Answer::Refused => {
                self.refused += 1.0;
                true
            }
            Answer::CatchAll { .. } | Answer::Other => false,
        }
    }

    /// Returns `true` if the client requests the assets of pages, as browsers do.
    pub(super) fn loads_assets(&self) -> bool {
        let pages = self.missing.bits().max(self.catch_all.bits());
        let pages = f32::from(u16::try_from(pages).unwrap_or(u16::MAX));
        self.assets * Self::PAGES_PER_ASSET > pages + Self::PAGES_PER_ASSET
    }

    fn missing_key(&self, target: Target) -> u32 {
        let collection = target.collection();
        let is_served = |collection| self.collections.contains(collection);
        if collection.is_some_and(is_served) {
            Self::item(target)
        } else {
            target.key()
        }
    }

    /// Returns a key of a page, of which a collection has few.
    fn item(target: Target) -> u32 {
        match target.collection() {
            Some(collection) => collection.wrapping_add(target.key() % Self::ITEMS),
            None => target.key(),
        }
    }

    /// Multiplies the counts by `left`, and forgets what is older than the period before `period`.
    pub(super) fn decay(&mut self, left: f32, period: u32) {
        self.refused *= left;
        self.assets *= left;
        let periods = period.saturating_sub(self.period);
        if periods > 0 {
            self.period = period;
            self.served.advance(periods);
            self.collections.advance(periods);
            self.missing.advance(periods);
            self.catch_all.advance(periods);
            self.errors.advance(periods);
        }
    }
}
