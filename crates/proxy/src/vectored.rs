//! Coalescing of vectored writes.

use std::io::IoSlice;

/// A stack buffer that holds a head and a small body.
pub(crate) type CoalesceBuffer = [u8; 4096];

/// Returns the slices as one, copied to `buffer` if there are several; `None` if they do not fit.
/// The system call gathers small buffers more slowly than it takes one.
pub(crate) fn coalesce<'p>(
    slices: &'p [IoSlice<'_>],
    buffer: &'p mut CoalesceBuffer,
) -> Option<&'p [u8]> {
    if let [whole] = slices {
        return Some(whole);
    }
    let mut filled = 0;
    for slice in slices {
        let end = filled + slice.len();
        buffer.get_mut(filled..end)?.copy_from_slice(slice);
        filled = end;
    }
    buffer.get(..filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_that_fit_are_coalesced() {
        let (mut buffer, long) = (
            [0; size_of::<CoalesceBuffer>()],
            [b'x'; size_of::<CoalesceBuffer>() + 1],
        );
        for parts in [
            &[][..],
            &[&b"head"[..]],
            &[b"head", b"", b"body"],
            &[&long[..4094], b"ab"],
            // A single slice needs no buffer.
            &[&long],
        ] {
            let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
            assert_eq!(coalesce(&slices, &mut buffer), Some(&parts.concat()[..]));
        }
        let more = [&long[..4094], b"abc"].map(IoSlice::new);
        assert_eq!(coalesce(&more, &mut buffer), None);
    }
}
