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
/// use std::sync::Arc;
///
/// use gabion_core::{ClientRules, Now, Snapshot};
/// use gabion_proxy::{Connections, raise_descriptor_limit};
/// # use gabion_core::{Facts, Inspect, RequestState, Verdict};
/// # struct PassAll;
/// # impl Inspect for PassAll {
/// #     fn name(&self) -> &'static str {
/// #         "pass"
/// #     }
/// #     fn inspect(&self, _: &Facts<'_>, _: &mut RequestState) -> Verdict {
/// #         Verdict::Pass
/// #     }
/// # }
///
/// # fn main() -> std::io::Result<()> {
/// let policy = Arc::new(Snapshot::new(ClientRules::default(), Arc::new(PassAll)));
/// let now = || Now::new(std::time::Duration::ZERO, std::time::SystemTime::now());
/// let connections = Connections::new(policy, now).with_descriptors(raise_descriptor_limit()?);
/// # Ok(())
/// # }
/// ```
pub fn raise_descriptor_limit() -> io::Result<u64> {
    rlimit::increase_nofile_limit(MOST)
}
