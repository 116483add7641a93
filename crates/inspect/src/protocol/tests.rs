use gabion_core::{ClientRules, Framing, Head, Now, PeerAddr};
use gabion_testkit::{rows, unescape};
use http::{HeaderMap, HeaderName, Uri, header::HOST};

use super::*;
use crate::State;
use crate::{ByteSize, OneOrMany};

/// Heads with their verdicts by the default rules.
const HEADS: &str = include_str!("../../testdata/protocol.tsv");

/// Returns the verdict on a head.
fn judge(protocol: &ProtocolRules, head: Head<'_>) -> Verdict {
    let peer = PeerAddr::new(([203, 0, 113, 9], 4000).into());
    let now = Now::new(std::time::Duration::ZERO, std::time::UNIX_EPOCH);
    let facts = Facts::resolve(head, peer, &ClientRules::default(), now);
    protocol.inspect(&facts, &mut RequestState::new(&facts))
}

fn text(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Deny(denial) => format!("{} {}", denial.status.as_u16(), denial.cause.rule),
        _ => "pass".to_owned(),
    }
}

/// Parses headers separated by ` | `.
fn headers(lines: &str) -> HeaderMap {
    let lines = lines.split(" | ").filter(|line| *line != "-");
    let pairs = lines.map(|line| {
        let (name, value) = line.split_once(": ").expect("a header");
        let name: HeaderName = name.parse().unwrap();
        (name, HeaderValue::from_bytes(&unescape(value)).unwrap())
    });
    pairs.collect()
}

fn get<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Head<'r> {
    Head {
        method: &Method::GET,
        uri,
        version: Version::HTTP_11,
        headers,
        protocol: None,
        framing: Framing::AsShown,
        scheme: gabion_core::Scheme::Plain,
    }
}

/// Returns the verdict on `GET /` with these headers.
fn judge_headers(protocol: &ProtocolRules, headers: &HeaderMap) -> String {
    text(&judge(protocol, get(&Uri::from_static("/"), headers)))
}

fn host() -> HeaderMap {
    headers("host: a")
}

