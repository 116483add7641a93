//! Atomic replacement of the current policy.

use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use gabion_core::{Event, PolicyEvent, PolicySource, Sink, Snapshot};
use gabion_core::{Offense, OffenseRecorder as _, RuleId, Verdict};
use gabion_policy::{PolicyHandle, PolicyOptions, SampleRequest, ShrinkGuard, State, explain};

use crate::chain::NOW;

/// A sink that keeps every policy event.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    events: Mutex<Vec<PolicyEvent>>,
    more: Condvar,
}

impl Sink for EventLog {
    fn record(&self, event: &Event) {
        if let Event::Policy(event) = event {
            self.events.lock().unwrap().push(event.clone());
            self.more.notify_all();
        }
    }
}

impl EventLog {
    /// The outcome of each attempt: `true` for a policy that came into force, or whose files are
    /// restored, `false` for a refused one; and the generation in force.
    pub(crate) fn outcomes(&self) -> Vec<(bool, u64)> {
        let events = self.events.lock().unwrap();
        let short = events.iter().filter_map(|event| match event {
            PolicyEvent::Replaced { generation, .. } | PolicyEvent::Restored { generation } => {
                Some((true, *generation))
            }
            PolicyEvent::Kept { generation, .. } => Some((false, *generation)),
            PolicyEvent::Warned { .. } => None,
            other => panic!("{other:?}"),
        });
        short.collect()
    }

    /// Waits until there are `count` events, or for `at_most`, and returns the outcomes.
    pub(crate) fn wait(&self, count: usize, at_most: Duration) -> Vec<(bool, u64)> {
        let events = self.events.lock().unwrap();
        let waiting = |events: &mut Vec<PolicyEvent>| events.len() < count;
        drop(
            self.more
                .wait_timeout_while(events, at_most, waiting)
                .unwrap(),
        );
        self.outcomes()
    }

    /// The error of the last document, which was refused.
    pub(crate) fn last_refusal(&self) -> String {
        match self.events.lock().unwrap().last() {
            Some(PolicyEvent::Kept { why, .. }) => why.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn denies(snapshot: &Snapshot, request: &str) -> bool {
    explain(snapshot, &SampleRequest::new(request).unwrap(), NOW)
        .verdict
        .refuses()
}

const A: &str = "version = 1\n[[deny]]\nid = 'a'\nprefix = '/a'\n";
const B: &str = "version = 1\n[[deny]]\nid = 'b'\nprefix = '/b'\n";

fn open(text: &str) -> (PolicyHandle, Arc<EventLog>) {
    let events = Arc::new(EventLog::default());
    let policy =
        PolicyHandle::from_document(text, "policy.toml", PolicyOptions::new(events.clone()));
    (policy.expect("the policy is valid"), events)
}

#[test]
fn replacement_increments_the_generation_and_is_recorded() {
    let (policy, events) = open(A);
    assert_eq!(policy.current().generation, 0);
    let replaced = policy.replace(B).unwrap();
    assert_eq!((replaced.generation, replaced.rules), (1, 1));
    assert_eq!(policy.current().generation, 1);
    assert_eq!(policy.document().deny[0].id, "b");
    policy.replace(A).unwrap();
    assert_eq!(events.outcomes(), [(true, 1), (true, 2)]);
}

#[test]
fn invalid_document_keeps_the_previous_policy_and_is_recorded() {
    let (policy, events) = open(A);
    let error = policy.replace("version = 1\n[alow]").unwrap_err();
    assert!(denies(&policy.current(), "/a") && policy.document().deny[0].id == "a");
    assert_eq!(events.outcomes(), [(false, 0)]);
    assert_eq!(events.last_refusal(), error.to_string());
}

#[test]
fn request_is_judged_by_the_policy_it_started_with() {
    let (policy, _events) = open(A);
    let held = policy.current();
    policy.replace(B).unwrap();
    assert!(denies(&held, "/a") && !denies(&held, "/b"));
    let next = policy.current();
    assert!(!denies(&next, "/a") && denies(&next, "/b"));
}

#[test]
fn readers_never_see_a_mix_of_two_policies() {
    let (policy, events) = open(A);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let held = policy.current();
                assert_ne!(denies(&held, "/a"), denies(&held, "/b"));
            }
        });
        let write = || (0..50).for_each(|n| assert!(policy.replace([A, B][n % 2]).is_ok()));
        let other = scope.spawn(write);
        write();
        other.join().unwrap();
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(policy.current().generation, 100);
    assert_eq!(events.outcomes().len(), 100);
}

