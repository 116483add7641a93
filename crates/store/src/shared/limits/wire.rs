//! A message with counts, version 1: bytes, little-endian.
//!
//! | bytes | content |
//! |---|---|
//! | 1 | 1; a message of another version is skipped |
//! | 4 | the time in which the counts arose, in milliseconds |
//! | 20 per count | quota, key (8 each), units (4) |

use std::time::Duration;

use gabion_core::LimitCount;

const VERSION: u8 = 1;
const HEAD: usize = 5;
const COUNT: usize = 20;

/// The maximum number of counts of a message, about 40 kB.
pub(super) const MAX_COUNTS: usize = 2_048;

/// The longest time in which counts arise that are worth a message, and the latest to apply.
pub(super) const MAX_AGE: Duration = Duration::from_secs(10);

/// Counts and the time in which they arose.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) age: Duration,
    pub(super) counts: Vec<LimitCount>,
}

pub(super) fn write(age: Duration, counts: &[LimitCount]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + COUNT * counts.len());
    bytes.push(VERSION);
    let age = u32::try_from(age.as_millis()).unwrap_or(u32::MAX);
    bytes.extend(age.to_le_bytes());
    for count in counts {
        bytes.extend(count.quota.to_le_bytes());
        bytes.extend(count.key.to_le_bytes());
        bytes.extend(count.units.to_le_bytes());
    }
    bytes
}

/// Reads a message; `None` if it is invalid or of another version.
pub(super) fn read(bytes: &[u8]) -> Option<Message> {
    let (&version, bytes) = bytes.split_first()?;
    let (age, bytes) = bytes.split_first_chunk()?;
    let age = Duration::from_millis(u32::from_le_bytes(*age).into());
    let (counts, rest) = bytes.as_chunks::<COUNT>();
    let is_valid = version == VERSION && rest.is_empty() && counts.len() <= MAX_COUNTS;
    if !is_valid || age > MAX_AGE {
        return None;
    }
    let counts = counts.iter().filter_map(read_count).collect();
    Some(Message { age, counts })
}

fn read_count(bytes: &[u8; COUNT]) -> Option<LimitCount> {
    let (quota, bytes) = bytes.split_first_chunk()?;
    let (key, bytes) = bytes.split_first_chunk()?;
    let (units, _) = bytes.split_first_chunk()?;
    Some(LimitCount {
        quota: u64::from_le_bytes(*quota),
        key: u64::from_le_bytes(*key),
        units: u32::from_le_bytes(*units),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn count(n: u32) -> LimitCount {
        LimitCount {
            quota: n.into(),
            key: u64::MAX - u64::from(n),
            units: n,
        }
    }

    #[test]
    fn messages_are_read_as_written() {
        let age = Duration::from_millis(200);
        for n in [0, 1, 2_048] {
            let counts: Vec<_> = (0..n).map(count).collect();
            let bytes = write(age, &counts);
            assert_eq!(read(&bytes), Some(Message { age, counts }));
        }
    }

    #[test]
    fn other_versions_and_lengths_are_skipped() {
        let age = Duration::from_millis(200);
        let counts: Vec<_> = (0..2_049).map(count).collect();
        assert_eq!(read(&write(age, &counts)), None, "too many");
        let bytes = write(age, &counts[..2]);
        assert_eq!(read(&bytes[..bytes.len() - 1]), None);
        assert_eq!(read(&bytes[..4]), None);
        assert_eq!(read(&[]), None);
        let mut later = bytes;
        later[0] = 2;
        assert_eq!(read(&later), None);
        assert_eq!(read(&write(MAX_AGE * 2, &counts[..2])), None, "too old");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            read(&bytes);
        }
    }
}
