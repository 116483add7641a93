//! Settings of the TCP connections to clients and to the upstream.

use std::time::Duration;

/// The idle time after which the operating system probes a TCP connection. Nothing else ends a
/// tunnel whose client disappeared.
pub(crate) const KEEP_ALIVE_PROBES: Duration = Duration::from_mins(1);
