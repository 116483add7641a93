use std::{fmt::Write as _, path::Path};

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
fn real_feeds_are_read_whole() {
    let feeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/ip-feeds");
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
        #[expect(clippy::disallowed_methods, reason = "feeds are test data")]
        let Ok(text) = std::fs::read_to_string(feeds.join(name)) else {
            eprintln!("skipped: {} is not here", feeds.join(name).display());
            continue;
        };
        let written = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        let list = List::parse(name, &text).unwrap();
        assert_eq!(list.len(), written.count(), "{name}");
        assert!(!list.is_empty(), "{name}");
    }
}