#[test]
fn vectors_have_the_expected_verdicts() {
    let mut wrong = Vec::new();
    let rows = rows(HEADS);
    for row in &rows {
        let version = match row[2] {
            "1.0" => Version::HTTP_10,
            "1.1" => Version::HTTP_11,
            "2" => Version::HTTP_2,
            _ => Version::HTTP_3,
        };
        let verdict = judge(
            &ProtocolRules::default(),
            Head {
                method: &row[0].parse().unwrap(),
                uri: &row[1].parse().unwrap(),
                version,
                headers: &headers(row[3]),
                protocol: Some(row[4]).filter(|protocol| *protocol != "-"),
                framing: Framing::AsShown,
                scheme: gabion_core::Scheme::Plain,
            },
        );
        if text(&verdict) != row[5] {
            wrong.push(format!("{row:?}: {verdict}"));
        }
    }
    let benign = rows.iter().filter(|row| row[5] == "pass").count();
    assert!(benign > 40, "{benign} benign rows");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn framing_observed_on_the_wire_is_denied() {
    let (uri, headers) = (Uri::from_static("/"), host());
    for (framing, expected) in [
        (Framing::AsShown, "pass"),
        (Framing::Both, "400 framing/both"),
        (Framing::Unknown, "400 framing/unknown"),
    ] {
        let head = Head {
            framing,
            ..get(&uri, &headers)
        };
        assert_eq!(text(&judge(&ProtocolRules::default(), head)), expected);
    }
}

#[test]
fn denials_have_the_headers_that_their_status_requires() {
    let socket = "host: a | connection: upgrade | upgrade: websocket | sec-websocket-version: ";
    let close = [("connection", "close")];
    let many = &format!("host: a | transfer-encoding: gzip{}", " | a: b".repeat(100));
    let chunked_twice = "host: a | transfer-encoding: chunked, chunked";
    for (method, lines, expected) in [
        (
            "TRACE",
            "host: a",
            &[("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")][..],
        ),
        ("POST", &format!("{socket}13"), &[("allow", "GET")]),
        (
            "GET",
            &format!("{socket}8"),
            &[("sec-websocket-version", "13"), ("upgrade", "websocket")],
        ),
        ("POST", chunked_twice, &[("connection", "close")]),
        ("GET", "-", &[]),
        // Whichever rule comes first, an ambiguous end of the body closes the connection.
        ("POST", "host: a | transfer_encoding: chunked", &close),
        ("POST", "host: a | content.length: 5", &close),
        (
            "POST",
            "transfer-encoding: chunked | content-length: 5",
            &close,
        ),
        (
            "TRACE",
            "host: a | content-length: 5x",
            &[
                ("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
                ("connection", "close"),
            ],
        ),
        ("POST", many, &close),
        (
            "POST",
            "host: a | x_forwarded_for: b | content-length: 5",
            &[],
        ),
    ] {
        let (uri, headers) = (Uri::from_static("/"), headers(lines));
        let method = method.parse().unwrap();
        let head = Head {
            method: &method,
            ..get(&uri, &headers)
        };
        let Verdict::Deny(denial) = judge(&ProtocolRules::default(), head) else {
            panic!("{lines} passes");
        };
        let headers: Vec<_> = denial
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert_eq!(headers, expected, "{denial}");
    }
}

#[test]
fn denial_of_an_incomplete_handshake_names_the_missing_nginx_directive() {
    let (uri, headers) = (
        Uri::from_static("/"),
        headers("host: a | upgrade: websocket"),
    );
    let verdict = judge(&ProtocolRules::default(), get(&uri, &headers)).to_string();
    assert!(
        verdict.contains(r#"proxy_set_header Connection "upgrade";"#),
        "{verdict}"
    );
}

#[test]
fn denials_show_the_matching_bytes() {
    for (target, lines, evidence) in [
        ("/", "host: a/b", "a/b"),
        ("/", "host: a | host: b", "b"),
        ("http://a/", "host: b", "b"),
        ("http://u@a/", "host: a", "u@a"),
        ("ftp://a/", "host: a", "ftp"),
        ("/", "host: a | transfer-encoding: gzip, chunked", "gzip"),
        ("/", "host: a | content-length: 1 | content-length: 2", "2"),
        ("/", "host: a | expect: x", "x"),
        ("/", "host: a | x_real_ip: b", "x_real_ip"),
        (
            "/",
            "host: a | upgrade: websocket | connection: close",
            "close",
        ),
        (
            "/",
            "host: a | connection: upgrade | upgrade: websocket | sec-websocket-version: 8",
            "8",
        ),
    ] {
        let (uri, headers) = (target.parse().unwrap(), headers(lines));
        let verdict = judge(&ProtocolRules::default(), get(&uri, &headers));
        let Verdict::Deny(denial) = &verdict else {
            panic!("{lines} passes");
        };
        assert_eq!(
            denial.cause.evidence.as_bytes(),
            evidence.as_bytes(),
            "{verdict}"
        );
    }
}

#[test]
fn number_of_headers_is_bounded() {
    let with = |count: usize, name: &'static str| {
        let mut headers = host();
        for _ in 1..count {
            headers.append(name, HeaderValue::from_static("1"));
        }
        headers
    };
    let protocol = ProtocolRules::default();
    assert_eq!(judge_headers(&protocol, &with(100, "x")), "pass");
    assert_eq!(judge_headers(&protocol, &with(101, "x")), "431 header/many");
    assert_eq!(
        judge_headers(&protocol, &with(101, "cookie")),
        "431 header/many"
    );
    let (uri, cookies) = ("http://a/".parse().unwrap(), with(300, "cookie"));
    let http2 = Head {
        version: Version::HTTP_2,
        ..get(&uri, &cookies)
    };
    assert_eq!(
        text(&judge(&protocol, http2)),
        "pass",
        "cookies count as one header"
    );
}

#[test]
fn size_of_headers_is_bounded() {
    let with = |bytes: usize| {
        let mut headers = host();
        let rest = bytes - HOST.as_str().len() - 1 - 1;
        headers.insert("x", HeaderValue::try_from("v".repeat(rest)).unwrap());
        headers
    };
    let protocol = ProtocolRules::default();
    assert_eq!(judge_headers(&protocol, &with(32 * 1024)), "pass");
    assert_eq!(
        judge_headers(&protocol, &with(32 * 1024 + 1)),
        "431 header/large"
    );
}

#[test]
fn limits_are_configurable() {
    let config = ProtocolConfig {
        methods: ["GET", "PROPFIND", "M-SEARCH"].into_iter().collect(),
        versions: vec![HttpVersion::Http11, HttpVersion::Http3],
        max_headers: 2.try_into().unwrap(),
        max_header_bytes: ByteSize(20),
        ..ProtocolConfig::default()
    };
    let protocol = config.compile(&Context::new(&State::scratch())).unwrap();
    let (uri, host) = (Uri::from_static("/"), host());
    let judge_with = |method: &str, version| {
        let method = method.parse().unwrap();
        let head = Head {
            method: &method,
            version,
            ..get(&uri, &host)
        };
        text(&judge(&protocol, head))
    };
    assert_eq!(judge_with("PROPFIND", Version::HTTP_11), "pass");
    assert_eq!(judge_with("M-SEARCH", Version::HTTP_3), "pass");
    assert_eq!(judge_with("POST", Version::HTTP_11), "405 method/unlisted");
    assert_eq!(judge_with("GET", Version::HTTP_10), "505 version/unlisted");
    assert_eq!(judge_headers(&protocol, &headers("host: a | b: c")), "pass");
    let many = headers("host: a | b: c | d: e");
    assert_eq!(judge_headers(&protocol, &many), "431 header/many");
    let long = headers("host: a | b: ccccccccccccccccccc");
    assert_eq!(judge_headers(&protocol, &long), "431 header/large");
}

#[test]
fn invalid_entries_are_errors_with_their_paths() {
    let config = ProtocolConfig {
        methods: ["GET", "get", "CONNECT", "", "G T"].into_iter().collect(),
        versions: Vec::new(),
        ..ProtocolConfig::default()
    };
    let errors = config
        .compile(&Context::new(&State::scratch()))
        .unwrap_err();
    let paths: Vec<_> = errors.iter().map(|error| error.path.to_string()).collect();
    let methods = [1, 2, 3, 4].map(|entry| format!("protocol.methods[{entry}]"));
    assert_eq!(paths[..4], methods);
    assert_eq!(paths[4..], ["protocol.versions"]);
    let no_methods = ProtocolConfig {
        methods: OneOrMany::default(),
        ..ProtocolConfig::default()
    };
    assert!(
        no_methods
            .compile(&Context::new(&State::scratch()))
            .is_err()
    );
}

#[test]
fn malformed_head_in_observe_mode_is_not_denied() {
    let (uri, none) = (Uri::from_static("/"), HeaderMap::new());
    let verdict = judge(&ProtocolRules::new(Mode::Observe), get(&uri, &none));
    assert!(!verdict.refuses());
    assert_eq!(text(&verdict), "400 host/missing");
}

fn compile(toml: &str) -> Result<ProtocolRules, ConfigErrors> {
    let config: ProtocolConfig = toml::from_str(toml).unwrap();
    config.compile(&Context::new(&State::scratch()))
}

/// Returns the verdict on `GET path`, and the rules that observed it.
fn judge_observing(protocol: &ProtocolRules, path: &str) -> (String, Vec<String>) {
    let (uri, headers) = (path.parse().unwrap(), host());
    let peer = PeerAddr::new(([203, 0, 113, 9], 4000).into());
    let now = Now::new(std::time::Duration::ZERO, std::time::UNIX_EPOCH);
    let facts = Facts::resolve(get(&uri, &headers), peer, &ClientRules::default(), now);
    let mut state = RequestState::new(&facts);
    let verdict = text(&protocol.inspect(&facts, &mut state));
    let observed = state.observed().iter();
    let observed = observed.map(|denial| denial.cause.rule.to_string());
    (verdict, observed.collect())
}

#[test]
fn every_vector_that_a_rule_denies_passes_it_where_it_is_off_or_observed() {
    let mut seen = RuleSet::NONE;
    for row in rows(HEADS) {
        let Some((_, id)) = row[5].split_once(' ') else {
            continue;
        };
        let rule: ProtocolRule = id.parse().expect("a known rule");
        seen.insert(rule);
        let version = match row[2] {
            "1.0" => Version::HTTP_10,
            "1.1" => Version::HTTP_11,
            "2" => Version::HTTP_2,
            _ => Version::HTTP_3,
        };
        let (method, uri) = (row[0].parse().unwrap(), row[1].parse().unwrap());
        let headers = headers(row[3]);
        let head = || Head {
            method: &method,
            version,
            protocol: Some(row[4]).filter(|protocol| *protocol != "-"),
            ..get(&uri, &headers)
        };
        let observing = compile(&format!("observe = ['{id}']")).unwrap();
        let verdict = text(&judge(&observing, head()));
        assert!(!verdict.ends_with(id), "{row:?}: {verdict}");
        let off = compile(&format!("off = ['{id}']"));
        match off {
            Ok(off) => assert_eq!(text(&judge(&off, head())), verdict, "{row:?}"),
            Err(_) => assert!(!rule.may_be_off(), "{row:?}"),
        }
        let all = ProtocolRule::all().map(|rule| format!("'{rule}', "));
        let all = compile(&format!("observe = [{}]", all.collect::<String>())).unwrap();
        assert_eq!(text(&judge(&all, head())), "pass", "{row:?}");
    }
    let unseen: Vec<_> = ProtocolRule::all()
        .filter(|rule| !seen.contains(*rule))
        .collect();
    let unseen: Vec<_> = unseen.iter().map(|rule| rule.id()).collect();
    // These need a head that the http crate does not build, or a size.
    let known = [
        "header/many",
        "header/large",
        "framing/unknown",
        "body/large",
        "path/control",
        "path/tangled",
    ];
    assert_eq!(unseen, known);
}

#[test]
fn rule_that_is_off_hides_no_other() {
    let off = compile("off = ['path/utf8', 'host/doubled']").unwrap();
    let observing = compile("observe = ['path/utf8', 'path/nul']").unwrap();
    for (path, with_off, with_observed, observed) in [
        ("/caf%E9", "pass", "pass", &["path/utf8"][..]),
        ("/%93%fa%96%7b", "pass", "pass", &["path/utf8"]),
        ("/caf%C3%A9", "pass", "pass", &[]),
        (
            "/caf%E9%00",
            "400 path/nul",
            "pass",
            &["path/nul", "path/utf8"],
        ),
        (
            "/caf%E9%01",
            "400 path/escaped-control",
            "400 path/escaped-control",
            &[],
        ),
        ("/caf%E9%zz", "400 path/escape", "400 path/escape", &[]),
        (
            "/caf%E9/../..",
            "400 path/above-root",
            "400 path/above-root",
            &["path/utf8"],
        ),
        (
            "/caf%E9/;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;",
            "400 path/tangled",
            "400 path/tangled",
            &["path/utf8"],
        ),
    ] {
        assert_eq!(
            judge_observing(&off, path),
            (with_off.into(), vec![]),
            "{path}"
        );
        let (verdict, found) = judge_observing(&observing, path);
        assert_eq!(
            (&*verdict, &found[..]),
            (
                with_observed,
                &observed.iter().map(ToString::to_string).collect::<Vec<_>>()[..]
            ),
            "{path}"
        );
    }
    let judge = |lines| judge_headers(&off, &headers(lines));
    assert_eq!(judge("host: a | host: b"), "pass");
    assert_eq!(judge("host: a/b | host: b"), "400 host/malformed");
    assert_eq!(
        judge("host: a | host: b | x_real_ip: c"),
        "400 header/underscore"
    );
    let observing =
        compile("observe = ['framing/both', 'framing/version', 'framing/doubled']").unwrap();
    let judge = |lines| judge_headers(&observing, &headers(lines));
    assert_eq!(
        judge("host: a | content-length: 1 | transfer-encoding: chunked"),
        "pass"
    );
    assert_eq!(
        judge("host: a | content-length: 1 | transfer-encoding: gzip"),
        "400 framing/chunked"
    );
    assert_eq!(
        judge("host: a | content-length: 1 | content-length: 1"),
        "pass"
    );
    assert_eq!(
        judge("host: a | content-length: 1 | content-length: x"),
        "400 framing/length"
    );
}

#[test]
fn exception_applies_to_paths_that_lie_below_it_in_every_view() {
    let rules = compile(
        "[[except]]
        paths = ['/legacy', '/old/files']
        off = ['path/utf8']

        [[except]]
        paths = ['/legacy/watched']
        observe = ['path/escape']",
    )
    .unwrap();
    for (path, verdict, observed) in [
        ("/legacy/caf%E9", "pass", &[][..]),
        ("/legacy/%93%fa/%96%7b", "pass", &[]),
        ("/old/files/caf%E9", "pass", &[]),
        ("/old/caf%E9", "400 path/utf8", &[]),
        ("/caf%E9", "400 path/utf8", &[]),
        ("/caf%E9/legacy", "400 path/utf8", &[]),
        ("/legacy%E9", "400 path/utf8", &[]),
        ("/legacyx/caf%E9", "400 path/utf8", &[]),
        ("/legacy/../caf%E9", "400 path/utf8", &[]),
        ("/legacy/..%2fcaf%E9", "400 path/utf8", &[]),
        ("/legacy/%252e%252e/caf%E9", "400 path/utf8", &[]),
        ("/x/..;/legacy/caf%E9", "400 path/utf8", &[]),
        ("/legacy/a%zz", "400 path/escape", &[]),
        ("/legacy/watched/a%zz", "pass", &["path/escape"]),
        ("/legacy/watched/a%zz%E9", "pass", &["path/escape"]),
        ("/legacy/watched/a%zz%00", "400 path/nul", &["path/escape"]),
    ] {
        let (found, by) = judge_observing(&rules, path);
        assert_eq!(
            (&*found, by.len()),
            (verdict, observed.len()),
            "{path}: {by:?}"
        );
        assert!(by.iter().eq(observed), "{path}: {by:?}");
    }
    let default = ProtocolRules::default();
    assert_eq!(
        judge_observing(&default, "/legacy/caf%E9").0,
        "400 path/utf8"
    );
}

#[test]
fn exemptions_that_are_invalid_are_errors_with_their_paths() {
    let errors = |toml: &str| {
        let errors = compile(toml).unwrap_err();
        let paths = errors.iter().map(|error| error.path.to_string());
        paths.collect::<Vec<_>>()
    };
    assert_eq!(
        errors(
            "observe = ['path/utf8']\noff = ['path/escape', 'framing/both', 'path/utf8', 'connect/tunnel']"
        ),
        ["protocol.off[1]", "protocol.off[2]", "protocol.off[3]"]
    );
    assert_eq!(
        errors(
            "[[except]]\npaths = ['/a']\n[[except]]\noff = ['path/utf8']\n\
             [[except]]\npaths = ['/ok', 'a']\nobserve = ['path/utf8']\noff = ['framing/length']"
        ),
        [
            "protocol.except[0]",
            "protocol.except[1].paths",
            "protocol.except[2].off[0]",
            "protocol.except[2].paths[1]",
        ]
    );
    let many = "[[except]]\npaths = '/a'\noff = ['path/utf8']\n".repeat(257);
    assert_eq!(errors(&many), ["protocol.except"]);
}

/// Returns the verdict on `GET path`.
fn judge_path(path: &str) -> String {
    let (uri, headers) = (path.parse().unwrap(), host());
    text(&judge(&ProtocolRules::default(), get(&uri, &headers)))
}

#[test]
fn path_with_many_names_is_tangled() {
    let with = |ends: &str, count| judge_path(&format!("/a{}", ends.repeat(count)));
    for ends in [":", ";", "%3a", "%253b"] {
        assert_eq!(with(ends, 32), "pass", "{ends}");
        assert_eq!(with(ends, 33), "400 path/tangled", "{ends}");
    }
}

#[test]
fn host_longer_than_any_name_is_malformed() {
    let with = |length| {
        let line = format!("host: {}:65535", "a".repeat(length));
        judge_headers(&ProtocolRules::default(), &headers(&line))
    };
    assert_eq!(with(255), "pass");
    assert_eq!(with(256), "400 host/malformed");
}

#[test]
fn long_name_that_imitates_another_is_denied() {
    let (dashed, like) = ("x-".repeat(60), "x_".repeat(60));
    let with = |name: &str, other: &str| {
        let lines = format!("host: a | {name}a: 1 | {other}a: 1");
        judge_headers(&ProtocolRules::default(), &headers(&lines))
    };
    assert_eq!(with(&dashed, &like), "400 header/underscore");
    assert_eq!(with(&like, &"y-".repeat(60)), "pass");
}
