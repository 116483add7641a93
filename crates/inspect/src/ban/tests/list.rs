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
fn lines_parse_with_their_numbers() {
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
        (
            "192.0.2.1#a\r\n192.0.2.2;b\r",
            &[("192.0.2.1/32", 1), ("192.0.2.2/32", 2)],
        ),
    ] {
        let expected: Vec<_> = expected
            .iter()
            .map(|&(net, at)| (net.to_owned(), at))
            .collect();
        assert_eq!(lines(text), expected, "{text:?}");
    }
}

#[test]
fn invalid_line_is_an_error_with_its_position() {
    for (text, expected) in [
        ("192.0.2.1-9", "f:1:1: invalid network `192.0.2.1-9`"),
        ("\n  example.org", "f:2:3: invalid network `example.org`"),
        ("<!DOCTYPE html>", "f:1:1: invalid network `<!DOCTYPE`"),
        (
            "192.0.2.1\r192.0.2.2",
            "f:1:11: unexpected `192.0.2.2` after a network",
        ),
        (
            "192.0.2.0 255.255.255.0",
            "f:1:11: unexpected `255.255.255.0` after a network",
        ),
        ("192.0.2.1 3 4", "f:1:11: unexpected `3 4` after a network"),
        ("192.0.2.1\t-3", "f:1:11: unexpected `-3` after a network"),
        ("192.0.2.1,3", "f:1:1: invalid network `192.0.2.1,3`"),
        (
            "\u{a0}192.0.2.1",
            r"f:1:1: invalid network `\xc2\xa0192.0.2.1`",
        ),
        (
            "192.0.2.1 \u{a0} x",
            r"f:1:11: unexpected `\xc2\xa0 x` after a network",
        ),
        ("192.0.2.1\n\u{1b}[2J", r"f:2:1: invalid network `\x1b[2J`"),
        (
            "192.0.2.1/24",
            "f:1:1: network `192.0.2.1/24` has host bits set",
        ),
        ("192.0.2.0/33", "f:1:1: invalid network `192.0.2.0/33`"),
        ("2001:db8::/129", "f:1:1: invalid network `2001:db8::/129`"),
        ("192.0.2.0/", "f:1:1: invalid network `192.0.2.0/`"),
        ("192.0.2.0/+24", "f:1:1: invalid network `192.0.2.0/+24`"),
        ("192.0.2.0/024", "f:1:1: invalid network `192.0.2.0/024`"),
        (
            "192.0.2.0/24/24",
            "f:1:1: invalid network `192.0.2.0/24/24`",
        ),
        ("192.000.2.0/24", "f:1:1: invalid network `192.000.2.0/24`"),
        (
            "192.0.2.1\n 0.0.0.0/0",
            "f:2:2: `0.0.0.0/0` covers the whole address space",
        ),
        ("::/0 # all", "f:1:1: `::/0` covers the whole address space"),
        (
            "192.0.2.9-192.0.2.1",
            "f:1:1: invalid range `192.0.2.9-192.0.2.1`",
        ),
        (
            "192.0.2.1-2001:db8::1",
            "f:1:1: invalid range `192.0.2.1-2001:db8::1`",
        ),
        (
            "0.0.0.0-255.255.255.255",
            "f:1:1: `0.0.0.0/0` covers the whole address space",
        ),
        (
            "::ffff:0:0/96",
            "f:1:1: `0.0.0.0/0` covers the whole address space",
        ),
    ] {
        let error = List::parse("f", text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text:?}: {error}");
    }
}

#[test]
fn long_line_is_truncated_in_the_error() {
    let error = List::parse("f", &"a".repeat(1 << 20)).unwrap_err();
    assert!(error.to_string().len() < 160);
}

#[test]
fn list_has_a_maximum_length() {
    let mut text = String::from("# generated\n");
    for number in 0..=List::MAX_ENTRIES {
        let [_, a, b, c] = u32::try_from(number).unwrap().to_be_bytes();
        writeln!(text, "10.{a}.{b}.{c}").unwrap();
    }
    let error = List::parse("f", &text).unwrap_err();
    assert_eq!((error.line, error.column), (2_000_002, 1));
    assert_eq!(error.problem, ListProblem::TooMany);

    text.truncate(text.trim_end().rfind('\n').unwrap());
    assert_eq!(List::parse("f", &text).unwrap().len(), List::MAX_ENTRIES);
}

