//! A real access log: 10,000 requests of 1,753 clients.

use std::{fs, net::IpAddr, sync::Arc, time::Duration};

use gabion_testkit::shared;

/// One line of the log.
pub(crate) struct Logged {
    pub(crate) client: IpAddr,
    /// The time since the beginning of the month.
    pub(crate) at: Duration,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) status: u16,
    /// The length of the response body.
    pub(crate) length: u64,
    pub(crate) referer: String,
    pub(crate) agent: String,
}

#[expect(clippy::disallowed_methods, reason = "a test reads its data")]
pub(crate) fn lines() -> Option<Arc<Vec<Logged>>> {
    let file = shared("data/logs/elastic_apache_combined.log")?;
    let bytes = fs::read(file).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().map(logged).collect();
    assert_eq!(lines.len(), 10_000);
    Some(Arc::new(lines))
}

fn logged(line: &str) -> Logged {
    let mut parts = line.splitn(6, '"');
    let mut part = || parts.next().expect("a combined line");
    let (client, request, status, referer, _, agent) =
        (part(), part(), part(), part(), part(), part());
    let word = |text: &str, at| text.split(' ').nth(at).unwrap_or_default().to_owned();
    Logged {
        client: word(client, 0).parse().unwrap(),
        at: at(&word(client, 3)),
        method: word(request, 0),
        target: word(request, 1),
        status: word(status, 1).parse().unwrap(),
        // The length of a response without a body is `-`.
        length: word(status, 2).parse().unwrap_or_default(),
        referer: referer.to_owned(),
        agent: agent.trim_end_matches('"').to_owned(),
    }
}

/// The path decoded once and in lower case, and `true` if it is UTF-8 without control characters.
pub(crate) fn decoded(path: &str) -> (String, bool) {
    let mut parts = path.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let hex = part.get(..2).expect("the log has no broken escapes");
        bytes.push(u8::from_str_radix(hex, 16).expect("the log has no broken escapes"));
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let sound = std::str::from_utf8(&bytes).is_ok() && !bytes.iter().any(u8::is_ascii_control);
    (text, sound)
}

/// Parses `[17/May/2015:10:05:03`. The log covers one month.
fn at(stamp: &str) -> Duration {
    let (date, time) = stamp[1..].split_once(':').unwrap();
    assert!(date.ends_with("/May/2015"), "{stamp}");
    let days: u64 = date[..2].parse().unwrap();
    let seconds = time
        .split(':')
        .fold(0, |sum, part| sum * 60 + part.parse::<u64>().unwrap());
    Duration::from_secs(days * 86_400 + seconds)
}
