//! Coalescing of vectored writes.

use std::{io::IoSlice, mem::MaybeUninit};

use tokio::io::ReadBuf;

/// The space on the stack for a head and a small body. It is not zeroed: that took a tenth of the instructions of a
/// request.
pub(crate) const COALESCE_SPACE: [MaybeUninit<u8>; 4096] = [MaybeUninit::uninit(); 4096];

/// Returns the slices as one, copied to `buffer` if there are several; `None` if they do not fit.
/// The system call gathers small buffers more slowly than it takes one.
pub(crate) fn coalesce<'p>(
    slices: &'p [IoSlice<'_>],
    buffer: &'p mut ReadBuf<'_>,
) -> Option<&'p [u8]> {
    if let [whole] = slices {
        return Some(whole);
    }
    for slice in slices {
        if slice.len() > buffer.remaining() {
            return None;
        }
        buffer.put_slice(slice);
    }
    Some(buffer.filled())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_that_fit_are_coalesced() {
        let long = [b'x'; size_of_val(&COALESCE_SPACE) + 1];
        for parts in [
            &[][..],
            &[&b"head"[..]],
            &[b"head", b"", b"body"],
            &[&long[..4094], b"ab"],
            // A single slice needs no buffer.
            &[&long],
        ] {
            assert_eq!(coalesced(parts), Some(parts.concat()));
        }
        assert_eq!(coalesced(&[&long[..4094], b"abc"]), None);
    }

    fn coalesced(parts: &[&[u8]]) -> Option<Vec<u8>> {
        let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut space = COALESCE_SPACE;
        coalesce(&slices, &mut ReadBuf::uninit(&mut space)).map(<[u8]>::to_vec)
    }
}
