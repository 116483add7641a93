//! Extension headers are parsed completely or rejected.

use gabion_frames::Negotiated;
use gabion_testkit::rows;

#[test]
fn headers_are_parsed_completely_or_rejected() {
    for row in rows(include_str!("../../testdata/negotiated.tsv")) {
        let [lines, expected] = row[..] else {
            panic!("two fields in {row:?}")
        };
        let lines = lines.split(" && ").map(str::as_bytes);
        let parsed = match Negotiated::from_header(lines).map(Negotiated::deflate) {
            Err(error) => error.to_string(),
            Ok(None) => String::from("nothing"),
            Ok(Some(deflate)) => format!(
                "server {}{} client {}{}",
                deflate.server_max_window_bits,
                if deflate.server_no_context_takeover {
                    "!"
                } else {
                    ""
                },
                deflate.client_max_window_bits,
                if deflate.client_no_context_takeover {
                    "!"
                } else {
                    ""
                },
            ),
        };
        assert_eq!(parsed, expected, "{row:?}");
    }
}

#[test]
fn no_line_is_no_extension() {
    assert_eq!(Negotiated::from_header([]), Ok(Negotiated::NONE));
}
