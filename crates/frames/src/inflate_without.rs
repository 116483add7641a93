//! In place of inflating, where the feature `deflate` is off: refuses.

use crate::{Kind, Limits};

#[derive(Debug, Default)]
pub(crate) struct Inflater;

impl Inflater {
    #[expect(clippy::unused_self, reason = "the shape of the one that inflates")]
    pub(crate) fn inflate(&mut self, _sent: Vec<u8>, _limits: &Limits) -> Result<Vec<u8>, Kind> {
        Err(Kind::CannotInflate)
    }
}
