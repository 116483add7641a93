//! All errors of a document are reported at once, with position and help.

use gabion_policy::{Diagnostic, PolicyError, check};

fn refuse(text: &str) -> PolicyError {
    check(text, "policy.toml", None).expect_err("the document is invalid")
}

fn diagnostics(text: &str) -> Vec<Diagnostic> {
    refuse(text).diagnostics().to_vec()
}

const MANY: &str = r#"version = 1
mode = "enforec"
packs = ["nevr"]

[client]
trusted_proxies = ["172.31.0.0/16", "10.0.0.1/8"]
ipv6_prefix = 16

[allow]
network = ["203.0.113.7"]

[[deny]]
id = "php"
prefx = "/php"
extensions = ["php"]

[[deny]]
names = [".env"]

[[deny]]
id = "two words"
names = ["a/b", ".git"]
then = "bann"

[[deny]]
id = "valid"
names = ["a/b"]

[[expect]]
request = "GET /"
verdict = "refuse"
"#;

#[test]
fn all_errors_of_a_file_are_reported_at_once() {
    let expected = [
        (2, 8, "unknown value `enforec`; did you mean `enforce`?"),
        (3, 10, "unknown value `nevr`; did you mean `never`?"),
        (
            6,
            37,
            "network `10.0.0.1/8` has host bits set: write `10.0.0.0/8` for the network or `10.0.0.1` for the address",
        ),
        (7, 15, "invalid prefix length 16: write 32 to 128"),
        (10, 1, "unknown key `network`"),
        (14, 1, "unknown key `prefx`"),
        (17, 1, "missing key `id`"),
        (21, 6, "invalid rule id `two words`: "),
        (22, 10, "invalid name `a/b`: "),
        (
            23,
            8,
            "invalid action `bann`: write `403`, `404`, `ban` or `ban 1h`",
        ),
        (27, 10, "invalid name `a/b`: "),
        (31, 11, "unknown value `refuse`"),
    ];
    let found = diagnostics(MANY);
    assert_eq!(found.len(), expected.len(), "{}", refuse(MANY));
    for (diagnostic, (line, column, message)) in found.iter().zip(expected) {
        assert_eq!(
            (diagnostic.line(), diagnostic.column()),
            (line, column),
            "{diagnostic}"
        );
        assert!(diagnostic.message().starts_with(message), "{diagnostic}");
    }
}

#[test]
fn error_is_rendered_with_file_line_caret_and_help() {
    let text = "version = 1\n\n[[deny]]\nid = \"php\"\nprefx = \"/php\"\nnames = \"x\"\n";
    let rendered = "\
error: unknown key `prefx`; did you mean `prefix`?
 --> policy.toml:5:1
  |
5 | prefx = \"/php\"
  | ^^^^^
  |
  = help: known keys: `id`, `exact`, `prefix`, `names`, `extensions`, `in_urls`, `regex`, `agents`, `then`, `mode`";
    assert_eq!(refuse(text).to_string(), rendered);
    assert!(refuse(text).in_color().contains("\x1b["));
}

#[test]
fn rendered_position_equals_line_and_column() {
    for diagnostic in diagnostics(MANY).iter().chain(&diagnostics(
        "é = 1\r\n\tü = 'x'\r\nclient = { é = 1, ü = 2 }",
    )) {
        let position = format!(
            "--> policy.toml:{}:{}\n",
            diagnostic.line(),
            diagnostic.column()
        );
        assert!(
            diagnostic.to_string().contains(&position),
            "{position} in\n{diagnostic}"
        );
    }
}

