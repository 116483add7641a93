//! A guard from a policy document around a service in this process.

use std::{sync::Arc, time::Duration};

use gabion::{
    Guard, GuardBuilder,
    ban::{Offense, OffenseRecorder as _},
    inspect::{Clock as _, RuleId},
    policy::PolicyError,
};
use gabion_testkit::{ManualClock, Recorder, TestRequest, client_at};

pub(crate) type InProcess = gabion_testkit::InProcess<Guard>;

/// A guard with this policy, which errors call `policy.toml`.
#[track_caller]
pub(crate) fn guarded(policy: &str) -> InProcess {
    build_guarded(|guard| guard.with_policy(policy, "policy.toml"))
}

/// A guard from a builder that has a clock and a sink.
#[track_caller]
pub(crate) fn build_guarded(
    build: impl FnOnce(GuardBuilder) -> Result<Guard, PolicyError>,
) -> InProcess {
    let clock = Arc::new(ManualClock::default());
    let events = Arc::new(Recorder::default());
    let builder = Guard::builder()
        .with_clock(clock.clone())
        .with_sink(events.clone());
    let guard = build(builder).unwrap_or_else(|error| panic!("{error}"));
    let layer = guard.layer();
    InProcess::new(guard, layer, clock, events)
}

/// `GET target` from 203.0.113.9.
pub(crate) fn get(target: &str) -> TestRequest {
    TestRequest::get(target)
}

/// `PUT target` from 203.0.113.9. A page cannot make a browser send it, so a denial is evidence.
pub(crate) fn probe(target: &str) -> TestRequest {
    get(target).method("PUT")
}

/// Bans a client for a minute.
pub(crate) fn ban(server: &InProcess, client: &str) {
    let offense = Offense::certain(RuleId::builtin("by-hand"), Duration::from_mins(1));
    let now = server.clock.now();
    let bans = server.guard.policy_handle().state().bans();
    bans.record_offense(&client_at(client), &offense, now);
}

/// The banned networks, the first to expire first.
pub(crate) fn banned(server: &InProcess) -> Vec<String> {
    let bans = server.guard.bans().list().into_iter();
    bans.map(|(network, _)| network.to_string()).collect()
}
