use std::fmt::Write as _;

use crate::{List, ListProblem};

fn lines(text: &str) -> Vec<(String, u32)> {
    let list = List::parse("list", text).unwrap();
    let networks = list.networks();
    networks
        .map(|(net, line)| (net.to_string(), line))
        .collect()
}

#[test]
fn a_list_is_read_as_it_is_written() {
    for (text, expected) in [
        ("", &[][..]),
        ("\u{feff}", &[]),
        ("# 192.0.2.1\n ; 192.0.2.2\n\r\n \t \n", &[]),
        ("192.0.2.1", &[("192.0.2.1/32", 1)]),
        ("\u{feff}192.0.2.1\n", &[("192.0.2.1/32", 1)]),
        (
            "\n192.0.2.0/24\r\n2001:db8::1\r\n",
            &[("192.0.2.0/24", 2), ("2001:db8::1/128", 3)],
        ),
        (
            " \t192.0.2.0/24 # a\n192.0.3.0/24;b",
            &[("192.0.2.0/24", 1), ("192.0.3.0/24", 2)],
        ),
        (
            "192.0.2.1\t10\n192.0.2.2  3  # x",
            &[("192.0.2.1/32", 1), ("192.0.2.2/32", 2)],
        ),
        (
            "192.0.2.1\n192.0.2.1",
            &[("192.0.2.1/32", 1), ("192.0.2.1/32", 2)],
        ),
        ("::ffff:192.0.2.0/120", &[("192.0.2.0/24", 1)]),
        ("192.0.2.0-192.0.2.255", &[("192.0.2.0/24", 1)]),
        (
            "192.0.2.7-192.0.2.8\t3\n2001:db8::-2001:db8::1 # a",
            &[
                ("192.0.2.7/32", 1),
                ("192.0.2.8/32", 1),
                ("2001:db8::/127", 2),
            ],
        ),
        ("::ffff:192.0.2.1-192.0.2.1", &[("192.0.2.1/32", 1)]),
    ] {
        let expected: Vec<_> = expected
            .iter()
            .map(|&(net, at)| (net.to_owned(), at))
            .collect();
        assert_eq!(lines(text), expected, "{text:?}");
    }
}

#[test]
fn what_is_no_entry_refuses_the_list_and_says_where() {
    for (text, expected) in [
        ("192.0.2.1-9", "f:1:1: `192.0.2.1-9` is neither an address"),
        (
            "\n  example.org",
            "f:2:3: `example.org` is neither an address",
        ),
        (
            "<!DOCTYPE html>",
            "f:1:1: `<!DOCTYPE` is neither an address",
        ),
        (
            "192.0.2.1\r192.0.2.2",
            "f:1:11: `192.0.2.2` stands behind a network",
        ),
        (
            "192.0.2.0 255.255.255.0",
            "f:1:11: `255.255.255.0` stands behind a network",
        ),
        ("192.0.2.1 3 4", "f:1:11: `3 4` stands behind a network"),
        ("192.0.2.1\t-3", "f:1:11: `-3` stands behind a network"),
        ("192.0.2.1,3", "f:1:1: `192.0.2.1,3` is neither an address"),
        (
            "\u{a0}192.0.2.1",
            r"f:1:1: `\xc2\xa0192.0.2.1` is neither an address",
        ),
        (
            "192.0.2.1 \u{a0} x",
            r"f:1:11: `\xc2\xa0 x` stands behind a network",
        ),
        (
            "192.0.2.1\n\u{1b}[2J",
            r"f:2:1: `\x1b[2J` is neither an address",
        ),
        (
            "192.0.2.1/24",
            "f:1:1: `192.0.2.1/24` has bits beyond its prefix",
        ),
        (
            "192.0.2.0/33",
            "f:1:1: `192.0.2.0/33` is neither an address",
        ),
        (
            "192.0.2.1\n 0.0.0.0/0",
            "f:2:2: 0.0.0.0/0 is the whole address space",
        ),
        ("::/0 # all", "f:1:1: ::/0 is the whole address space"),
        (
            "192.0.2.9-192.0.2.1",
            "f:1:1: `192.0.2.9-192.0.2.1` is no range",
        ),
        (
            "192.0.2.1-2001:db8::1",
            "f:1:1: `192.0.2.1-2001:db8::1` is no range",
        ),
        (
            "0.0.0.0-255.255.255.255",
            "f:1:1: 0.0.0.0/0 is the whole address space",
        ),
        (
            "::ffff:0:0/96",
            "f:1:1: 0.0.0.0/0 is the whole address space",
        ),
    ] {
        let refused = List::parse("f", text).unwrap_err().to_string();
        assert!(refused.starts_with(expected), "{text:?}: {refused}");
    }
}

#[test]
fn a_long_line_is_shown_cut() {
    let refused = List::parse("f", &"a".repeat(1 << 20)).unwrap_err();
    assert!(refused.to_string().len() < 160);
}

#[test]
fn a_list_holds_so_many_and_no_more() {
    let mut text = String::from("# generated\n");
    for number in 0..=List::MAX_ENTRIES {
        let [_, a, b, c] = u32::try_from(number).unwrap().to_be_bytes();
        writeln!(text, "10.{a}.{b}.{c}").unwrap();
    }
    let refused = List::parse("f", &text).unwrap_err();
    assert_eq!((refused.line, refused.column), (2_000_002, 1));
    assert_eq!(refused.problem, ListProblem::TooMany);

    text.truncate(text.trim_end().rfind('\n').unwrap());
    assert_eq!(List::parse("f", &text).unwrap().len(), List::MAX_ENTRIES);
}

