//! The rows of HTTP/1.1.

use gabion_testkit::{Wire, rows as rows_of, unescape};

use super::{Fate, Place, Seen, Tally, spelled_out};

const TABLE: &str = include_str!("../../../testdata/protocol_http1.tsv");

/// What shows that a connection is in step.
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: localhost\r\n\r\n";

pub(super) async fn rows(place: &Place, wrong: &mut Vec<String>) -> Tally {
    let mut tally = Tally::default();
    for row in rows_of(TABLE) {
        let expected = expected(&row);
        let fate = send(place, &unescape(&spelled_out(row[1]))).await;
        tally.count(&expected.by);
        if fate != expected {
            tally.wrong += 1;
            wrong.push(format!("{}: {expected:?}, but {fate:?}", row[0]));
        }
    }
    tally
}

fn expected(row: &[&str]) -> Fate {
    let lines = row[4].split(" | ").filter(|line| *line != "-");
    let seen = lines.map(|line| Seen::Whole(format!("{line} HTTP/1.1")));
    Fate {
        answer: row[2].to_owned(),
        by: row[3].to_owned(),
        seen: seen.collect(),
        goes_on: row[5] == "goes on",
    }
}

/// Sends one row on a connection of its own, and what is to follow it.
async fn send(place: &Place, bytes: &[u8]) -> Fate {
    let mut wire = place.front.connect().await;
    wire.send(bytes).await;
    let method = if bytes.starts_with(b"HEAD ") {
        "HEAD"
    } else {
        "GET"
    };
    let answer = last(&mut wire, method).await;
    let answer = answer.unwrap_or_else(|| "closed".to_owned());
    let by = place.by(&answer);
    let switched = answer == "101";
    if !switched {
        wire.send(NEXT.as_bytes()).await;
    }
    let mut goes_on = false;
    // A second request within the row would be answered before the one that follows.
    while !switched && !goes_on && last(&mut wire, "GET").await.is_some() {
        let seen = place.behind.seen();
        goes_on = seen.contains(&Seen::Whole("GET /next HTTP/1.1".to_owned()));
    }
    let mut seen = place.behind.take();
    seen.retain(|seen| *seen != Seen::Whole("GET /next HTTP/1.1".to_owned()));
    Fate {
        answer,
        by,
        seen,
        goes_on,
    }
}

/// The status of the next answer that is none on the way.
async fn last(wire: &mut Wire, method: &str) -> Option<String> {
    loop {
        let status = wire.answer(method).await?.status.as_u16();
        if status != 100 {
            return Some(status.to_string());
        }
    }
}