#[test]
fn format_is_detected_by_content() {
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
fn invalid_json_is_an_error_with_its_position() {
    let deep = format!("{{\"prefixes\": [{}", "{\"ipv4Prefix\": [".repeat(100_000));
    for (text, expected) in [
        ("{}", "f:1:1: unknown JSON format"),
        (r#"{"items": ["192.0.2.1"]}"#, "f:1:1: unknown JSON format"),
        ("{\n  \"prefixes\": [", "f:2:15: EOF while parsing a list"),
        (
            "{\"prefixes\": [\n {\"ipv4Prefix\": \"192.0.2.1/24\"}]}",
            "f:2:18: network `192.0.2.1/24` has host bits set",
        ),
        (
            "{\"prefixes\": [\n {\"ipv4Prefix\": \"lan\"}]}",
            "f:2:18: invalid network `lan`",
        ),
        (
            "{\"prefixes\": [\n {\"ipv4Prefix\": \"0.0.0.0/0\"}]}",
            "f:2:18: `0.0.0.0/0` covers the whole address space",
        ),
        (
            "{\"prefixes\": [\n {\"cidr\": \"192.0.2.1\"}]}",
            "f:2:23: an entry needs exactly one of `ipv4Prefix` and `ipv6Prefix`",
        ),
        (
            "{\"prefixes\": [], \"ipv6_prefixes\": [{}]}",
            "f:1:37: missing field `ipv6_prefix`",
        ),
        (
            "{\"cidr\": \"192.0.2.1\"}\n{\"type\": \"advert\"}\n",
            "f:2:1: a line needs a `cidr`",
        ),
        ("{\"cidr\": \"192.0.2.1\"}\n192.0.2.2\n", "f:2:"),
        (
            "{\"prefixes\":\n [{\"é한\": \"\"}]}",
            "f:2:13: an entry needs exactly one",
        ),
        ("{\"cidr\": \"192.0.2.1\"}\n{\"é\": \n", "f:2:6: EOF"),
        (
            r#"{"cidr": "192.0.2.0\/24"}"#,
            "f:1:24: invalid type: string",
        ),
        (
            "[\"192.0.2.1\"]",
            "f:1:1: invalid network `[\\x22192.0.2.1\\x22]`",
        ),
        (&deep, "f:1:"),
    ] {
        let error = List::parse("f", text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text:.80}: {error}");
        assert!(error.len() < 200, "{error}");
    }
}

#[test]
fn real_feeds_parse_completely() {
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
        let expected = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        let list = List::parse(name, &text).unwrap();
        assert_eq!(list.len(), expected.count(), "{name}");
        assert!(!list.is_empty(), "{name}");
    }
}

#[test]
fn aws_ranges_parse_with_their_line_numbers() {
    let name = "aws_ip-ranges.json";
    let Some(text) = feed(name) else { return };
    let expected = text.matches("\"ip_prefix\"").count() + text.matches("\"ipv6_prefix\"").count();
    let list = List::parse(name, &text).unwrap();
    assert_eq!(list.len(), expected);
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

#[test]
fn lossy_list_skips_whole_lines_and_names_them() {
    let text =
        "192.0.2.0/24\nlan\n198.51.100.0/24 x\n203.0.113.0/24\n0.0.0.0/0\n10.0.0.1\n10.0.0.2\n";
    let (list, skipped) = List::parse_lossy("l", text).unwrap();
    let lines: Vec<_> = list.networks().map(|(_, line)| line).collect();
    assert_eq!(
        lines,
        [1, 4, 6, 7],
        "the network before `x` is skipped, too"
    );
    let skipped: Vec<_> = skipped.iter().map(|error| error.line).collect();
    assert_eq!(skipped, [2, 3, 5]);
}

#[test]
fn lossy_list_of_mostly_unreadable_lines_is_refused() {
    let error = List::parse_lossy("l", "192.0.2.1\nno\n192.0.2.2\nno\nno\n").unwrap_err();
    assert_eq!((error.line, error.column), (2, 1));
    let many = "192.0.2.1\n".repeat(5_000) + &"no\n".repeat(List::MAX_SKIPPED);
    assert!(List::parse_lossy("l", &many).is_ok());
    assert!(List::parse_lossy("l", &(many + "no\n")).is_err());
    // JSON is read as a whole.
    assert!(List::parse_lossy("l", "{\"prefixes\": [{\"ipv4Prefix\": \"no\"}]}").is_err());
}
