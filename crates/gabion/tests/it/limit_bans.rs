//! A limit with `then = "ban"` bans a client for its own requests only. No page can have its visitors
//! banned, with any number of images.

use std::{sync::Arc, time::Duration};

use gabion::{
    BanLayer, LimitLayer,
    ban::Bans,
    event::{BanChange, Event},
};
use gabion_testkit::{ManualClock, Recorder, TestRequest};

use crate::support::in_process::{InProcess, banned, get, guarded};

const POLICY: &str = r#"
    version = 1
    [[limit]]
    id = "logins"
    paths = ["/login"]
    rate = "5/m"
    then = "ban 10m"
    mode = "enforce"
    [[limit]]
    id = "all"
    rate = "50/s"
    burst = 100
    then = "ban 10m"
    mode = "enforce"
"#;

type Headers = &'static [(&'static str, &'static str)];

const CHROMIUM: Headers = &[
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0",
    ),
    (
        "accept",
        "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
    ),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-US,en;q=0.9"),
];

fn with(request: TestRequest, headers: Headers) -> TestRequest {
    let add = |request: TestRequest, (name, value): &(&str, &str)| request.header(name, value);
    headers.iter().fold(request, add)
}

/// A login attempt by a script.
fn guess() -> TestRequest {
    let agent = ("user-agent", "python-requests/2.32.3");
    get("/login").method("POST").header(agent.0, agent.1)
}

/// The number of 429 among the responses to `requests`, none of which bans.
#[track_caller]
fn refused_without_ban(
    server: &InProcess,
    what: &str,
    requests: impl Iterator<Item = TestRequest>,
) -> usize {
    let mut refused = 0;
    for request in requests {
        let response = server.send(request);
        assert_eq!(response.bans(), [], "{what}");
        refused += usize::from(response.status == 429);
    }
    assert!(banned(server).is_empty(), "{what}");
    refused
}

#[test]
fn scripted_guessing_of_passwords_is_banned_for_ten_minutes() {
    let server = guarded(POLICY);
    for attempt in 0..5 {
        assert_eq!(server.verdict(guess()), "200", "attempt {attempt}");
    }
    let response = server.send(guess());
    assert_eq!(response.verdict(), "429 logins");
    assert_eq!(response.bans(), [BanChange::Placed]);
    assert_eq!(
        response.event_texts(),
        [
            "203.0.113.9 POST \"/login\" denied (429): rule logins: more than 5 in 60s per client",
            "203.0.113.9/32 banned for 600 s by rule logins",
        ]
    );
    assert_eq!(server.verdict("/"), "403 ban/timed", "on every path");
    assert_eq!(server.verdict(guess().from("203.0.113.10")), "200");
    server.clock.advance(Duration::from_secs(599));
    assert_eq!(server.verdict("/"), "403 ban/timed");
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(server.verdict(guess()), "200");
}

#[test]
fn banning_response_says_to_retry_after_the_ban() {
    let server = guarded(POLICY);
    let retry_after = |response: gabion_testkit::TestResponse| {
        response.events.iter().find_map(|event| match event {
            Event::Request(event) => match &event.kind {
                gabion::event::RequestEventKind::Denied(denial) => denial.retry_after,
                _ => None,
            },
            _ => None,
        })
    };
    let waits: Vec<_> = (0..6).map(|_| retry_after(server.send(guess()))).collect();
    let mut expected = [None; 6];
    expected[5] = Some(Duration::from_mins(10));
    assert_eq!(waits, expected);
}

