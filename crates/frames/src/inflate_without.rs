//! Substitute for decompression without the feature `deflate`: fails.

use crate::{Kind, Limits};

#[derive(Debug, Default)]
pub(crate) struct Inflater;

impl Inflater {
    #[expect(clippy::unused_self, reason = "same signature as with the feature")]
    pub(crate) fn inflate(&mut self, _sent: &[u8], _limits: &Limits) -> Result<Vec<u8>, Kind> {
        Err(Kind::CannotInflate)
    }
}
