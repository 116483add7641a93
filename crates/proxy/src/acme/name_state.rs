//! The certificate of one name, and the time of its renewal.

use std::time::SystemTime;

use super::{issued::IssuedCertificate, wall_clock};

/// What is known of one name.
pub(super) struct NameState {
    pub(super) name: String,
    /// The hash of the file that was read last.
    pub(super) seen: Option<u64>,
    pub(super) issued: Option<IssuedCertificate>,
    /// The time of the renewal; that of the first certificate is now.
    pub(super) due: SystemTime,
    pub(super) renewal_info: RenewalInfoState,
    pub(super) was_announced: bool,
}

/// What the authority suggested.
#[derive(Clone, Copy)]
pub(super) enum RenewalInfoState {
    /// To be asked at this time.
    Ask(SystemTime),
    /// The authority has no such service.
    Unsupported,
}

// === impl NameState ===

impl NameState {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            seen: None,
            issued: None,
            due: wall_clock(),
            renewal_info: RenewalInfoState::Ask(wall_clock()),
            was_announced: false,
        }
    }

    pub(super) fn take(&mut self, issued: IssuedCertificate) {
        self.due = issued.renewal(chance());
        self.issued = Some(issued);
        if let RenewalInfoState::Ask(at) = &mut self.renewal_info {
            *at = wall_clock();
        }
    }
}

/// A random number from 0 to 1; without random numbers, 0.
pub(super) fn chance() -> f64 {
    let random = getrandom::u32().unwrap_or_default();
    f64::from(random) / f64::from(u32::MAX)
}