#[test]
fn page_with_a_thousand_images_bans_no_visitor() {
    let pages: [(&str, Headers); 7] = [
        ("own page with TLS", &[("sec-fetch-site", "same-origin")]),
        ("other page with TLS", &[("sec-fetch-site", "cross-site")]),
        ("page of a sibling", &[("sec-fetch-site", "same-site")]),
        ("opened by hand", &[("sec-fetch-site", "none")]),
        ("own page", &[("referer", "http://localhost/gallery")]),
        ("other page", &[("referer", "http://evil.example/")]),
        ("page without a referrer", &[]),
    ];
    for (what, headers) in pages {
        for target in ["/thumbs/N.jpg", "/thumb?id=N", "/N", "/login/N"] {
            let server = guarded(POLICY);
            let image = |n: usize| with(get(&target.replace('N', &n.to_string())), CHROMIUM);
            let images = (0..1_000).map(|n| with(image(n), headers));
            let refused = refused_without_ban(&server, what, images);
            assert!(refused >= 900, "{what}: {target}: {refused} of 1,000");
            server.clock.advance(Duration::from_mins(1));
            assert_eq!(server.verdict("/"), "200", "{what}: {target}");
        }
    }
}

#[test]
fn login_beside_a_thousand_images_is_denied_and_not_banned() {
    let server = guarded(POLICY);
    let own = &[("sec-fetch-site", "same-origin")];
    let images = (0..1_000).map(|n| with(with(get(&format!("/{n}.jpg")), CHROMIUM), own));
    refused_without_ban(&server, "images", images);
    let logins = (0..5).map(|_| with(with(get("/login").method("POST"), CHROMIUM), own));
    assert_eq!(refused_without_ban(&server, "logins", logins), 5);
}

#[test]
fn foreign_page_that_posts_logins_bans_no_visitor() {
    let reports: [Headers; 3] = [
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
    ];
    for report in reports {
        let server = guarded(POLICY);
        let form = |_| with(with(get("/login").method("POST"), CHROMIUM), report);
        let refused = refused_without_ban(&server, report[0].1, (0..1_000).map(form));
        assert_eq!(refused, 995, "{report:?}");
    }
}

#[test]
fn guessing_with_the_headers_of_a_browser_is_banned() {
    let reports: [Headers; 3] = [
        &[],
        &[("origin", "http://localhost")],
        &[("sec-fetch-site", "same-origin")],
    ];
    for report in reports {
        let server = guarded(POLICY);
        for _ in 0..6 {
            server.send(with(with(get("/login").method("POST"), CHROMIUM), report));
        }
        assert_eq!(server.verdict("/"), "403 ban/timed", "{report:?}");
    }
}

#[test]
fn flood_of_a_tool_is_banned_and_its_mirror_of_images_is_not() {
    let by_tool = |target: &str| get(target).header("user-agent", "Wget/1.21.4");
    let server = guarded(POLICY);
    let images = (0..1_000).map(|n| by_tool(&format!("/thumbs/{n}.png")));
    assert_eq!(refused_without_ban(&server, "images", images), 900);

    let server = guarded(POLICY);
    let placed = (0..1_000).position(|n| {
        let response = server.send(by_tool(&format!("/search?q={n}")));
        response.bans().contains(&BanChange::Placed)
    });
    assert_eq!(placed, Some(100));
}

#[test]
fn other_key_is_refused_at_its_place() {
    let policy = POLICY.replace(
        "id = \"all\"",
        "id = \"all\"\n    key = [\"client\", \"path:1\"]",
    );
    let error = gabion::policy::check(&policy, "policy.toml", None).unwrap_err();
    let [diagnostic] = error.diagnostics() else {
        panic!("{error}");
    };
    assert_eq!(
        (diagnostic.line(), diagnostic.column()),
        (11, 11),
        "{error}"
    );
    assert!(error.to_string().contains("policy.toml:11:11"), "{error}");
    assert_eq!(
        diagnostic.message(),
        "invalid value `client + path:1`: a limit with `then = \"ban\"` counts by `client` alone"
    );
    let policy = POLICY.replacen("ban 10m", "403", 1);
    let error = gabion::policy::check(&policy, "policy.toml", None).unwrap_err();
    let message = "invalid action `403`: write `429`, `ban` or `ban 1h`";
    assert_eq!(error.diagnostics()[0].message(), message);
}

