//! The laws of the fuzz targets also hold for mutations of the seeds.

use std::fs;

use gabion_testkit::laws::{
    ClientInput, TARGETS, client_identity as client_identity_law, path_views as path_views_law,
};
use proptest::{collection::vec, prelude::*, sample::Index, test_runner::Config};

/// Fragments inserted into an input, regardless of its format.
const SCRAPS: [&[u8]; 54] = [
    b"",
    b"\n",
    b"\r\n",
    b"\n\n",
    b" ",
    b"\t",
    b"\0",
    b"\x01",
    b"\x7f",
    b"\xff",
    b"\xc3\xa9",
    b"\"",
    b",",
    b";",
    b":",
    b"=",
    b"#",
    b"/",
    b"\\",
    b"//",
    b"/./",
    b"/../",
    b"..;/",
    b"%2e",
    b"%2f",
    b"%25",
    b"%3f",
    b"%23",
    b"//../",
    b":$I30:$INDEX_ALLOCATION",
    b"%00",
    b"%",
    b"%c0%ae",
    b".php",
    b"/.env",
    b"?",
    b"*",
    b"@",
    b"[",
    b"]",
    b"{",
    b"}",
    b"10.0.0.1",
    b"203.0.113.7",
    b"::ffff:10.0.0.1",
    b"64:ff9b::203.0.113.7",
    b"unknown",
    b", ,",
    b";host=\"a;for=9.9.9.9\"",
    b"/0",
    b"-",
    b"host: b\r\n",
    b"content-length: 1\r\n",
    b"transfer-encoding: chunked\r\n",
];

/// Position of an edit, if it is at the beginning of a line, number of bytes removed, and bytes
/// inserted.
type Edit = (Index, bool, usize, Vec<u8>);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let known = prop::sample::select(&SCRAPS[..]).prop_map(<[u8]>::to_vec);
    let scraps = prop_oneof![8 => known, 1 => vec(any::<u8>(), 1..4)];
    let cuts = prop_oneof![Just(0), 0_usize..12];
    vec((any::<Index>(), any::<bool>(), cuts, scraps), 0..6)
}

fn edited(mut input: Vec<u8>, edits: Vec<Edit>) -> Vec<u8> {
    for (at, begins_line, cut, scrap) in edits {
        let mut start = at.index(input.len() + 1);
        if begins_line {
            let line = input[..start].iter().rposition(|&byte| byte == b'\n');
            start = line.map_or(0, |end| end + 1);
        }
        let end = input.len().min(start + cut);
        input.splice(start..end, scrap);
    }
    input
}

#[expect(clippy::disallowed_methods, reason = "a test reads its inputs")]
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = format!("{}/../../fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort_unstable();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Runs the law of `target` on this number of inputs.
#[track_caller]
fn assert_near_seeds(target: &str, cases: u32) {
    let (_, law) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let seeds = seeds(target);
    proptest!(Config { cases, failure_persistence: None, ..Config::default() }, |(seed: Index, edits in edits())| {
        law(&edited(seed.get(&seeds).clone(), edits));
    });
}

/// Fragments of paths that servers interpret differently.
const PATH_FRAGMENTS: [&str; 20] = [
    "/", "//", "/../", "//../", "..", ".", "%2e", "%2f", "%3f", "%23", "?", ";", "\\", "%5c",
    "%25", "a", "public", ".env", "%61", ".php",
];

/// Edits of seeds seldom combine these fragments.
#[test]
fn path_views_of_fragments() {
    let fragments = prop::sample::select(&PATH_FRAGMENTS[..]);
    let config = Config {
        cases: 4000,
        failure_persistence: None,
        ..Config::default()
    };
    proptest!(config, |(fragments in vec(fragments, 0..7))| {
        path_views_law(format!("/a/b{}", fragments.concat()).as_bytes());
    });
}

/// Fragments of forwarding headers, with line ends.
const HOP_FRAGMENTS: [&str; 24] = [
    ",",
    ", ",
    ";",
    "\"",
    "\\",
    " ",
    "for=",
    "For=\"",
    "proto=http",
    "host=\"a",
    "host=a",
    "203.0.113.7",
    "10.0.0.2",
    "127.0.0.1",
    "unknown",
    "_x",
    "[2001:db8::7]:80",
    "64:ff9b::203.0.113.7",
    "64:ff9b::10.0.0.2",
    "::203.0.113.7",
    "2002:cb00:7107::1",
    "2001:0:c000:201:8000:f227:34ff:8ef8",
    "\r\nx-forwarded-for: ",
    "\r\nforwarded: ",
];

/// Edits of seeds seldom combine these fragments.
#[test]
fn client_identity_of_fragments() {
    let config = Config {
        cases: 30_000,
        failure_persistence: None,
        ..Config::default()
    };
    let peers = prop_oneof![
        any::<std::net::IpAddr>(),
        Just("192.168.0.9".parse().unwrap()),
        Just("203.0.113.9".parse().unwrap()),
        Just("64:ff9b::203.0.113.9".parse().unwrap()),
    ];
    let fragments = vec(prop::sample::select(&HOP_FRAGMENTS[..]), 0..9);
    let numbers = (prop::bool::weighted(0.8), 0..2_u8, 0..4_u8, any::<bool>());
    proptest!(config, |(peer in peers, (is_trusted, header, hops, private) in numbers, fragments in fragments)| {
        let name = ["x-forwarded-for", "forwarded"][usize::from(header)];
        let lines = format!("{name}: {}\r\n", fragments.concat());
        let hops = hops.saturating_sub(1);
        client_identity_law(&ClientInput {
            peer,
            is_trusted,
            header,
            hops,
            private,
            lines: lines.as_bytes(),
        });
    });
}

macro_rules! laws {
    ($($target:ident: $cases:literal;)*) => {
        /// The laws tested here.
        const ASKED: &[&str] = &[$(stringify!($target)),*];

        $(
            #[test]
            fn $target() {
                assert_near_seeds(stringify!($target), $cases);
            }
        )*
    };
}

laws! {
    chain: 300;
    client_identity: 10_000;
    cost: 100;
    frames: 2000;
    limits: 2000;
    list_files: 10_000;
    messages: 2000;
    path_views: 4000;
    policy_document: 1000;
    protocol_heads: 20_000;
}

#[test]
fn every_law_is_tested() {
    assert_eq!(ASKED, TARGETS.map(|(target, _)| target));
}