#[test]
fn misspelled_word_gets_a_suggestion() {
    for (text, suggestion) in [
        ("versoin = 1", Some("version")),
        ("version = 1\nmdoe = 'observe'", Some("mode")),
        ("version = 1\n[[dney]]\nid = 'x'", Some("deny")),
        (
            "version = 1\n[client]\ntrusted_proxy = []",
            Some("trusted_proxies"),
        ),
        (
            "version = 1\n[client]\nIPv6_prefix = 64",
            Some("ipv6_prefix"),
        ),
        ("version = 1\n[ban]\nfirts = '10m'", Some("first")),
        (
            "version = 1\n[[deny]]\nid = 'x'\nextension = 'php'",
            Some("extensions"),
        ),
        (
            "version = 1\n[[expect]]\nrequest = '/'\nverdict = 'pass'\nfrm = '1.1.1.1'",
            Some("from"),
        ),
        ("version = 1\nmode = 'Enforce'", Some("enforce")),
        ("version = 1\non_fault = 'refuze'", Some("refuse")),
        (
            "version = 1\n[client]\nheader = 'x-forward-for'",
            Some("x-forwarded-for"),
        ),
        (
            "version = 1\n[client]\ntrusted_headers = ['x-reel-ip']",
            Some("x-real-ip"),
        ),
        (
            "version = 1\n[client]\ntrusted_headers = ['x-request-identity']",
            None,
        ),
        ("version = 1\nelephant = 1", None),
    ] {
        let all = diagnostics(text);
        let known = all.iter().find(|diagnostic| {
            let help = diagnostic.help().unwrap_or_default();
            help.starts_with("known keys: `") || help.starts_with("known values: `")
        });
        let message = known
            .unwrap_or_else(|| panic!("{text:?}: {all:?}"))
            .message();
        match suggestion {
            Some(suggestion) => assert!(
                message.ends_with(&format!("; did you mean `{suggestion}`?")),
                "{message}"
            ),
            None => assert!(message.ends_with('`'), "{message}"),
        }
    }
}

#[test]
fn debug_of_an_error_shows_what_display_shows() {
    let error = refuse(MANY);
    assert_eq!(format!("{error:?}"), format!("{error}"));
    let main = || -> Result<(), PolicyError> {
        check("version = 1\nmode = 'enfroce'\n", "policy.toml", None)?;
        Ok(())
    };
    // The runtime prints the error of `main` like this.
    let output = format!("Error: {:?}", main().unwrap_err());
    assert!(
        output.contains("2 | mode = 'enfroce'\n  |        ^^^^^^^^^\n"),
        "{output}"
    );
}

#[test]
fn renamed_section_is_refused_with_its_new_name() {
    let all = diagnostics("version = 1\n[sanity]\nmax_headers = 5");
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].message(), "unknown key `sanity`");
    assert_eq!(all[0].help().unwrap(), "it was renamed: write `protocol`");
}

/// A document, and the line, column and message of its only error.
const BAD_VALUES: &[(&str, usize, usize, &str)] = &[
    ("", 1, 1, "missing key `version`"),
    (
        "version = 2",
        1,
        11,
        "unknown version 2: this release reads version 1",
    ),
    (
        "version = 'one'",
        1,
        11,
        "invalid type: string \"one\", expected u32",
    ),
    ("version = 1\non_fault = 3", 2, 12, "wanted string or table"),
    ("version = 1\nmode = ''", 2, 8, "unknown value ``"),
    (
        "version = 1\n[client]\nipv6_prefix = 129",
        3,
        15,
        "invalid prefix length 129",
    ),
    (
        "version = 1\n[client]\ntrusted_headers = ['x-real-ip', 'X-Client-IP']",
        3,
        33,
        "invalid header `X-Client-IP`: write `x-client-ip`",
    ),
    (
        "version = 1\n[client]\ntrusted_headers = ['x-forwarded-uri']",
        3,
        20,
        "invalid header `x-forwarded-uri`: write `x-forwarded-*`",
    ),
    (
        "version = 1\n[client]\nprivate = 'yes'",
        3,
        11,
        "invalid type: string \"yes\"",
    ),
    (
        "version = 1\n[client]\ntrusted_proxies = ['::/0']",
        3,
        20,
        "`::/0` cannot be a trusted proxy network",
    ),
    (
        "version = 1\n[allow]\nnetworks = ['lan']",
        3,
        13,
        "invalid network `lan`",
    ),
    (
        "version = 1\n[allow]\npaths = [3]",
        3,
        10,
        "invalid type: integer `3`",
    ),
    (
        "version = 1\n[ban]\nfirst = 'soon'",
        3,
        9,
        "invalid duration `soon`",
    ),
    (
        "version = 1\n[ban]\nnetworks = '1.1.1.1'",
        3,
        12,
        "invalid type: string \"1.1.1.1\"",
    ),
    (
        "version = 1\n[deny]\nid = 'x'",
        2,
        1,
        "invalid type: map, expected a sequence",
    ),
    (
        "version = 1\n[[deny]]\nid = 'x'",
        2,
        1,
        "rule `x` has no conditions",
    ),
    (
        "version = 1\n[[deny]]\nid = 'x'\nregex = '('",
        4,
        9,
        "regular expression `(`",
    ),
    (
        "version = 1\n[upgrade]\nping = 'on'",
        3,
        8,
        "invalid ping `on`: write a duration such as `25s`, or `off`",
    ),
    (
        "version = 1\n[upgrade]\nping = '50ms'",
        3,
        8,
        "invalid value `50ms`: at least `100ms` is supported",
    ),
    (
        "version = 1\n[upgrade]\n[[upgrade.route]]\npath = '/a'\n[[upgrade.route]]\npath = '/b'\norigins = ['https://a', 'b']",
        7,
        25,
        "invalid value `b`: write an origin such as `https://app.example`",
    ),
    (
        "version = 1\n[[upgrade.route]]\npath = 'chat'",
        3,
        8,
        "invalid path `chat`: it must begin with `/`",
    ),
    (
        "version = 1\n[[upgrade.route]]\nonly = true",
        2,
        1,
        "missing key `path`",
    ),
    (
        "version = 1\n[[upgrade.route]]\npath = 3",
        3,
        8,
        "invalid type: integer `3`",
    ),
    (
        "version = 1\n[[upgrade.route]]\npath = '/'\npings = '25s'",
        4,
        1,
        "unknown key `pings`",
    ),
    (
        "version = 1\n[[expect]]\nrequest = 'GET'\nverdict = 'pass'",
        3,
        11,
        "invalid request `GET`",
    ),
    (
        "version = 1\n[[expect]]\nrequest = '/'\nheaders = { 'a b' = 'c' }\nverdict = 'pass'",
        4,
        11,
        "invalid header name `a b`",
    ),
];

