//! The rows of HTTP/2.

use gabion_testkit::{Http2Outcome, RawHttp2, rows as rows_of, unescape};

use super::{Outcome, Seen, Setup, Tally, expand};

const TABLE: &str = include_str!("../../../testdata/protocol_http2.tsv");

/// The request that shows if a connection is in step.
const NEXT: &str = ":method: GET | :scheme: http | :path: /next | :authority: localhost";

pub(super) async fn rows(setup: &Setup, wrong: &mut Vec<String>) -> Tally {
    let mut tally = Tally::default();
    for row in rows_of(TABLE) {
        let seen = Some(row[5]).filter(|line| *line != "-");
        let seen = seen.map(|line| Seen::Whole(format!("{line} HTTP/1.1")));
        let expected = Outcome {
            answer: row[3].to_owned(),
            by: row[4].to_owned(),
            seen: seen.into_iter().collect(),
            goes_on: row[6] == "goes on",
        };
        let body = Some(unescape(row[2])).filter(|body| body != b"-");
        let outcome = send(setup, &fields(&expand(row[1])), body.as_deref()).await;
        tally.count(&expected.by);
        if outcome != expected {
            tally.wrong += 1;
            wrong.push(format!("{}: {expected:?}, but {outcome:?}", row[0]));
        }
    }
    tally
}

/// Header fields `name: value`, separated by ` | `.
fn fields(text: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pair = |field: &str| {
        // The name of a pseudo-header field begins with a colon.
        let at = field[1..].find(": ").expect("a field") + 1;
        (unescape(&field[..at]), unescape(&field[at + 2..]))
    };
    text.split(" | ").map(pair).collect()
}

/// Sends one row on a new connection, and the next request after it.
async fn send(setup: &Setup, fields: &[(Vec<u8>, Vec<u8>)], body: Option<&[u8]>) -> Outcome {
    let mut connection = RawHttp2::connect(setup.proxy.addr()).await;
    let answer = match connection.request(fields, body).await {
        Http2Outcome::Answered(status) => status.as_str().to_owned(),
        Http2Outcome::Reset(_) => "reset".to_owned(),
        Http2Outcome::Ended => "ended".to_owned(),
    };
    let next = connection.request(&self::fields(NEXT), None).await;
    let goes_on = matches!(next, Http2Outcome::Answered(status) if status == 200);
    let by = setup.by(&answer, goes_on).await;
    let mut seen = setup.backend.take();
    seen.retain(|seen| *seen != Seen::Whole("GET /next HTTP/1.1".to_owned()));
    Outcome {
        answer,
        by,
        seen,
        goes_on,
    }
}
