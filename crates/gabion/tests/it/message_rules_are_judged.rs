//! Messages that `[[message]]` rules deny and let pass, judged by the whole chain as on a socket.

use std::sync::Arc;

use gabion::{
    ban::Attribution,
    inspect::{MessageDenial, MessageDenials, MessageFacts, RuleId},
};
use gabion_core::{InspectMessage, MessageKinds, PolicySource as _, Snapshot};
use gabion_policy::PolicyHandle;
use gabion_policy::PolicyOptions;
use gabion_testkit::{Recorder, client_at};

const POLICY: &str = r#"
    version = 1

    [allow]
    networks = ["192.0.2.7"]
    paths = ["/metrics"]

    [upgrade]
    origins = "https://app.example"

    [[message]]
    id = "trial"
    contains = "attack"
    mode = "observe"

    [[message]]
    id = "injection"
    paths = ["/chat", "/admin"]
    contains = ["${jndi:", "{{constructor"]
    matches = '(?i)<script[\s>]'
    ignore_case = true
    then = "ban 1h"

    [[message]]
    id = "vast"
    kinds = ["text", "binary"]
    longer_than = "4KiB"

    [[message]]
    id = "deep"
    json_depth = 16
"#;

fn snapshot(policy: &str) -> Arc<Snapshot> {
    compiled(policy, PolicyOptions::new(Arc::new(Recorder::default())))
}

fn compiled(policy: &str, options: PolicyOptions) -> Arc<Snapshot> {
    let policy = PolicyHandle::from_document(policy, "policy.toml", options);
    policy.unwrap_or_else(|error| panic!("{error}")).current()
}

fn message_denials(snapshot: &Snapshot, from: &str, path: &str, payload: &[u8]) -> MessageDenials {
    let client = client_at(from);
    let mut message_denials = MessageDenials::default();
    let message = MessageFacts {
        client: &client,
        path,
        is_text: true,
        payload,
        offset: 0,
        now: gabion::inspect::Now::new(std::time::Duration::ZERO, std::time::UNIX_EPOCH),
    };
    let messages = snapshot.messages.as_ref().unwrap();
    messages.inspect_message(&message, &mut message_denials);
    message_denials
}

/// The verdict: `pass`, `injection`, or `(trial) injection` in observe mode.
fn verdict(snapshot: &Snapshot, from: &str, path: &str, payload: &[u8]) -> String {
    let (observed, enforced) = message_denials(snapshot, from, path, payload).into_parts();
    let observed = observed.iter().map(|one| format!("({})", one.rule));
    let enforced = enforced.map(|one| one.rule.to_string());
    let all: Vec<_> = observed.chain(enforced).collect();
    if all.is_empty() {
        "pass".into()
    } else {
        all.join(" ")
    }
}

const CLIENT: &str = "203.0.113.9";

#[test]
fn attacks_are_denied_and_honest_messages_pass() {
    let snapshot = snapshot(POLICY);
    let deep = "[".repeat(17);
    let vast = "a".repeat(4097);
    for (path, payload, expected) in [
        ("/chat", "${jndi:ldap://x}", "injection"),
        ("/chat/room", "${JNDI:ldap://x}", "injection"),
        ("/x/..;/chat", "<SCRIPT >", "injection"),
        ("/chat", "an attack: {{constructor", "(trial) injection"),
        ("/chat", "an attack", "(trial)"),
        ("/chat", &deep, "deep"),
        ("/other", &vast, "vast"),
        ("/other", "${jndi:ldap://x}", "pass"),
        ("/chat", "how do I escape ${ in a shell?", "pass"),
        ("/chat", "<scripture> [[[[[[[[[[[[[[[[[[", "pass"),
        ("/chat", &deep[1..], "pass"),
        ("/chat", &vast[1..], "pass"),
        ("/chat", "", "pass"),
    ] {
        let found = verdict(&snapshot, CLIENT, path, payload.as_bytes());
        assert_eq!(found, expected, "{path}: {payload:.40}");
    }
}

