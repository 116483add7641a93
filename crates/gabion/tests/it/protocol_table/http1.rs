//! The rows of HTTP/1.1.

use gabion_testkit::{RawConnection, rows as rows_of, unescape};

use super::{Outcome, Seen, Setup, Tally, expand};

const TABLE: &str = include_str!("../../../testdata/protocol_http1.tsv");

/// The request that shows if a connection is in step.
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: localhost\r\n\r\n";

pub(super) async fn rows(setup: &Setup, wrong: &mut Vec<String>) -> Tally {
    let mut tally = Tally::default();
    for row in rows_of(TABLE) {
        let expected = expected(&row);
        let outcome = send(setup, &unescape(&expand(row[1]))).await;
        tally.count(&expected.by);
        if outcome != expected {
            tally.wrong += 1;
            wrong.push(format!("{}: {expected:?}, but {outcome:?}", row[0]));
        }
    }
    tally
}

fn expected(row: &[&str]) -> Outcome {
    let lines = row[4].split(" | ").filter(|line| *line != "-");
    let seen = lines.map(|line| Seen::Whole(format!("{line} HTTP/1.1")));
    Outcome {
        answer: row[2].to_owned(),
        by: row[3].to_owned(),
        seen: seen.collect(),
        goes_on: row[5] == "goes on",
    }
}

/// Sends one row on a new connection, and the next request after it.
async fn send(setup: &Setup, bytes: &[u8]) -> Outcome {
    let mut connection = setup.proxy.connect().await;
    connection.send(bytes).await;
    let method = if bytes.starts_with(b"HEAD ") {
        "HEAD"
    } else {
        "GET"
    };
    let answer = last(&mut connection, method).await;
    let answer = answer.unwrap_or_else(|| "closed".to_owned());
    let switched = answer == "101";
    if !switched {
        connection.send(NEXT.as_bytes()).await;
    }
    let mut goes_on = false;
    // A second request within the row would be answered before the next request.
    while !switched && !goes_on && last(&mut connection, "GET").await.is_some() {
        let seen = setup.backend.seen();
        goes_on = seen.contains(&Seen::Whole("GET /next HTTP/1.1".to_owned()));
    }
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

/// The next final status.
async fn last(connection: &mut RawConnection, method: &str) -> Option<String> {
    loop {
        let status = connection.response(method).await?.status.as_u16();
        if status != 100 {
            return Some(status.to_string());
        }
    }
}
