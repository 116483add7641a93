//! Detection of responses that a service gives to any path.

use gabion_core::{Outcome, RequestState};
use http::Method;

use super::{exchange, target::Target};
use crate::{bounded_map::BoundedMap, lossy_set::LossySet};

/// The pages that had each shape of response.
#[derive(Debug)]
pub(super) struct UniformResponses {
    pages: BoundedMap<Shape, Pages>,
    /// The numbers of shapes that were found to be uniform, for lookups without a lock. `pages` decides on
    /// those that were forgotten.
    uniform: LossySet,
}

/// The status and the length of a response.
type Shape = (u16, Option<u64>);

/// The first three different pages with that shape, or paths of probes.
type Pages = [Option<u64>; 3];

/// The largest number of shapes.
const CAPACITY: usize = 4096;

impl UniformResponses {
    pub(super) fn new() -> Self {
        Self {
            pages: BoundedMap::new(CAPACITY),
            uniform: LossySet::new(256),
        }
    }

    /// Records a response to a GET or HEAD request. Assets are skipped, since many have the same length;
    /// responses of unknown length are recorded for probes only.
    pub(super) fn record(
        &self,
        state: &RequestState,
        target: Target,
        signals: u64,
        outcome: &Outcome<'_>,
    ) {
        let is_probe = state.probe().is_some() || !state.observed().is_empty();
        let is_comparable = outcome.length.is_some() && signals & exchange::ASSET == 0;
        let may_hit = outcome.status.is_success() || outcome.status.is_server_error();
        let is_read = matches!(*state.method(), Method::GET | Method::HEAD);
        if may_hit
            && is_read
            && outcome.denial.is_none()
            && (is_comparable || is_probe)
            && !self.is_uniform(outcome)
        {
            let page = Some(if is_probe {
                state.path_hash()
            } else {
                target.page().into()
            });
            self.pages.update(shape(outcome), |pages| {
                if !pages.contains(&page)
                    && let Some(free) = pages.iter_mut().find(|slot| slot.is_none())
                {
                    *free = page;
                }
            });
        }
    }

    /// Returns `true` if three different pages had a response of this shape.
    pub(super) fn is_uniform(&self, outcome: &Outcome<'_>) -> bool {
        let shape = shape(outcome);
        let number = number(shape);
        if number.is_some_and(|number| self.uniform.contains(number)) {
            return true;
        }
        let pages = self.pages.get(shape).unwrap_or_default();
        let is_uniform = pages.iter().all(Option::is_some);
        if is_uniform && let Some(number) = number {
            self.uniform.insert(number);
        }
        is_uniform
    }
}

/// Packs a shape into one number that is not zero. `None` if the length is too large for it.
fn number((status, length): Shape) -> Option<u64> {
    /// The number of bits of a length.
    const BITS: u32 = 48;
    let length = length.map_or(Some(0), |length| length.checked_add(1))?;
    let fits = length >> BITS == 0;
    fits.then(|| u64::from(status) << BITS | length)
}

/// Returns a hash of the shape of a response.
pub(super) fn hash(outcome: &Outcome<'_>) -> u32 {
    let number = number(shape(outcome)).unwrap_or_default();
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

fn shape(outcome: &Outcome<'_>) -> Shape {
    (outcome.status.as_u16(), outcome.length)
}
