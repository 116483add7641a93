//! Diagnosis of plain HTTP requests to WebSocket paths that are not configured as such.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gabion_core::{
    Diagnosis, DiagnosisEvent, Facts, Findings, Inspect, Needs, Outcome, RequestState, Upgrade,
    Verdict,
};
use http::{Method, StatusCode};

/// The paths on which WebSockets were opened recently, part of [`State`](crate::State). Bounded to
/// [`Self::CAPACITY`]; the oldest path is evicted.
#[derive(Debug, Default)]
pub struct KnownWebSocketPaths(Mutex<VecDeque<(u64, Box<[u8]>)>>);

/// Diagnoses plain GET requests that the service rejects on a path on which a WebSocket was opened
/// before. Denies nothing.
///
/// # Cost
///
/// For a handshake that succeeds and for a GET answered with 400 or 426, a lock and a comparison of
/// up to [`KnownWebSocketPaths::CAPACITY`] hashes. Nothing for other requests.
///
/// # Examples
///
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use gabion_core::{ClientRules, Findings, Inspect, Outcome, RequestState};
/// use gabion_inspect::{KnownWebSocketPaths, PlainHttpHint};
/// # use gabion_testkit::OwnedHead;
///
/// let hint = PlainHttpHint::new(Arc::new(KnownWebSocketPaths::default()));
/// let diagnose = |head: &OwnedHead, status: u16| {
///     let facts = head.facts(&ClientRules::default());
///     let state = RequestState::new(&facts);
///     let outcome = Outcome::new(status.try_into().unwrap(), None, Duration::ZERO);
///     let mut findings = Findings::default();
///     hint.on_response(&state, &outcome, &mut findings);
///     findings.diagnosis
/// };
/// let get = OwnedHead::get("/ws");
/// assert!(diagnose(&get, 400).is_none(), "no WebSocket was opened on this path");
///
/// let handshake = get.clone().header("connection", "upgrade").header("upgrade", "websocket");
/// diagnose(&handshake, 101);
/// assert!(diagnose(&get, 400).is_some());
/// ```
#[derive(Clone, Debug)]
pub struct PlainHttpHint(Arc<KnownWebSocketPaths>);

// === impl KnownWebSocketPaths ===

impl KnownWebSocketPaths {
    /// The largest number of paths, each of at most [`DiagnosisEvent::MAX_PATH`] bytes.
    pub const CAPACITY: usize = 64;

    fn record(&self, hash: u64, path: &[u8]) {
        let mut paths = self.paths();
        if paths.iter().any(|(known, _)| *known == hash) {
            return;
        }
        if paths.len() >= Self::CAPACITY {
            paths.pop_front();
        }
        let end = path.len().min(DiagnosisEvent::MAX_PATH);
        paths.push_back((hash, path.get(..end).unwrap_or_default().into()));
    }

    fn find(&self, hash: u64) -> Option<Box<[u8]>> {
        let paths = self.paths();
        let mut known = paths.iter().filter(|(known, _)| *known == hash);
        known.next().map(|(_, path)| path.clone())
    }

    fn paths(&self) -> MutexGuard<'_, VecDeque<(u64, Box<[u8]>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl PlainHttpHint ===

impl PlainHttpHint {
    /// Creates an inspector that records WebSocket paths in `paths`.
    pub const fn new(paths: Arc<KnownWebSocketPaths>) -> Self {
        Self(paths)
    }
}

impl Inspect for PlainHttpHint {
    fn name(&self) -> &'static str {
        "plain-http-hint"
    }

    fn needs(&self) -> Needs {
        Needs::RESPONSES
    }

    fn inspect(&self, _facts: &Facts<'_>, _state: &mut RequestState) -> Verdict {
        Verdict::Pass
    }

    fn on_response(&self, state: &RequestState, outcome: &Outcome<'_>, findings: &mut Findings) {
        // A successful handshake: 101 (RFC 6455, section 4.2.2), or 2xx to CONNECT (RFC 8441, section 5).
        let is_accepted = |status: StatusCode| {
            status == StatusCode::SWITCHING_PROTOCOLS
                || status.is_success() && *state.method() == Method::CONNECT
        };
        if state.upgrade() == Upgrade::WebSocket && is_accepted(outcome.status) {
            let target = state.target().unwrap_or_default();
            let path = target.split(|&byte| byte == b'?').next();
            self.0.record(state.path_hash(), path.unwrap_or_default());
        }
        if let Some(diagnosis) = self.diagnose(state, outcome) {
            findings.report_diagnosis(diagnosis);
        }
    }
}

