//! What an answer grants is read whole, or refused.

use gabion_frames::Negotiated;
use gabion_testkit::rows;

#[test]
fn answers_are_read_whole_or_refused() {
    for row in rows(include_str!("../../testdata/negotiated.tsv")) {
        let [lines, expected] = row[..] else {
            panic!("two fields in {row:?}")
        };
        let lines = lines.split(" && ").map(str::as_bytes);
        let read = match Negotiated::from_header(lines).map(Negotiated::deflate) {
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
        assert_eq!(read, expected, "{row:?}");
    }
}

#[test]
fn no_line_is_no_extension() {
    assert_eq!(Negotiated::from_header([]), Ok(Negotiated::NONE));
}
