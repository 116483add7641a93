use std::time::{Duration, UNIX_EPOCH};

use gabion_core::{ClientIp, Now};
use gabion_testkit::{client_at, rows, unescape};

use super::*;
use crate::State;
use crate::{ConfigPath, UpgradeConfig};

fn compile(toml: &str) -> Result<Messages, ConfigErrors> {
    #[derive(serde::Deserialize)]
    struct Rules {
        message: Vec<MessageRule>,
    }
    let rules: Rules = toml::from_str(toml).unwrap();
    rules.message.compile(&Context::new(&State::scratch()))
}

fn messages(toml: &str) -> Messages {
    compile(toml).unwrap()
}

fn message<'m>(client: &'m ClientIp, path: &'m str, payload: &'m [u8]) -> MessageFacts<'m> {
    MessageFacts {
        client,
        path,
        is_text: true,
        payload,
        offset: 0,
        now: Now::new(Duration::ZERO, UNIX_EPOCH),
    }
}

/// Returns the rules that match: those in observe mode, and the first enforced one.
fn matching_rules(
    messages: &Messages,
    message: &MessageFacts<'_>,
) -> (Vec<String>, Option<String>) {
    let mut denials = MessageDenials::default();
    messages.inspect_message(message, &mut denials);
    let (observed, enforced) = denials.into_parts();
    let rule = |one: &MessageDenial| one.rule.to_string();
    (
        observed.iter().map(rule).collect(),
        enforced.as_ref().map(rule),
    )
}

fn text(messages: &Messages, path: &str, payload: &[u8]) -> Option<String> {
    matching_rules(messages, &message(&client_at("203.0.113.9"), path, payload)).1
}

/// Rules with every kind of condition, for the vectors.
const RULES: &str = r#"
    [[message]]
    id = "jndi"
    contains = ["${jndi:", "{{constructor"]
    ignore_case = true

    [[message]]
    id = "exact"
    contains = "DROP TABLE"

    [[message]]
    id = "script"
    matches = ['(?i)<script[\s>/]', '(?i)\bunion\s+select\b']

    [[message]]
    id = "deep"
    json_depth = 8

    [[message]]
    id = "long"
    longer_than = "1KiB"
"#;

#[test]
fn vectors_match_the_expected_rules() {
    let messages = messages(RULES);
    for row in rows(include_str!("../../testdata/message.tsv")) {
        let [expected, payload] = row[..] else {
            panic!("{row:?} does not have two columns");
        };
        let payload = unescape(payload);
        let expected = Some(expected).filter(|rule| *rule != "pass");
        let found = text(&messages, "/ws", &payload);
        assert_eq!(found.as_deref(), expected, "{}", payload.escape_ascii());
    }
}

#[test]
fn messages_over_the_length_match() {
    let messages = messages(RULES);
    assert_eq!(text(&messages, "/ws", &[b'a'; 1024]), None);
    assert_eq!(
        text(&messages, "/ws", &[b'a'; 1025]).as_deref(),
        Some("long")
    );
}

#[test]
fn rules_apply_to_their_paths_in_any_view() {
    let messages = messages("[[message]]\nid='x'\npaths=['/chat','/Admin/ws/']\ncontains='evil'");
    for path in [
        "/chat",
        "/chat/1",
        "/CHAT",
        "/%63hat",
        "/a/..;/chat",
        "/chat;v=1",
        "/chat.",
        "/chat/../x",
        "/chat%3fv=1",
        "/chat:$I30:$INDEX_ALLOCATION/x",
        "/admin/ws",
    ] {
        assert_eq!(
            text(&messages, path, b"evil").as_deref(),
            Some("x"),
            "{path}"
        );
        assert_eq!(text(&messages, path, b"good"), None, "{path}");
    }
    for path in ["/chatter", "/", "/admin", "/x/chat"] {
        assert_eq!(text(&messages, path, b"evil"), None, "{path}");
    }
}

#[test]
fn rules_apply_to_their_kinds() {
    let client = client_at("203.0.113.9");
    let template = message(&client, "/", b"evil \xff");
    for (kinds, of_text, of_binary) in [
        ("", true, false),
        ("kinds = 'text'", true, false),
        ("kinds = 'binary'", false, true),
        ("kinds = ['text', 'binary']", true, true),
    ] {
        let messages = messages(&format!("[[message]]\nid='x'\ncontains='evil'\n{kinds}"));
        let matches = |is_text| {
            matching_rules(
                &messages,
                &MessageFacts {
                    is_text,
                    ..template
                },
            )
            .1
        };
        assert_eq!(matches(true).is_some(), of_text, "{kinds}");
        assert_eq!(matches(false).is_some(), of_binary, "{kinds}");
        let all = if of_binary {
            MessageKinds::All
        } else {
            MessageKinds::Text
        };
        assert_eq!(messages.message_kinds_on(b"", &[]), (all, true), "{kinds}");
    }
}

