//! How a service answers whatever it is asked for.

use gabion_core::{Outcome, RequestState};
use http::Method;

use super::signal;
use crate::bounded_map::BoundedMap;

/// Which answers are the same for different paths.
#[derive(Debug)]
pub(super) struct Answers(BoundedMap<Kind, Paths>);

/// A status and a length.
type Kind = (u16, Option<u64>);

/// The first different paths that were answered so.
type Paths = [Option<u64>; 3];

/// How many kinds of answers are told apart.
const KINDS: usize = 4096;

impl Answers {
    pub(super) fn new() -> Self {
        Self(BoundedMap::new(KINDS))
    }

    /// Takes note of an answer of the service. A page's own parts are often of one length, and tell
    /// nothing; nor does an answer of unknown length, but to a probe.
    pub(super) fn teach(&self, state: &RequestState, outcome: &Outcome<'_>) {
        let probe = state.probe().is_some() || !state.observed().is_empty();
        let known = outcome.length.is_some() && state.signals() & signal::ASSET == 0;
        let found = outcome.status.is_success() || outcome.status.is_server_error();
        let asked = *state.method() == Method::GET && outcome.denial.is_none();
        if found && asked && (known || probe) && !self.are_usual(outcome) {
            let path = Some(state.path_hash());
            self.0.update(kind(outcome), |paths| {
                if !paths.contains(&path)
                    && let Some(free) = paths.iter_mut().find(|slot| slot.is_none())
                {
                    *free = path;
                }
            });
        }
    }

    /// Whether the service answers other paths like this too.
    pub(super) fn are_usual(&self, outcome: &Outcome<'_>) -> bool {
        let paths = self.0.get(kind(outcome)).unwrap_or_default();
        paths.iter().all(Option::is_some)
    }
}

fn kind(outcome: &Outcome<'_>) -> Kind {
    (outcome.status.as_u16(), outcome.length)
}
