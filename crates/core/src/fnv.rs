//! FNV-1a hash, 64 bits (Fowler, Noll, Vo): stable across processes and machines, not keyed, not
//! secret.

pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