#[test]
fn rule_in_observe_mode_does_not_hide_an_enforced_rule() {
    let messages = messages(
        "[[message]]\nid='seen'\ncontains='evil'\nmode='observe'
        [[message]]\nid='acts'\ncontains='evil'
        [[message]]\nid='late'\ncontains='evil'",
    );
    let (observed, enforced) =
        matching_rules(&messages, &message(&client_at("203.0.113.9"), "/", b"evil"));
    assert_eq!(
        (observed, enforced),
        (vec!["seen".into()], Some("acts".into()))
    );
}

#[test]
fn offense_is_certain_only_if_no_foreign_page_can_send_messages() {
    let toml = "[[message]]\nid='x'\npaths='/chat'\ncontains='evil'\nthen='ban 1h'
        [[message]]\nid='y'\ncontains='wicked'\nthen='ban'
        [[message]]\nid='z'\ncontains='bad'";
    let offense = |known, payload: &[u8]| {
        let messages = messages(toml).with_known_pages(known);
        let mut denials = MessageDenials::default();
        messages.inspect_message(
            &message(&client_at("203.0.113.9"), "/chat", payload),
            &mut denials,
        );
        let offense = denials.into_parts().1.unwrap().offense;
        offense.map(|offense| (offense.attribution, offense.ban_for.as_secs()))
    };
    assert_eq!(offense(true, b"evil"), Some((Attribution::Certain, 3600)));
    assert_eq!(offense(true, b"wicked"), Some((Attribution::Certain, 600)));
    assert_eq!(offense(true, b"bad"), None);
    let path = PathViews::new(b"/chat").hash();
    assert_eq!(
        offense(false, b"evil"),
        Some((Attribution::Forgeable { path }, 3600))
    );

    let names_origins = |toml: &str| {
        toml::from_str::<UpgradeConfig>(toml)
            .unwrap()
            .names_origins()
    };
    assert!(names_origins("origins = 'https://a'"));
    assert!(names_origins(
        "origins = 'https://a'\n[[route]]\npath = '/'\norigins = 'https://b'"
    ));
    assert!(!names_origins(
        "[[route]]\npath = '/'\norigins = 'https://b'"
    ));
    assert!(!names_origins(
        "origins = 'https://a'\n[[route]]\npath = '/'\norigins = []"
    ));
}

#[test]
fn reason_contains_no_part_of_the_message() {
    let messages = messages(RULES);
    for payload in [
        "${jndi:secret",
        "DROP TABLE secret",
        "<script>secret",
        &"secret".repeat(1000),
    ] {
        let mut denials = MessageDenials::default();
        let client = client_at("203.0.113.9");
        messages.inspect_message(&message(&client, "/", payload.as_bytes()), &mut denials);
        let denial = denials.into_parts().1.expect("a denial");
        assert!(!denial.why.contains("secret"), "{denial:?}");
        assert!(!denial.why.is_empty());
    }
}

#[test]
fn message_kinds_are_needed_where_a_rule_applies() {
    let (text, all, none) = (
        (MessageKinds::Text, true),
        (MessageKinds::All, true),
        (MessageKinds::None, false),
    );
    let rule = |paths: &str, more: &str| {
        messages(&format!(
            "[[message]]\nid='x'\npaths={paths}\ncontains='evil'\n{more}"
        ))
    };
    let before = |paths: &[&str]| -> Vec<Box<[u8]>> {
        paths.iter().map(|path| path.as_bytes().into()).collect()
    };
    for (paths, route, earlier, expected) in [
        ("'/chat'", "/chat", &[][..], text),
        ("'/chat/a'", "/chat", &[], text),
        ("'/'", "/chat", &[], text),
        ("[]", "/chat", &["/x"], text),
        ("'/chat'", "/chat/a", &[], text),
        ("'/chat'", "/open", &[], none),
        ("'/chatter'", "/chat", &[], none),
        // `/chat/a` has its own route before `/chat`, so its messages are read there.
        ("'/chat/a/b'", "/chat", &["/chat/a"], none),
        ("'/chat/a'", "/chat", &["/chat/a/b"], text),
        // The rest of the section: paths below no route.
        ("'/chat'", "", &["/chat"], none),
        ("'/chat/a'", "", &["/chat"], none),
        ("'/chat'", "", &["/chat/a"], text),
        ("['/chat', '/x']", "", &["/chat"], text),
        ("[]", "", &["/chat"], text),
    ] {
        let found = rule(paths, "").message_kinds_on(route.as_bytes(), &before(earlier));
        assert_eq!(found, expected, "{paths} on {route} after {earlier:?}");
    }
    let observed = rule("[]", "mode='observe'");
    assert_eq!(
        observed.message_kinds_on(b"", &[]),
        (MessageKinds::Text, false)
    );
    assert_eq!(rule("[]", "kinds='binary'").message_kinds_on(b"", &[]), all);
    assert_eq!(Messages::default().message_kinds_on(b"", &[]), none);
}

