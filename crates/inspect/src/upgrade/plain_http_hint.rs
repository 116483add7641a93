//! Finds who asks for a WebSocket with plain HTTP, where nobody has said that it is one.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gabion_core::{
    Diagnosis, DiagnosisEvent, Facts, Inspect, Offense, Outcome, RequestState, Upgrade, Verdict,
};
use http::{Method, StatusCode};

/// The paths on which WebSockets were opened lately. Bounded: the oldest goes.
#[derive(Debug, Default)]
pub struct KnownWebSocketPaths(Mutex<VecDeque<(u64, Box<[u8]>)>>);

/// Tells of plain GETs that the service refuses on a path on which a WebSocket was opened before.
/// It refuses nothing.
///
/// # Cost
///
/// A lock and a look at up to [`KnownWebSocketPaths::CAPACITY`] numbers for a handshake that is answered, and for
/// a GET that is answered 400 or 426. Nothing for any other request.
#[derive(Clone, Debug)]
pub struct PlainHttpHint(Arc<KnownWebSocketPaths>);

// === impl Opened ===

impl KnownWebSocketPaths {
    /// How many paths are kept, each of [`DiagnosisEvent::MAX_PATH`] bytes at most.
    pub const CAPACITY: usize = 64;

    fn note(&self, hash: u64, path: &[u8]) {
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

// === impl Astray ===

impl PlainHttpHint {
    /// Keeps what it learns in `opened`.
    pub const fn new(opened: Arc<KnownWebSocketPaths>) -> Self {
        Self(opened)
    }
}

impl Inspect for PlainHttpHint {
    fn name(&self) -> &'static str {
        "astray"
    }

    fn inspect(&self, _facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        Verdict::Pass
    }

    fn on_response(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<Offense> {
        // RFC 6455, 4.2.2; RFC 8441, 5.
        let status = outcome.status;
        let http2 = *state.method() == Method::CONNECT && status.is_success();
        if let Some(path) = state.socket()
            && (status == StatusCode::SWITCHING_PROTOCOLS || http2)
        {
            self.0.note(state.path_hash(), path);
        }
        None
    }

    fn diagnose(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<DiagnosisEvent> {
        let refuses = [StatusCode::BAD_REQUEST, StatusCode::UPGRADE_REQUIRED];
        let plain = *state.method() == Method::GET && state.upgrade() == Upgrade::None;
        if !plain || outcome.denial.is_some() || !refuses.contains(&outcome.status) {
            return None;
        }
        let path = self.0.find(state.path_hash())?;
        let seen = format!(
            "sockets were opened here before, and a plain GET was answered {}",
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

    fn ask(path: &str) -> OwnedHead {
        let ask = OwnedHead::get(path).header("connection", "upgrade");
        ask.header("upgrade", "websocket")
    }

    /// What is told of a request that the service answers with `status`.
    fn told(astray: &PlainHttpHint, head: &OwnedHead, status: u16) -> Option<String> {
        let facts = head.facts(&ClientRules::default());
        let state = RequestState::new(&facts);
        let outcome = Outcome::new(status.try_into().unwrap(), None, Duration::ZERO);
        assert_eq!(astray.on_response(&state, &outcome), None);
        astray
            .diagnose(&state, &outcome)
            .map(|event| event.to_string())
    }

    #[test]
    fn plain_get_is_told_of_once_a_socket_was_opened_there() {
        let astray = PlainHttpHint::new(Arc::default());
        let get = OwnedHead::get("/ws\"x");
        assert_eq!(told(&astray, &get, 400), None);
        assert_eq!(told(&astray, &ask("/ws\"x"), 403), None);
        assert_eq!(told(&astray, &get, 400), None, "no socket was opened");
        assert_eq!(told(&astray, &ask("/ws\"x"), 101), None);
        for status in [400, 426] {
            let told = told(&astray, &get, status).expect("a diagnosis");
            assert!(told.starts_with("W01: "), "{told}");
            assert!(told.contains(", /ws\\x22x): "), "{told}");
            assert!(told.contains(&format!("answered {status}")), "{told}");
        }
        for (head, status) in [
            (get.clone(), 200),
            (get.clone(), 404),
            (get.clone().method("POST"), 400),
            (ask("/ws\"x"), 400),
            (OwnedHead::get("/other"), 400),
        ] {
            assert_eq!(told(&astray, &head, status), None, "{head:?}: {status}");
        }
    }

    #[test]
    fn what_the_guard_refuses_is_told_by_its_denial() {
        let astray = PlainHttpHint::new(Arc::default());
        told(&astray, &ask("/ws"), 101);
        let head = OwnedHead::get("/ws");
        let facts = head.facts(&ClientRules::default());
        let denial = Denial::forbidden("x", "y");
        let outcome = Outcome::new(StatusCode::BAD_REQUEST, Some(&denial), Duration::ZERO);
        assert!(
            astray
                .diagnose(&RequestState::new(&facts), &outcome)
                .is_none()
        );
    }

    #[test]
    fn paths_are_kept_to_a_number_and_a_length() {
        let astray = PlainHttpHint::new(Arc::default());
        for nth in 0..=KnownWebSocketPaths::CAPACITY {
            told(&astray, &ask(&format!("/{nth}")), 101);
            told(&astray, &ask("/0"), 101);
        }
        assert_eq!(astray.0.paths().len(), KnownWebSocketPaths::CAPACITY);
        let last = format!("/{}", KnownWebSocketPaths::CAPACITY);
        assert!(told(&astray, &OwnedHead::get(&last), 400).is_some());
        let first = told(&astray, &OwnedHead::get("/1"), 400);
        assert_eq!(first, None, "the oldest has gone");
        let long = format!("/{}", "a".repeat(10_000));
        told(&astray, &ask(&long), 101);
        let kept = astray
            .0
            .find(gabion_core::PathViews::new(long.as_bytes()).hash());
        assert_eq!(kept.unwrap().len(), DiagnosisEvent::MAX_PATH);
    }
}
