//! The outcome of an exchange, and what inspectors conclude from it.

use std::time::Duration;

use http::StatusCode;

use crate::{Cause, Denial, DiagnosisEvent, Offense};

/// The outcome of an exchange.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Outcome<'d> {
    /// The status of the response, from the service or from a denial.
    pub status: StatusCode,
    /// The denial, if the response came from a denial.
    pub denial: Option<&'d Denial>,
    /// The length of the response body, if known in advance; for HEAD, that of the response to GET.
    pub length: Option<u64>,
    /// The time from the judgment to the head of the response. Measured only if an inspector of the
    /// policy needs it ([`Needs::ELAPSED`](crate::Needs::ELAPSED)), else zero.
    pub elapsed: Duration,
}

/// The findings of all inspectors about one exchange: at most one of each kind, the first that was
/// reported. Filled by [`Inspect::on_response`](crate::Inspect::on_response).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use gabion_core::{Findings, Offense, RuleId};
///
/// let offense = |rule| Offense::certain(RuleId::builtin(rule), Duration::from_secs(600));
/// let mut findings = Findings::default();
/// findings.report_offense(offense("patience"));
/// findings.report_offense(offense("scan"));
/// assert_eq!(findings.offense.unwrap().rule.as_str(), "patience");
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Findings {
    /// An offense of the client, which may ban it.
    pub offense: Option<Offense>,
    /// A diagnosis of a WebSocket failure. Recorded as an event; it changes nothing else.
    pub diagnosis: Option<DiagnosisEvent>,
    /// The reason why the request was a probe, if its response shows that the probe succeeded: the
    /// service exposes a file that no client should find. Recorded as a
    /// [`ProbeHitEvent`](crate::ProbeHitEvent).
    pub probe_hit: Option<Cause>,
}

// === impl Outcome ===

impl<'d> Outcome<'d> {
    /// Creates the outcome of an exchange that ended with `status`.
    pub const fn new(status: StatusCode, denial: Option<&'d Denial>, elapsed: Duration) -> Self {
        Self {
            status,
            denial,
            length: None,
            elapsed,
        }
    }

    /// Sets the length of the response body.
    pub fn with_length(self, length: Option<u64>) -> Self {
        Self { length, ..self }
    }
}

// === impl Findings ===

impl Findings {
    /// Reports an offense, unless an earlier inspector did.
    pub fn report_offense(&mut self, offense: Offense) {
        self.offense.get_or_insert(offense);
    }

    /// Reports a diagnosis, unless an earlier inspector did.
    pub fn report_diagnosis(&mut self, diagnosis: DiagnosisEvent) {
        self.diagnosis.get_or_insert(diagnosis);
    }

    /// Reports a probe that succeeded, unless an earlier inspector did.
    pub fn report_probe_hit(&mut self, cause: Cause) {
        self.probe_hit.get_or_insert(cause);
    }
}