#[test]
fn errors_have_the_path_of_the_entry() {
    let errors = compile(
        "[[message]]\nid='ok'\ncontains='x'
        [[message]]\nid='ok'\nmatches=['a','(']\nkinds=['text','blob']
        [[message]]\nid='no thing'
        [[message]]\nid='z'\ncontains=['']\npaths=['chat']\nkinds=[]\njson_depth=1001",
    )
    .unwrap_err();
    let paths: Vec<_> = errors.iter().map(|error| error.path.to_string()).collect();
    let expected = [
        "message[1].id",
        "message[1].kinds[1]",
        "message[1].matches[1]",
        "message[2].id",
        "message[2]",
        "message[3].kinds",
        "message[3].paths[0]",
        "message[3].contains[0]",
        "message[3].json_depth",
    ];
    assert_eq!(paths, expected);

    let huge = "[[message]]\nid='x'\nmatches='\\w{1000}{1000}'";
    let error = compile(huge).unwrap_err().into_iter().next().unwrap();
    assert!(error.to_string().contains("once compiled"), "{error}");

    let rule = |n| MessageRule::new(format!("r{n}")).contains(["x"]);
    let many: Vec<_> = (0..1001).map(rule).collect();
    let errors = many.compile(&Context::new(&State::scratch())).unwrap_err();
    assert_eq!(errors[0].path, ConfigPath::new("message", ""));
}

#[test]
fn a_thousand_rules_compile_and_each_matches() {
    let rules: Vec<_> = (0..1000)
        .map(|n| match n % 4 {
            0 => MessageRule::new(format!("r{n}")).contains([format!("literal-{n};")]),
            1 => MessageRule::new(format!("r{n}")).matches([format!(r"(?i)\bword{n}\b")]),
            2 => MessageRule::new(format!("r{n}")).matches([format!("[a-c]{{{}}}", n + 1)]),
            _ => MessageRule::new(format!("r{n}")).contains([format!("#{n};")]),
        })
        .collect();
    let messages = rules.compile(&Context::new(&State::scratch())).unwrap();
    assert_eq!(messages.len(), 1000);
    for n in [0, 1, 3, 4, 5, 500, 501, 996, 997, 999] {
        let payload = format!("an introduction, literal-{n}; WORD{n} and #{n};");
        assert_eq!(
            text(&messages, "/", payload.as_bytes()),
            Some(format!("r{n}"))
        );
    }
    assert_eq!(text(&messages, "/", b"abc").as_deref(), Some("r2"));
    assert_eq!(text(&messages, "/", b"ab literal word #"), None);
}

#[test]
fn rule_that_exceeds_the_total_size_is_named() {
    let rule = |n| MessageRule::new(format!("r{n}"));
    let errors = |rules: &[MessageRule]| {
        let compiled = rules.compile(&Context::new(&State::scratch()));
        let errors = compiled.map(|messages| messages.len()).unwrap_err();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let literals: Vec<_> = (0..5)
        .map(|n| rule(n).contains([n.to_string().repeat(300 << 10)]))
        .collect();
    assert_eq!(
        errors(&literals),
        ["message[3].contains: too many bytes of literals: 1228800, at most 1048576 are supported"]
    );
    let expressions: Vec<_> = (0..80).map(|n| rule(n).matches([r"\w{18}"])).collect();
    let errors = errors(&expressions);
    let [error] = &errors[..] else {
        panic!("{errors:?}");
    };
    // Each takes about a MiB.
    let what = "].matches: too many bytes of compiled expressions: ";
    let (path, size) = error.split_once(what).unwrap();
    assert!(path.starts_with("message[6"), "{error}");
    assert!(size.ends_with("at most 67108864 are supported"), "{error}");
}

#[test]
fn actions_parse_and_print() {
    for text in ["close", "ban", "ban 1h"] {
        assert_eq!(text.parse::<MessageAction>().unwrap().to_string(), text);
    }
    for text in ["", "403", "ban ", "ban soon", "banned"] {
        assert_eq!(
            text.parse::<MessageAction>(),
            Err(text.parse::<MessageAction>().unwrap_err())
        );
    }
}
