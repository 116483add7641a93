//! The limits that the template of `guard init` suggests: they refuse a flood, and neither a page with
//! 1,000 thumbnails nor any client of a real log.

use std::{
    collections::HashMap,
    iter,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use crate::support::{
    access_log,
    guarded_proxy::DEFAULT,
    in_process::{InProcess, banned, get, guarded},
};

/// The requests for a page with its style sheets, scripts and icons.
const PAGE: usize = 20;

/// The template with its commented limits, all of them enforced, and without the rest of the comments.
fn enforced() -> String {
    let limits = DEFAULT
        .lines()
        .filter_map(|line| line.strip_prefix("#     "));
    let limits = limits.skip_while(|line| *line != "[[limit]]");
    let limits = limits.take_while(|line| !line.starts_with("handshakes"));
    let limits = limits.map(|line| match line {
        "[[limit]]" => "[[limit]]\nmode = \"enforce\"\n".to_owned(),
        line => format!("{line}\n"),
    });
    let text: String = iter::once(format!("{DEFAULT}\n")).chain(limits).collect();
    assert_eq!(text.matches("\n[[limit]]").count(), 2, "{text}");
    text
}

/// The number of `count` requests, sent evenly over `time`, that are refused.
fn refused(server: &InProcess, count: usize, time: Duration) -> usize {
    let step = time / u32::try_from(count).unwrap();
    let is_refused = |n: &usize| {
        server.clock.advance(step);
        server.send(&*format!("/thumbs/{n}.jpg")).status == 429
    };
    (0..count).filter(is_refused).count()
}

#[test]
fn page_with_a_thousand_thumbnails_is_loaded_whole() {
    for time in [Duration::ZERO, Duration::from_secs(2)] {
        let server = guarded(&enforced());
        for page in 0..20 {
            let refused = refused(&server, 1_000 + PAGE, time);
            assert_eq!(refused, 0, "page {page} within {time:?}");
            // The time in which a visitor looks at a page.
            server.clock.advance(Duration::from_secs(21));
        }
    }
}

#[test]
fn two_pages_with_a_thousand_thumbnails_in_a_row_are_loaded_whole() {
    let server = guarded(&enforced());
    assert_eq!(refused(&server, 2_000, Duration::from_secs(2)), 0);
}

#[test]
fn flood_is_refused() {
    let server = guarded(&enforced());
    for (time, refused_then) in [("at first", 7_900), ("while it lasts", 9_900)] {
        let refused = refused(&server, 10_000, Duration::from_secs(2));
        assert!(refused.abs_diff(refused_then) <= 1, "{time}: {refused}");
    }
    assert!(banned(&server).is_empty(), "a page may have caused it");
}

#[test]
fn script_that_guesses_passwords_is_banned() {
    let server = guarded(&enforced());
    for _ in 0..11 {
        server.send(get("/login").method("POST"));
    }
    assert_eq!(banned(&server), ["203.0.113.9/32"]);
}

#[test]
fn no_client_of_a_real_log_is_refused() {
    let Some(log) = access_log::lines() else {
        return;
    };
    // As they are, and as if offices of 50 clients shared an address.
    for clients in [1, 50] {
        let server = guarded(&enforced());
        let mut addrs = HashMap::<IpAddr, Ipv4Addr>::new();
        let mut refused = 0;
        let mut lines: Vec<_> = log.iter().collect();
        lines.sort_by_key(|logged| logged.at);
        let mut now = lines[0].at;
        for logged in lines {
            server.clock.advance(logged.at.saturating_sub(now));
            now = logged.at;
            let next = u32::try_from(addrs.len() / clients).unwrap();
            let addr =
                *(addrs.entry(logged.client)).or_insert_with(|| Ipv4Addr::from(0xc612_0000 + next));
            // The limit counts any path alike.
            let request = get("/").from(&addr.to_string());
            refused += usize::from(server.send(request).status == 429);
        }
        assert_eq!(refused, 0, "{clients} clients per address");
    }
}

#[test]
fn figures_of_the_template_are_those_of_the_log() {
    let Some(log) = access_log::lines() else {
        return;
    };
    for (window, most) in [(1, 7), (60, 108)] {
        let text = match window {
            1 => format!("{most} requests in a"),
            _ => format!("{most} in a minute"),
        };
        assert!(DEFAULT.contains(&text), "{text}");
        let mut times = HashMap::<_, Vec<_>>::new();
        for logged in log.iter() {
            times
                .entry(logged.client)
                .or_default()
                .push(logged.at.as_secs());
        }
        let peak = times.values_mut().map(|times| {
            times.sort_unstable();
            let within = |at: &u64| {
                times
                    .iter()
                    .filter(|time| (*at..at + window).contains(*time))
                    .count()
            };
            times.iter().map(within).max().unwrap_or_default()
        });
        assert_eq!(peak.max(), Some(most), "in {window} s");
    }
}
