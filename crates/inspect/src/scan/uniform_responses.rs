//! Detection of responses that a service gives to any path.

use gabion_core::{Outcome, RequestState};
use http::Method;

use super::exchange;
use crate::bounded_map::BoundedMap;

/// The paths that had each shape of response.
#[derive(Debug)]
pub(super) struct UniformResponses(BoundedMap<Shape, Paths>);

/// The status and the length of a response.
type Shape = (u16, Option<u64>);

/// The first three different paths with that shape.
type Paths = [Option<u64>; 3];

/// The largest number of shapes.
const CAPACITY: usize = 4096;

impl UniformResponses {
    pub(super) fn new() -> Self {
        Self(BoundedMap::new(CAPACITY))
    }

    /// Records a response. Assets are skipped, since many have the same length; responses of
    /// unknown length are recorded for probes only.
    pub(super) fn record(&self, state: &RequestState, signals: u64, outcome: &Outcome<'_>) {
        let is_probe = state.probe().is_some() || !state.observed().is_empty();
        let is_comparable = outcome.length.is_some() && signals & exchange::ASSET == 0;
        let may_hit = outcome.status.is_success() || outcome.status.is_server_error();
        let is_from_service_to_get = *state.method() == Method::GET && outcome.denial.is_none();
        if may_hit
            && is_from_service_to_get
            && (is_comparable || is_probe)
            && !self.is_uniform(outcome)
        {
            let path = Some(state.path_hash());
            self.0.update(shape(outcome), |paths| {
                if !paths.contains(&path)
                    && let Some(free) = paths.iter_mut().find(|slot| slot.is_none())
                {
                    *free = path;
                }
            });
        }
    }

    /// Returns `true` if three different paths had a response of this shape.
    pub(super) fn is_uniform(&self, outcome: &Outcome<'_>) -> bool {
        let paths = self.0.get(shape(outcome)).unwrap_or_default();
        paths.iter().all(Option::is_some)
    }
}

fn shape(outcome: &Outcome<'_>) -> Shape {
    (outcome.status.as_u16(), outcome.length)
}
