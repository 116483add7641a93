//! Finds who asks for a WebSocket with plain HTTP, where nobody has said that it is one.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gabion_core::{
    Diagnosis, DiagnosisEvent, Facts, Inspect, Offence, Outcome, Trace, Upgrade, Verdict,
};
use http::{Method, StatusCode};

/// The paths on which WebSockets were opened lately. Bounded: the oldest goes.
#[derive(Debug, Default)]
pub struct Opened(Mutex<VecDeque<(u64, Box<[u8]>)>>);

/// Tells of plain GETs that the service refuses on a path on which a WebSocket was opened before.
/// It refuses nothing.
///
/// # Cost
///
/// A lock and a look at up to [`Opened::CAPACITY`] numbers for a handshake that is answered, and for
/// a GET that is answered 400 or 426. Nothing for any other request.
#[derive(Clone, Debug)]
pub struct Astray(Arc<Opened>);

// === impl Opened ===

impl Opened {
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

impl Astray {
    /// Keeps what it learns in `opened`.
    pub const fn new(opened: Arc<Opened>) -> Self {
        Self(opened)
    }
}

impl Inspect for Astray {
    fn name(&self) -> &'static str {
        "astray"
    }

    fn inspect(&self, _facts: &Facts<'_>, _trace: &mut Trace) -> Verdict {
        Verdict::Pass
    }

    fn learn(&self, trace: &Trace, outcome: &Outcome<'_>) -> Option<Offence> {
        // RFC 6455, 4.2.2; RFC 8441, 5.
        let status = outcome.status;
        let http2 = *trace.method() == Method::CONNECT && status.is_success();
        if let Some(path) = trace.socket()
            && (status == StatusCode::SWITCHING_PROTOCOLS || http2)
        {
            self.0.note(trace.path_hash(), path);
        }
        None
    }

    fn diagnose(&self, trace: &Trace, outcome: &Outcome<'_>) -> Option<DiagnosisEvent> {
        let refuses = [StatusCode::BAD_REQUEST, StatusCode::UPGRADE_REQUIRED];
        let plain = *trace.method() == Method::GET && trace.upgrade() == Upgrade::None;
        if !plain || outcome.denial.is_some() || !refuses.contains(&outcome.status) {
            return None;
        }
        let path = self.0.find(trace.path_hash())?;
        let seen = format!(
            "sockets were opened here before, and a plain GET was answered {}",
            outcome.status.as_u16()
        );
        let (at, client) = (trace.now().wall(), trace.client().addr());
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
    use gabion_testkit::HeadOf;

    use super::*;

    fn ask(path: &str) -> HeadOf {
        let ask = HeadOf::get(path).header("connection", "upgrade");
        ask.header("upgrade", "websocket")
    }

    /// What is told of a request that the service answers with `status`.
    fn told(astray: &Astray, head: &HeadOf, status: u16) -> Option<String> {
        let facts = head.facts(&ClientRules::default());
        let trace = Trace::new(&facts);
        let outcome = Outcome::new(status.try_into().unwrap(), None, Duration::ZERO);
        assert_eq!(astray.learn(&trace, &outcome), None);
        astray
            .diagnose(&trace, &outcome)
            .map(|event| event.to_string())
    }

    #[test]
    fn plain_get_is_told_of_once_a_socket_was_opened_there() {
        let astray = Astray::new(Arc::default());
        let get = HeadOf::get("/ws\"x");
        assert_eq!(told(&astray, &get, 400), None);
        assert_eq!(told(&astray, &ask("/ws\"x"), 403), None);
        assert_eq!(told(&astray, &get, 400), None, "no socket was opened");
        assert_eq!(told(&astray, &ask("/ws\"x"), 101), None);
        for status in [400, 426] {
            let told = told(&astray, &get, status).expect("a diagnosis");
            assert!(told.starts_with("W01: "), "{told}");
            assert!(told.contains("on /ws\\x22x ("), "{told}");
            assert!(told.contains(&format!("answered {status}")), "{told}");
        }
        for (head, status) in [
            (get.clone(), 200),
            (get.clone(), 404),
            (get.clone().method("POST"), 400),
            (ask("/ws\"x"), 400),
            (HeadOf::get("/other"), 400),
        ] {
            assert_eq!(told(&astray, &head, status), None, "{head:?}: {status}");
        }
    }

    #[test]
    fn what_the_guard_refuses_is_told_by_its_denial() {
        let astray = Astray::new(Arc::default());
        told(&astray, &ask("/ws"), 101);
        let head = HeadOf::get("/ws");
        let facts = head.facts(&ClientRules::default());
        let denial = Denial::forbidden("x", "y");
        let outcome = Outcome::new(StatusCode::BAD_REQUEST, Some(&denial), Duration::ZERO);
        assert!(astray.diagnose(&Trace::new(&facts), &outcome).is_none());
    }

    #[test]
    fn paths_are_kept_to_a_number_and_a_length() {
        let astray = Astray::new(Arc::default());
        for nth in 0..=Opened::CAPACITY {
            told(&astray, &ask(&format!("/{nth}")), 101);
            told(&astray, &ask("/0"), 101);
        }
        assert_eq!(astray.0.paths().len(), Opened::CAPACITY);
        let last = format!("/{}", Opened::CAPACITY);
        assert!(told(&astray, &HeadOf::get(&last), 400).is_some());
        let first = told(&astray, &HeadOf::get("/1"), 400);
        assert_eq!(first, None, "the oldest has gone");
        let long = format!("/{}", "a".repeat(10_000));
        told(&astray, &ask(&long), 101);
        let kept = astray
            .0
            .find(gabion_core::PathViews::of(long.as_bytes()).hash());
        assert_eq!(kept.unwrap().len(), DiagnosisEvent::MAX_PATH);
    }
}