#[test]
fn invalid_value_is_reported_at_its_position() {
    for &(text, line, column, message) in BAD_VALUES {
        let all = diagnostics(text);
        let [diagnostic] = all.as_slice() else {
            panic!("{text:?} has one error: {all:#?}");
        };
        assert_eq!(
            (diagnostic.line(), diagnostic.column()),
            (line, column),
            "{diagnostic}"
        );
        assert!(diagnostic.message().starts_with(message), "{diagnostic}");
    }
}

#[test]
fn incomplete_rule_does_not_hide_errors_of_the_next() {
    for (first, expected) in [
        ("id = 3\nnames = 'a'", &[3, 7][..]),
        ("id = 'a'\nnames = 3", &[4, 7]),
        ("id = 'a'\nnames = ", &[4, 7]),
        // The parser stops at a key without `=`.
        ("id = 'a'\nnames 'a'", &[4]),
        ("id = 'a'\nnams = 'a'", &[4, 7]),
        ("id = ''\nthen = 3", &[3, 4, 7]),
    ] {
        let next = "[[deny]]\nid = 'x'\nnames = 'a/b'\n";
        let text = format!("version = 1\n[[deny]]\n{first}\n{next}");
        let lines: Vec<_> = diagnostics(&text).iter().map(Diagnostic::line).collect();
        assert_eq!(lines, expected, "\n{}", refuse(&text));
    }
}

#[test]
fn duplicate_rule_id_is_reported_at_the_second_rule() {
    let text = "version = 1\n[[deny]]\nid='x'\nnames='a'\n[[deny]]\nid='x'\nnames='b'\n";
    let all = diagnostics(text);
    assert_eq!(
        (all.len(), all[0].line(), all[0].column()),
        (1, 6, 4),
        "{all:?}"
    );
}

#[test]
fn syntax_errors_do_not_hide_other_errors() {
    let text = "version = 1\nmode = \n[clint]\n[[deny]]\nid = 'php\nnames = 'a/b'\n[[deny]]\nid = 'x'\nprefx = 3\n";
    let lines: Vec<_> = diagnostics(text).iter().map(Diagnostic::line).collect();
    assert_eq!(lines, [2, 3, 5, 6, 9], "\n{}", refuse(text));
}