impl PlainHttpHint {
    /// Diagnoses a plain GET that the service rejects on a known WebSocket path.
    fn diagnose(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<DiagnosisEvent> {
        let rejections = [StatusCode::BAD_REQUEST, StatusCode::UPGRADE_REQUIRED];
        if !rejections.contains(&outcome.status) || outcome.denial.is_some() {
            return None;
        }
        let is_plain = *state.method() == Method::GET && state.upgrade() == Upgrade::None;
        if !is_plain {
            return None;
        }
        let path = self.0.find(state.path_hash())?;
        let seen = format!(
            "WebSockets were opened on this path before, and the service answered a plain GET with {}",
            outcome.status.as_u16()
        );
        let (at, client) = (state.now().wall(), state.client().addr());
        Some(DiagnosisEvent::new(
            at,
            Diagnosis::PlainGet,
            client,
            &path,
            seen,
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gabion_core::{ClientRules, Denial};
    use gabion_testkit::OwnedHead;

    use super::*;

    fn handshake(path: &str) -> OwnedHead {
        let head = OwnedHead::get(path).header("connection", "upgrade");
        head.header("upgrade", "websocket")
    }

    /// Returns the diagnosis of a request that the service answers with `status`.
    fn diagnosis(hint: &PlainHttpHint, head: &OwnedHead, status: u16) -> Option<String> {
        let facts = head.facts(&ClientRules::default());
        let state = RequestState::new(&facts);
        let outcome = Outcome::new(status.try_into().unwrap(), None, Duration::ZERO);
        let mut findings = Findings::default();
        hint.on_response(&state, &outcome, &mut findings);
        findings.diagnosis.map(|event| event.to_string())
    }

    #[test]
    fn plain_get_is_diagnosed_once_a_websocket_was_opened_on_its_path() {
        let hint = PlainHttpHint::new(Arc::default());
        let get = OwnedHead::get("/ws\"x");
        assert_eq!(diagnosis(&hint, &get, 400), None);
        assert_eq!(diagnosis(&hint, &handshake("/ws\"x"), 403), None);
        assert_eq!(diagnosis(&hint, &get, 400), None, "no WebSocket was opened");
        assert_eq!(diagnosis(&hint, &handshake("/ws\"x"), 101), None);
        for status in [400, 426] {
            let text = diagnosis(&hint, &get, status).expect("a diagnosis");
            assert!(text.starts_with("W01: "), "{text}");
            assert!(text.contains("/ws\\x22x"), "{text}");
            assert!(
                text.contains(&format!("a plain GET with {status}")),
                "{text}"
            );
        }
        for (head, status) in [
            (get.clone(), 200),
            (get.clone(), 404),
            (get.clone().method("POST"), 400),
            (handshake("/ws\"x"), 400),
            (OwnedHead::get("/other"), 400),
        ] {
            assert_eq!(diagnosis(&hint, &head, status), None, "{head:?}: {status}");
        }
    }

    #[test]
    fn denied_request_is_not_diagnosed() {
        let hint = PlainHttpHint::new(Arc::default());
        diagnosis(&hint, &handshake("/ws"), 101);
        let head = OwnedHead::get("/ws");
        let facts = head.facts(&ClientRules::default());
        let denial = Denial::forbidden("x", "y");
        let outcome = Outcome::new(StatusCode::BAD_REQUEST, Some(&denial), Duration::ZERO);
        let mut findings = Findings::default();
        hint.on_response(&RequestState::new(&facts), &outcome, &mut findings);
        assert!(findings.diagnosis.is_none());
    }

    #[test]
    fn known_paths_are_bounded_in_number_and_length() {
        let hint = PlainHttpHint::new(Arc::default());
        for index in 0..=KnownWebSocketPaths::CAPACITY {
            diagnosis(&hint, &handshake(&format!("/{index}")), 101);
            diagnosis(&hint, &handshake("/0"), 101);
        }
        assert_eq!(hint.0.paths().len(), KnownWebSocketPaths::CAPACITY);
        let last = format!("/{}", KnownWebSocketPaths::CAPACITY);
        assert!(diagnosis(&hint, &OwnedHead::get(&last), 400).is_some());
        let first = diagnosis(&hint, &OwnedHead::get("/1"), 400);
        assert_eq!(first, None, "the oldest path is evicted");
        let long = format!("/{}", "a".repeat(10_000));
        diagnosis(&hint, &handshake(&long), 101);
        let path = hint
            .0
            .find(gabion_core::PathViews::new(long.as_bytes()).hash());
        assert_eq!(path.unwrap().len(), DiagnosisEvent::MAX_PATH);
    }
}
