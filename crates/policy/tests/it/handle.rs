//! The policy in force: swapped whole or not at all.

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

/// Hears every event about the policy.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    told: Mutex<Vec<PolicyEvent>>,
    more: Condvar,
}

impl Sink for Ear {
    fn record(&self, event: &Event) {
        if let Event::Policy(event) = event {
            self.told.lock().unwrap().push(event.clone());
            self.more.notify_all();
        }
    }
}

impl Ear {
    /// What was heard: `true` for a policy that came into force, `false` for one that was refused.
    pub(crate) fn heard(&self) -> Vec<(bool, u64)> {
        let told = self.told.lock().unwrap();
        let short = told.iter().map(|event| match event {
            PolicyEvent::Replaced { generation, .. } => (true, *generation),
            PolicyEvent::Kept { generation, .. } => (false, *generation),
            other => panic!("{other:?}"),
        });
        short.collect()
    }

    /// Waits until `count` events were heard, or for `at_most`; says what was heard.
    pub(crate) fn wait(&self, count: usize, at_most: Duration) -> Vec<(bool, u64)> {
        let told = self.told.lock().unwrap();
        let waiting = |told: &mut Vec<PolicyEvent>| told.len() < count;
        drop(
            self.more
                .wait_timeout_while(told, at_most, waiting)
                .unwrap(),
        );
        self.heard()
    }

    /// Why the last document was refused.
    pub(crate) fn why(&self) -> String {
        match self.told.lock().unwrap().last() {
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

fn open(text: &str) -> (PolicyHandle, Arc<Ear>) {
    let ear = Arc::new(Ear::default());
    let live = PolicyHandle::from_document(text, "policy.toml", PolicyOptions::new(ear.clone()));
    (live.expect("the policy is sound"), ear)
}

#[test]
fn replacing_counts_generations_and_tells() {
    let (live, ear) = open(A);
    assert_eq!(live.current().generation, 0);
    let replaced = live.replace(B).unwrap();
    assert_eq!((replaced.generation, replaced.rules), (1, 1));
    assert_eq!(live.current().generation, 1);
    assert_eq!(live.document().deny[0].id, "b");
    live.replace(A).unwrap();
    assert_eq!(ear.heard(), [(true, 1), (true, 2)]);
}

#[test]
fn bad_document_keeps_the_old_policy_and_says_so() {
    let (live, ear) = open(A);
    let error = live.replace("version = 1\n[alow]").unwrap_err();
    assert!(denies(&live.current(), "/a") && live.document().deny[0].id == "a");
    assert_eq!(ear.heard(), [(false, 0)]);
    assert_eq!(ear.why(), error.to_string());
}

#[test]
fn request_is_judged_by_the_policy_it_began_with() {
    let (live, _ear) = open(A);
    let held = live.current();
    live.replace(B).unwrap();
    assert!(denies(&held, "/a") && !denies(&held, "/b"));
    let next = live.current();
    assert!(!denies(&next, "/a") && denies(&next, "/b"));
}

#[test]
fn readers_see_whole_policies_while_two_writers_write() {
    let (live, ear) = open(A);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let held = live.current();
                assert_ne!(denies(&held, "/a"), denies(&held, "/b"));
            }
        });
        let write = || (0..50).for_each(|n| assert!(live.replace([A, B][n % 2]).is_ok()));
        let other = scope.spawn(write);
        write();
        other.join().unwrap();
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(live.current().generation, 100);
    assert_eq!(ear.heard().len(), 100);
}

#[test]
fn ban_outlives_the_policy_that_placed_it() {
    let state = State::with_capacity(8);
    let options = PolicyOptions::new(Arc::new(Ear::default())).with_state(state.clone());
    let live = PolicyHandle::from_document(A, "policy.toml", options).unwrap();
    let client = live.current().client.resolve(
        gabion_core::PeerAddr::new("192.0.2.1:1".parse().unwrap()),
        &http::HeaderMap::new(),
    );
    let offense = Offense::certain(RuleId::builtin("test"), Duration::from_mins(1));
    assert!(!denies(&live.current(), "/"));
    state.bans().record_offense(&client, &offense, NOW);
    assert!(denies(&live.current(), "/"));
    live.replace(B).unwrap();
    assert!(denies(&live.current(), "/"), "the ban stands");
}

#[test]
fn ban_in_force_does_not_fail_a_case() {
    let (live, _ear) = open(A);
    let client = live.current().client.resolve(
        gabion_core::PeerAddr::new("192.0.2.1:1".parse().unwrap()),
        &http::HeaderMap::new(),
    );
    let offense = Offense::certain(RuleId::builtin("test"), Duration::from_mins(1));
    live.state().bans().record_offense(&client, &offense, NOW);
    live.replace(&format!("{A}[[expect]]\nrequest = '/'\nverdict = 'pass'\n"))
        .unwrap();
}

#[test]
fn compile_over_its_budget_keeps_the_old_policy() {
    let options = PolicyOptions::new(Arc::new(Ear::default())).with_budget(Duration::ZERO);
    let error = PolicyHandle::from_document(A, "policy.toml", options).unwrap_err();
    assert_eq!(error.diagnostics().len(), 1);
    let message = error.diagnostics()[0].message();
    assert_eq!(message, "reading takes longer than the budget of 0ns");
}

#[test]
fn policy_that_is_not_a_file_is_not_reloaded() {
    let (live, ear) = open(A);
    assert_eq!(
        live.reload().unwrap_err().diagnostics()[0].message(),
        "this policy is not a file"
    );
    assert_eq!(ear.heard(), [(false, 0)]);
}

#[test]
fn own_rules_are_put_back() {
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
    let options = PolicyOptions::new(Arc::new(Ear::default()))
        .add_rule(Arc::new(Teapot))
        .with_shrink_guard(ShrinkGuard::Accept);
    let live = PolicyHandle::from_document(A, "policy.toml", options).unwrap();
    assert!(denies(&live.current(), "/"));
    live.replace("version = 1").unwrap();
    assert!(denies(&live.current(), "/"));
}

/// It takes milliseconds: whoever judged by it last is spared them.
#[test]
fn policy_is_freed_by_who_replaces_it_not_by_who_judged_last() {
    let (live, _) = open(A);
    let judging = live.current();
    let old = Arc::downgrade(&judging);
    live.replace(B).unwrap();
    drop(judging);
    assert!(old.upgrade().is_some());
    live.maintain();
    assert!(old.upgrade().is_none());

    let next = Arc::downgrade(&live.current());
    live.replace(A).unwrap();
    assert!(next.upgrade().is_none(), "nobody was judged by it");
}