#[test]
fn allowed_clients_are_not_judged() {
    let snapshot = snapshot(POLICY);
    let attack = b"${jndi:ldap://x}";
    assert_eq!(verdict(&snapshot, "192.0.2.7", "/chat", attack), "pass");
    assert_eq!(
        verdict(&snapshot, "192.0.2.8", "/chat", attack),
        "injection"
    );
    let vast = [b'a'; 5000];
    assert_eq!(verdict(&snapshot, CLIENT, "/metrics", &vast), "pass");
    assert_eq!(
        verdict(&snapshot, CLIENT, "/metrics/..;/chat", &vast),
        "vast"
    );
}

#[test]
fn document_in_observe_mode_only_reports() {
    let observed = POLICY.replace("version = 1", "version = 1\nmode = \"observe\"");
    let snapshot = snapshot(&observed);
    let verdict = verdict(&snapshot, CLIENT, "/chat", b"${jndi:ldap://x}");
    assert_eq!(verdict, "(injection)");
}

#[test]
fn message_is_evidence_if_origins_are_listed() {
    let offense = |policy: &str| {
        let found = message_denials(&snapshot(policy), CLIENT, "/chat", b"${jndi:")
            .into_parts()
            .1;
        found.unwrap().offense.unwrap().attribution
    };
    assert_eq!(offense(POLICY), Attribution::Certain);
    let anyone = POLICY.replace("origins = \"https://app.example\"", "");
    assert!(matches!(offense(&anyone), Attribution::Forgeable { .. }));
}

/// A custom rule that denies messages in capital letters.
struct NoShouting;

impl InspectMessage for NoShouting {
    fn message_kinds(&self) -> MessageKinds {
        MessageKinds::Text
    }

    fn inspect_message(&self, message: &MessageFacts<'_>, message_denials: &mut MessageDenials) {
        if message.payload.ends_with(b"!!!") {
            message_denials.add(MessageDenial::new(RuleId::builtin("quiet"), "shouting"));
        }
    }
}

#[test]
fn custom_rule_runs_before_the_rules_of_the_document() {
    let built = |policy: &str| {
        let options = PolicyOptions::new(Arc::new(Recorder::default()));
        compiled(policy, options.add_message_rule(Arc::new(NoShouting)))
    };
    let enforced = built(POLICY);
    assert_eq!(verdict(&enforced, CLIENT, "/chat", b"${jndi: !!!"), "quiet");
    assert_eq!(verdict(&enforced, CLIENT, "/chat", b"${jndi:"), "injection");
    assert_eq!(verdict(&enforced, "192.0.2.7", "/chat", b"!!!"), "pass");
    let observed = built(&POLICY.replace("version = 1", "version = 1\nmode = \"observe\""));
    assert_eq!(verdict(&observed, CLIENT, "/chat", b"!!!"), "(quiet)");
}

#[test]
fn clean_message_allocates_nothing() {
    let snapshot = snapshot(POLICY);
    let client = client_at(CLIENT);
    let verdict = br#"{"type":"message","room":[1,2,[3]],"text":"how are you? \"fine\" <b>"}"#;
    let message = MessageFacts {
        client: &client,
        path: "/chat/room-7",
        is_text: true,
        payload: verdict,
        offset: 0,
        now: gabion::inspect::Now::new(std::time::Duration::ZERO, std::time::UNIX_EPOCH),
    };
    let judge = || {
        let mut message_denials = MessageDenials::default();
        let counted = allocation_counter::measure(|| {
            let messages = snapshot.messages.as_ref().unwrap();
            messages.inspect_message(&message, &mut message_denials);
        });
        assert!(!message_denials.are_final());
        counted.count_total
    };
    // The buffers of the regular expressions are allocated on first use.
    for _ in 0..8 {
        judge();
    }
    assert_eq!(judge(), 0);
}
