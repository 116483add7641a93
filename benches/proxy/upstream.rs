//! The parts of `crates/proxy` that the files of [`crate::pooled_hyper`] refer to.

use tokio::time::Instant;

/// The case of header names, which is not kept.
#[derive(Clone, Copy)]
pub(crate) enum HeaderCase {
    Lower,
}

/// The addresses of the upstream server, which do not change.
#[derive(Default)]
pub(crate) struct Resolution;

impl HeaderCase {
    pub(crate) const fn is_kept(self) -> bool {
        match self {
            Self::Lower => false,
        }
    }
}

#[expect(
    clippy::unused_self,
    reason = "the signatures are those of the product"
)]
impl Resolution {
    pub(crate) const fn refresh(&self, _now: Instant) {}

    pub(crate) const fn generation(&self) -> usize {
        0
    }
}