#[test]
fn ban_remains_active_after_a_replacement() {
    let state = State::with_capacity(8);
    let options = PolicyOptions::new(Arc::new(EventLog::default())).with_state(state.clone());
    let policy = PolicyHandle::from_document(A, "policy.toml", options).unwrap();
    let client = policy.current().client.resolve(
        gabion_core::PeerAddr::new("192.0.2.1:1".parse().unwrap()),
        &http::HeaderMap::new(),
    );
    let offense = Offense::certain(RuleId::builtin("test"), Duration::from_mins(1));
    assert!(!denies(&policy.current(), "/"));
    state.bans().record_offense(&client, &offense, NOW);
    assert!(denies(&policy.current(), "/"));
    policy.replace(B).unwrap();
    assert!(denies(&policy.current(), "/"), "the ban remains active");
}

#[test]
fn active_ban_does_not_fail_an_expect_test() {
    let (policy, _events) = open(A);
    let client = policy.current().client.resolve(
        gabion_core::PeerAddr::new("192.0.2.1:1".parse().unwrap()),
        &http::HeaderMap::new(),
    );
    let offense = Offense::certain(RuleId::builtin("test"), Duration::from_mins(1));
    policy.state().bans().record_offense(&client, &offense, NOW);
    policy
        .replace(&format!("{A}[[expect]]\nrequest = '/'\nverdict = 'pass'\n"))
        .unwrap();
}

#[test]
fn compilation_over_its_time_limit_is_refused() {
    let options = PolicyOptions::new(Arc::new(EventLog::default())).with_budget(Duration::ZERO);
    let error = PolicyHandle::from_document(A, "policy.toml", options).unwrap_err();
    assert_eq!(error.diagnostics().len(), 1);
    let message = error.diagnostics()[0].message();
    assert_eq!(
        message,
        "reading the policy takes longer than the limit of 0ns"
    );
}

#[test]
fn policy_without_a_file_cannot_be_reloaded() {
    let (policy, events) = open(A);
    assert_eq!(
        policy.reload().unwrap_err().diagnostics()[0].message(),
        "cannot reload: the policy was not loaded from a file"
    );
    assert_eq!(events.outcomes(), [(false, 0)]);
}

#[test]
fn own_rules_apply_after_a_replacement() {
    struct Teapot;
    impl gabion_core::Inspect for Teapot {
        fn name(&self) -> &'static str {
            "teapot"
        }
        fn inspect(
            &self,
            _: &gabion_core::Facts<'_>,
            _: &mut gabion_core::RequestState,
        ) -> Verdict {
            gabion_core::Denial::forbidden("teapot", "short and stout").into()
        }
    }
    let options = PolicyOptions::new(Arc::new(EventLog::default()))
        .add_rule(Arc::new(Teapot))
        .with_shrink_guard(ShrinkGuard::Accept);
    let policy = PolicyHandle::from_document(A, "policy.toml", options).unwrap();
    assert!(denies(&policy.current(), "/"));
    policy.replace("version = 1").unwrap();
    assert!(denies(&policy.current(), "/"));
}

/// Freeing a large policy takes milliseconds, which a request must not spend.
#[test]
fn previous_policy_is_freed_by_maintain_or_replace_and_not_by_a_request() {
    let (policy, _) = open(A);
    let judging = policy.current();
    let old = Arc::downgrade(&judging.chain);
    policy.replace(B).unwrap();
    drop(judging);
    assert!(old.upgrade().is_some());
    policy.maintain();
    assert!(old.upgrade().is_none());

    let next = Arc::downgrade(&policy.current().chain);
    policy.replace(A).unwrap();
    assert!(next.upgrade().is_none(), "no request uses it");
}

/// A client decides how long a request waits for its response.
#[test]
fn four_previous_policies_are_kept_for_requests_that_wait() {
    let (policy, _) = open(A);
    let judging = policy.current();
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let judged = Arc::downgrade(&policy.current());
            policy.replace(A).unwrap();
            judged
        })
        .collect();
    policy.maintain();
    let is_kept: Vec<_> = waiting.iter().map(|old| old.upgrade().is_some()).collect();
    let (judges_now, older, newest) = (is_kept[0], &is_kept[1..6], &is_kept[6..]);
    assert!(judges_now && newest == [true; 4], "{is_kept:?}");
    assert_eq!(older, [false; 5]);

    drop(waiting);
    let chain = Arc::downgrade(&judging.chain);
    drop(judging);
    policy.maintain();
    assert!(chain.upgrade().is_none());
}