#[test]
fn observed_limit_only_reports() {
    let server = guarded(&POLICY.replace("mode = \"enforce\"", "mode = \"observe\""));
    for attempt in 0..20 {
        let response = server.send(guess());
        assert_eq!(response.status, 200, "attempt {attempt}");
        assert_eq!(response.bans(), []);
        let reported = response.event_texts().join("\n");
        let is_over = reported.contains("would have been denied (429): rule logins");
        assert_eq!(is_over, attempt >= 5, "attempt {attempt}: {reported}");
    }
    assert!(banned(&server).is_empty());
}

#[test]
fn clients_behind_one_address_share_the_limit_and_its_ban() {
    let server = guarded(POLICY);
    let browsers = ["Mozilla/5.0 (Windows NT 10.0)", "Mozilla/5.0 (Macintosh)"];
    for attempt in 0..6 {
        let request = get("/login").method("POST");
        server.send(request.header("user-agent", browsers[attempt % 2]));
    }
    for browser in browsers {
        let request = get("/").header("user-agent", browser);
        assert_eq!(server.verdict(request), "403 ban/timed", "{browser}");
    }
}

#[test]
fn bans_by_limits_are_within_the_ban_budget() {
    let server = guarded(&format!("{POLICY}\n[ban]\nmost_per_minute = 1\n"));
    let mut placed = 0;
    for number in 0..20 {
        let client = format!("198.18.{number}.9");
        for _ in 0..6 {
            let changes = server.send(guess().from(&client)).bans();
            placed += usize::from(changes.contains(&BanChange::Placed));
        }
    }
    assert_eq!(
        placed, 10,
        "ten times `most_per_minute`, as for any certain offense"
    );
    assert_eq!(
        server.verdict(guess().from("198.18.19.9")),
        "429 logins",
        "the limit applies regardless of the budget"
    );

    let off = guarded(&format!("{POLICY}\n[ban]\nmost_per_minute = 0\n"));
    for _ in 0..20 {
        off.send(guess());
    }
    assert!(banned(&off).is_empty());
}

#[test]
fn ban_without_a_length_lasts_as_long_as_the_policy_says() {
    let policy = POLICY.replace("ban 10m", "ban");
    let server = guarded(&format!("{policy}\n[ban]\nfirst = \"3m\"\n"));
    let mut last = server.send(guess());
    for _ in 0..5 {
        last = server.send(guess());
    }
    let text = "203.0.113.9/32 banned for 180 s by rule logins";
    assert!(last.event_texts().contains(&text.to_owned()), "{last:?}");
}

#[test]
fn private_addresses_are_not_banned() {
    let server = guarded(POLICY);
    for _ in 0..20 {
        assert_eq!(server.verdict(guess().from("192.168.0.7")), "200");
    }
}

#[test]
fn limit_layer_bans_in_shared_bans() {
    let clock = Arc::new(ManualClock::default());
    let events = Arc::new(Recorder::default());
    let bans = Bans::new().with_clock(clock.clone());
    let rate = || "1/m".parse().unwrap();
    let layer = || LimitLayer::per_client(rate()).sink(events.clone());
    let error = LimitLayer::global(rate()).ban(&bans, Duration::from_mins(10));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("counts by `client` alone"), "{error}");

    let alone = layer().clock(clock.clone()).build().unwrap();
    let alone = gabion_testkit::InProcess::new((), alone, clock.clone(), events.clone());
    let banning = layer().ban(&bans, Duration::from_mins(10)).unwrap().build();
    let banning =
        gabion_testkit::InProcess::new((), banning.unwrap(), clock.clone(), events.clone());
    for _ in 0..3 {
        alone.send(guess());
    }
    assert_eq!(
        alone.verdict("/"),
        "429 limit",
        "the layer alone does not ban"
    );

    assert_eq!(banning.verdict(guess()), "200");
    assert_eq!(banning.send(guess()).bans(), [BanChange::Placed]);
    assert_eq!(banning.verdict("/"), "403 ban/timed");
    let outer = BanLayer::new(&bans).sink(events.clone()).build().unwrap();
    let outer = gabion_testkit::InProcess::new((), outer, clock, events);
    assert_eq!(outer.verdict("/"), "403 ban/timed");
}