#[test]
fn unclosed_bracket_is_reported_once_where_it_opens() {
    let text = "version = 1\n[allow]\npaths = [\n  '/a',\n\n[[deny]]\nid = 'x'\nnames = 'y'\n";
    let all = diagnostics(text);
    let [diagnostic] = all.as_slice() else {
        panic!("one error: {all:#?}");
    };
    assert_eq!(
        (diagnostic.line(), diagnostic.column()),
        (3, 9),
        "{diagnostic}"
    );
}

#[test]
fn control_characters_of_the_document_are_escaped() {
    let text = "version = 1\n\"\\u001b[2J\u{202e}x\" = 1 # \u{1b}[31m\n";
    let rendered = refuse(text).to_string();
    assert!(
        !rendered.contains('\u{1b}') && !rendered.contains('\u{202e}'),
        "{rendered:?}"
    );
    assert!(
        rendered.contains("unknown key `\\u{1b}[2J\\u{202e}x`"),
        "{rendered}"
    );
}

#[test]
fn line_over_1000_bytes_is_not_shown() {
    let text = format!(
        "version = 1 # {}\nx = '{}'",
        "x".repeat(999),
        "y".repeat(999)
    );
    let rendered = refuse(&text).to_string();
    assert!(
        rendered.contains("--> policy.toml:2:1") && !rendered.contains("yyy"),
        "{rendered}"
    );
}

#[test]
fn at_most_64_errors_are_reported() {
    let text = format!("version = 1\n{}", "a = 1\n".repeat(1000));
    assert_eq!(diagnostics(&text).len(), 64);
    let keys: Vec<_> = (0..1000).map(|n| format!("key{n} = 1")).collect();
    let text = keys.join("\n");
    assert_eq!(diagnostics(&text).len(), 64);
}

#[test]
fn oversized_document_is_refused() {
    let text = format!("version = 1\n#{}\n", "x".repeat(4 << 20));
    assert_eq!(
        diagnostics(&text)[0].message(),
        "the document is larger than the limit of 4194304 bytes"
    );
    let rule = |n| format!("[[deny]]\nid='{n}'\nnames='n{n}'\n");
    let rules: Vec<_> = (0..50_001).map(rule).collect();
    let all = diagnostics(&format!("version = 1\n{}", rules.concat()));
    assert_eq!(
        (all[0].line(), all[0].message()),
        (2, "50001 entries, but the limit is 50000")
    );
}

#[test]
fn deep_nesting_is_an_error() {
    for text in [
        format!("x = {}", "[".repeat(100_000)),
        format!("x = {}", "{a=".repeat(100_000)),
        format!("a{} = 1", ".a".repeat(100_000)),
        format!("[a{}]", ".a".repeat(100_000)),
    ] {
        assert!(!diagnostics(&text).is_empty());
    }
}

/// Every kind of error at once in each kind of rule: none hides another.
const SEVERAL_PER_RULE: &str = r#"version = 1
[[limit]]
id = "rate-and-key"
rate = "10 per minute"
key = "nothing"
paths = ["no-slash"]

[[deny]]
then = "42"
exact = ["no-slash"]

[[deny]]
exact = ["no-slash-either"]

[[message]]
longer_than = "many"
matches = "("

[[upgrade.route]]
path = 3
ping = "0s"

[[expect]]
request = "GET"
verdict = "denied"
"#;

#[test]
fn error_in_a_rule_hides_no_other_of_the_same_rule() {
    let found = diagnostics(SEVERAL_PER_RULE);
    let found: Vec<_> = found
        .iter()
        .map(|diagnostic| (diagnostic.line(), diagnostic.message()))
        .collect();
    let expected = [
        (4, "invalid rate `10 per minute`"),
        (5, "invalid value `nothing`"),
        (6, "invalid path `no-slash`"),
        (8, "missing key `id`"),
        (9, "invalid action `42`"),
        (10, "invalid path `no-slash`"),
        (12, "missing key `id`"),
        (13, "invalid path `no-slash-either`"),
        (15, "missing key `id`"),
        (16, "invalid size `many`"),
        (17, "regular expression `(`"),
        (20, "invalid type: integer `3`"),
        (21, "invalid ping `0s`"),
        (24, "invalid request `GET`"),
        (25, "unknown value `denied`"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for ((line, message), (expected_line, start)) in found.into_iter().zip(expected) {
        assert_eq!(line, expected_line, "{message}");
        assert!(message.starts_with(start), "{message}: not {start}");
    }
}
