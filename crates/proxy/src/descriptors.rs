//! The limit of file descriptors.

use std::io;

/// The most descriptors that are requested: the default of the kernel's own limit (`fs.nr_open`).
const MOST: u64 = 1 << 20;

/// Raises this process's limit of file descriptors to the hard limit, at most 1,048,576, and returns it. Each
/// proxied request takes two.
///
/// # Errors
///
/// Returns the system's error if the limit cannot be read or raised.
///
/// # Examples
///
/// ```
/// use gabion_proxy::{Capacity, ProxyOptions, raise_descriptor_limit};
///
/// # fn main() -> std::io::Result<()> {
/// let capacity = Capacity::for_descriptors(raise_descriptor_limit()?);
/// let options = ProxyOptions::default().with_capacity(capacity);
/// # Ok(())
/// # }
/// ```
pub fn raise_descriptor_limit() -> io::Result<u64> {
    rlimit::increase_nofile_limit(MOST)
}
