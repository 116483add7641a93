//! The rows of HTTP/2.

use gabion_testkit::{Fate2, Wire2, rows as rows_of, unescape};

use super::{Fate, Place, Seen, Tally, spelled_out};

const TABLE: &str = include_str!("../../../testdata/protocol_http2.tsv");

/// What shows that a connection is in step.
const NEXT: &str = ":method: GET | :scheme: http | :path: /next | :authority: localhost";

pub(super) async fn rows(place: &Place, wrong: &mut Vec<String>) -> Tally {
    let mut tally = Tally::default();
    for row in rows_of(TABLE) {
        let seen = Some(row[5]).filter(|line| *line != "-");
        let seen = seen.map(|line| Seen::Whole(format!("{line} HTTP/1.1")));
        let expected = Fate {
            answer: row[3].to_owned(),
            by: row[4].to_owned(),
            seen: seen.into_iter().collect(),
            goes_on: row[6] == "goes on",
        };
        let body = Some(unescape(row[2])).filter(|body| body != b"-");
        let fate = send(place, &fields(&spelled_out(row[1])), body.as_deref()).await;
        tally.count(&expected.by);
        if fate != expected {
            tally.wrong += 1;
            wrong.push(format!("{}: {expected:?}, but {fate:?}", row[0]));
        }
    }
    tally
}

/// Fields parted by ` | `, each `name: value`.
fn fields(text: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pair = |field: &str| {
        // The name of a pseudo-field begins with a colon.
        let at = field[1..].find(": ").expect("a field") + 1;
        (unescape(&field[..at]), unescape(&field[at + 2..]))
    };
    text.split(" | ").map(pair).collect()
}

/// Sends one row on a connection of its own, and what is to follow it.
async fn send(place: &Place, fields: &[(Vec<u8>, Vec<u8>)], body: Option<&[u8]>) -> Fate {
    let mut wire = Wire2::connect(place.front.addr()).await;
    let answer = match wire.ask(fields, body).await {
        Fate2::Answered(status) => status.as_str().to_owned(),
        Fate2::Reset(_) => "reset".to_owned(),
        Fate2::Ended => "ended".to_owned(),
    };
    let by = place.by(&answer);
    let next = wire.ask(&self::fields(NEXT), None).await;
    let mut seen = place.behind.take();
    seen.retain(|seen| *seen != Seen::Whole("GET /next HTTP/1.1".to_owned()));
    Fate {
        answer,
        by,
        seen,
        goes_on: matches!(next, Fate2::Answered(status) if status == 200),
    }
}