#[test]
fn known_json_and_text_are_told_apart_by_content() {
    for (text, expected) in [
        (
            include_str!("../../../testdata/lists/aws.json"),
            &[
                ("2001:db8:1f14::/48", 3),
                ("192.0.2.0/24", 5),
                ("192.0.2.0/24", 6),
            ][..],
        ),
        (
            include_str!("../../../testdata/lists/google.json"),
            &[("2001:db8:4860::/64", 4), ("192.0.2.0/27", 6)],
        ),
        (
            include_str!("../../../testdata/lists/drop.json"),
            &[("192.0.2.0/24", 1), ("2001:db8::/32", 2)],
        ),
        (
            include_str!("../../../testdata/lists/drop.txt"),
            &[("192.0.2.0/24", 3), ("198.51.100.0/24", 4)],
        ),
    ] {
        let expected: Vec<_> = expected
            .iter()
            .map(|&(net, at)| (net.to_owned(), at))
            .collect();
        assert_eq!(lines(text), expected, "{text}");
        assert_eq!(lines(&format!("\u{feff}{text}")), expected);
        assert_eq!(lines(&text.replace('\n', "\r\n")), expected);
    }
}

#[test]
fn json_of_no_known_format_refuses_the_list_and_says_where() {
    let deep = format!("{{\"prefixes\": [{}", "{\"ipv4Prefix\": [".repeat(100_000));
    for (text, expected) in [
        ("{}", "f:1:1: this JSON is no known list"),
        (
            r#"{"items": ["192.0.2.1"]}"#,
            "f:1:1: this JSON is no known list",
        ),
        ("{\n  \"prefixes\": [", "f:2:15: EOF while parsing a list"),
        (
            "{\"prefixes\": [\n {\"ipv4Prefix\": \"192.0.2.1/24\"}]}",
            "f:2:18: `192.0.2.1/24` has bits beyond its prefix",
        ),
        (
            "{\"prefixes\": [\n {\"ipv4Prefix\": \"lan\"}]}",
            "f:2:18: `lan` is neither an address",
        ),
        (
            "{\"prefixes\": [\n {\"ipv4Prefix\": \"0.0.0.0/0\"}]}",
            "f:2:18: 0.0.0.0/0 is the whole address space",
        ),
        (
            "{\"prefixes\": [\n {\"cidr\": \"192.0.2.1\"}]}",
            "f:2:23: an entry has one of `ipv4Prefix` and `ipv6Prefix`",
        ),
        (
            "{\"prefixes\": [], \"ipv6_prefixes\": [{}]}",
            "f:1:37: missing field `ipv6_prefix`",
        ),
        (
            "{\"cidr\": \"192.0.2.1\"}\n{\"type\": \"advert\"}\n",
            "f:2:1: a line has a `cidr`",
        ),
        ("{\"cidr\": \"192.0.2.1\"}\n192.0.2.2\n", "f:2:"),
        (
            "{\"prefixes\":\n [{\"é한\": \"\"}]}",
            "f:2:13: an entry has one",
        ),
        ("{\"cidr\": \"192.0.2.1\"}\n{\"é\": \n", "f:2:6: EOF"),
        (
            r#"{"cidr": "192.0.2.0\/24"}"#,
            "f:1:24: invalid type: string",
        ),
        (
            "[\"192.0.2.1\"]",
            "f:1:1: `[\\x22192.0.2.1\\x22]` is neither",
        ),
        (&deep, "f:1:"),
    ] {
        let refused = List::parse("f", text).unwrap_err().to_string();
        assert!(refused.starts_with(expected), "{text:.80}: {refused}");
        assert!(refused.len() < 200, "{refused}");
    }
}

#[test]
fn real_feeds_are_read_whole() {
    for name in [
        "ipsum.txt",
        "ipsum_level3.txt",
        "lord_alfred_amazon_ipv4_merged.txt",
        "lord_alfred_bing_ipv4.txt",
        "lord_alfred_cloudflare_ipv4.txt",
        "lord_alfred_cloudflare_ipv6.txt",
        "lord_alfred_github_ipv6_merged.txt",
        "lord_alfred_googlebot_ipv4.txt",
        "lord_alfred_googlebot_ipv6.txt",
    ] {
        let Some(text) = feed(name) else { continue };
        let written = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        let list = List::parse(name, &text).unwrap();
        assert_eq!(list.len(), written.count(), "{name}");
        assert!(!list.is_empty(), "{name}");
    }
}

#[test]
fn all_of_aws_is_read_with_its_lines() {
    let name = "aws_ip-ranges.json";
    let Some(text) = feed(name) else { return };
    let written = text.matches("\"ip_prefix\"").count() + text.matches("\"ipv6_prefix\"").count();
    let list = List::parse(name, &text).unwrap();
    assert_eq!(list.len(), written);
    let rows: Vec<_> = text.lines().collect();
    for (network, line) in list.networks() {
        let row = rows[line as usize - 1];
        assert!(row.contains(&format!("\"{network}\"")), "{network}: {row}");
    }
}

#[expect(clippy::disallowed_methods, reason = "feeds are test data")]
fn feed(name: &str) -> Option<String> {
    let path = gabion_testkit::shared(&format!("data/ip-feeds/{name}"))?;
    Some(std::fs::read_to_string(path).unwrap())
}
