//! What is written in pieces.

use std::io::IoSlice;

/// Room for a head and a small body.
pub(crate) type CoalesceBuffer = [u8; 4096];

/// The pieces as one, copied to `room` where they are several: the system takes longer to gather
/// little from many places than to be given it whole. None where they do not fit.
pub(crate) fn coalesce<'p>(
    pieces: &'p [IoSlice<'_>],
    room: &'p mut CoalesceBuffer,
) -> Option<&'p [u8]> {
    if let [whole] = pieces {
        return Some(whole);
    }
    let mut filled = 0;
    for piece in pieces {
        let end = filled + piece.len();
        room.get_mut(filled..end)?.copy_from_slice(piece);
        filled = end;
    }
    room.get(..filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_one_where_they_fit() {
        let (mut room, long) = (
            [0; size_of::<CoalesceBuffer>()],
            [b'x'; size_of::<CoalesceBuffer>() + 1],
        );
        for pieces in [
            &[][..],
            &[&b"head"[..]],
            &[b"head", b"", b"body"],
            &[&long[..4094], b"ab"],
            // One needs no room.
            &[&long],
        ] {
            let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            assert_eq!(coalesce(&slices, &mut room), Some(&pieces.concat()[..]));
        }
        let more = [&long[..4094], b"abc"].map(IoSlice::new);
        assert_eq!(coalesce(&more, &mut room), None);
    }
}
