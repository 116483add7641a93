use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use gabion_core::{
    Attribution, BanOutcome, BanRecord, ClientIp, ClientRules, Inspect as _, Now, Offense,
    OffenseRecorder as _, RequestState, RuleId, UpdateOrigin,
};
use gabion_testkit::{OwnedHead, client_at};

use crate::{
    Ban, BanArbiter, BanConfig, BanSettings, BanTable, Config as _, Context, CrawlerFinding,
    CrawlerLookup, State,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const CLIENT: &str = "203.0.113.9";

fn at(time: Duration) -> Now {
    Now::new(time, SystemTime::UNIX_EPOCH + time)
}

/// A policy with crawlers, and what is known of clients.
struct Guarded {
    arbiter: Arc<BanArbiter>,
    ban: Ban,
}

impl Guarded {
    fn new(config: &str) -> Self {
        let arbiter = Arc::new(BanArbiter::new(Arc::new(BanTable::new(10_000)), 20_000));
        let ban = Self::configure(&arbiter, config);
        Self { arbiter, ban }
    }

    fn configure(arbiter: &Arc<BanArbiter>, config: &str) -> Ban {
        let config = toml::from_str::<BanConfig>(config).unwrap();
        arbiter.configure(BanSettings::new(&config, &[]).unwrap());
        let state = State::scratch().with_arbiter(Arc::clone(arbiter));
        config.compile(&Context::new(&state)).unwrap()
    }

    /// Sends a request, which a rule denies, and records its offense.
    fn offend(&self, client: &str, agent: &str, now: Duration) -> BanOutcome {
        self.offend_by(client, agent, Attribution::Certain, now)
    }

    fn offend_by(
        &self,
        client: &str,
        agent: &str,
        attribution: Attribution,
        now: Duration,
    ) -> BanOutcome {
        let head = OwnedHead::get("/.env")
            .from(client)
            .header("user-agent", agent);
        let rules = ClientRules::default();
        let facts = head.facts(&rules);
        self.ban.inspect(&facts, &mut RequestState::new(&facts));
        let offense = Offense::certain(RuleId::builtin("dotfiles"), 10 * MINUTE)
            .with_attribution(attribution);
        self.arbiter
            .record_offense(&facts.client, &offense, at(now))
    }

    fn lookup(&self, now: Duration) -> Option<CrawlerLookup> {
        self.arbiter.next_crawler_lookup(at(now))
    }

    fn is_banned(&self, client: &str, now: Duration) -> bool {
        let client = client_at(client);
        self.arbiter.table().active(&client, at(now)).is_some()
    }
}

#[track_caller]
fn assert_withheld(outcome: &BanOutcome, words: &str) {
    match outcome {
        BanOutcome::Withheld(why) if why.contains(words) => {}
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_banned(outcome: &BanOutcome) {
    assert!(matches!(outcome, BanOutcome::Banned(_)), "{outcome:?}");
}

#[test]
fn client_that_claims_to_be_a_crawler_is_banned_once_its_claim_is_refuted() {
    let guarded = Guarded::new("crawlers = ['google']");
    assert!(guarded.lookup(SECOND).is_none());
    for _ in 0..3 {
        let outcome = guarded.offend(CLIENT, GOOGLEBOT, SECOND);
        assert_withheld(&outcome, "not verified yet");
    }
    let lookup = guarded.lookup(SECOND).expect("a lookup");
    assert_eq!(
        (lookup.addr().to_string(), lookup.crawler()),
        (CLIENT.to_owned(), "google")
    );
    assert!(guarded.lookup(SECOND).is_none(), "one for all offenses");
    assert!(!guarded.is_banned(CLIENT, SECOND));

    let finding = CrawlerFinding::Refuted;
    let banned = guarded
        .arbiter
        .record_crawler(&lookup, finding, at(2 * SECOND));
    let (client, offense, outcome) = banned.expect("a ban for the offense that was kept");
    assert_eq!(
        (client, offense.rule.as_str()),
        (client_at(CLIENT), "dotfiles")
    );
    assert_banned(&outcome);
    assert!(guarded.is_banned(CLIENT, 2 * SECOND));
    // A finding counts once.
    let again = guarded
        .arbiter
        .record_crawler(&lookup, finding, at(3 * SECOND));
    assert!(again.is_none());
    // As any other client from now on.
    assert_banned(&guarded.offend(CLIENT, GOOGLEBOT, 20 * MINUTE));
    assert!(guarded.lookup(20 * MINUTE).is_none());
}

#[test]
fn verified_crawler_is_not_banned_before_it_is_verified_again() {
    let guarded = Guarded::new("crawlers = ['google']");
    let verify = |now| {
        assert_withheld(&guarded.offend(CLIENT, GOOGLEBOT, now), "not verified yet");
        let lookup = guarded.lookup(now).expect("a lookup");
        let finding = CrawlerFinding::Verified;
        let banned = guarded.arbiter.record_crawler(&lookup, finding, at(now));
        assert!(banned.is_none());
    };
    verify(SECOND);
    let last = BanArbiter::VERIFIED_FOR;
    for now in [SECOND, 20 * MINUTE, last] {
        assert_withheld(
            &guarded.offend(CLIENT, GOOGLEBOT, now),
            "that of the crawler",
        );
        // The address is verified, whatever its agent.
        assert_withheld(
            &guarded.offend(CLIENT, "curl/8", now),
            "that of the crawler",
        );
        assert!(guarded.lookup(now).is_none());
    }
    let peer_ban = BanRecord {
        network: client_at(CLIENT).network(),
        by: RuleId::builtin("dotfiles"),
        reason: None,
        since: at(last).wall(),
        until: at(last + MINUTE).wall(),
        offenses: 1,
    };
    let client = client_at(CLIENT);
    let outcome = guarded.arbiter.add_from_peer(&client, &peer_ban, at(last));
    assert_withheld(&outcome, "that of the crawler");
    verify(last + SECOND);
}

#[test]
fn refuted_claim_is_verified_again_after_an_hour() {
    let guarded = Guarded::new("crawlers = ['google']");
    guarded.offend(CLIENT, GOOGLEBOT, SECOND);
    let lookup = guarded.lookup(SECOND).unwrap();
    let finding = CrawlerFinding::Refuted;
    guarded.arbiter.record_crawler(&lookup, finding, at(SECOND));
    let end = SECOND + BanArbiter::REFUTED_FOR;
    assert!(!guarded.is_banned(CLIENT, end));
    assert_withheld(&guarded.offend(CLIENT, GOOGLEBOT, end), "not verified yet");
}

#[test]
fn claim_that_dns_does_not_answer_is_not_banned_for_a_quarter_of_an_hour_only() {
    let guarded = Guarded::new("crawlers = ['google']");
    let end = SECOND + BanArbiter::PENDING_FOR;
    let mut lookups = 0;
    let mut now = SECOND;
    while now < end {
        let outcome = guarded.offend(CLIENT, GOOGLEBOT, now);
        assert_withheld(&outcome, "not verified yet");
        if let Some(lookup) = guarded.lookup(now) {
            lookups += 1;
            let finding = CrawlerFinding::Failed;
            assert!(
                guarded
                    .arbiter
                    .record_crawler(&lookup, finding, at(now))
                    .is_none()
            );
        }
        now += 10 * SECOND;
    }
    assert_eq!(lookups, 3, "one every five minutes");
    assert!(!guarded.is_banned(CLIENT, end), "not without an offense");
    // Both the resolver and an offense find that the time is over.
    for (client, resolver_asks) in [(CLIENT, false), ("198.51.100.9", true)] {
        guarded.offend(client, GOOGLEBOT, end);
        let end = end + BanArbiter::PENDING_FOR;
        if resolver_asks {
            assert!(guarded.lookup(end).is_none());
        }
        assert_banned(&guarded.offend(client, GOOGLEBOT, end));
    }
}

#[test]
fn claim_without_a_resolver_is_not_free_from_bans_for_ever() {
    let guarded = Guarded::new("crawlers = ['google']");
    assert_withheld(
        &guarded.offend(CLIENT, GOOGLEBOT, SECOND),
        "not verified yet",
    );
    let end = SECOND + BanArbiter::PENDING_FOR;
    assert_banned(&guarded.offend(CLIENT, GOOGLEBOT, end));
}

#[test]
fn other_clients_are_banned_at_once() {
    for (config, agent) in [
        ("crawlers = ['google']", "Mozilla/5.0 (X11; Linux x86_64)"),
        ("crawlers = ['google']", "bingbot/2.0"),
        ("", GOOGLEBOT),
    ] {
        let guarded = Guarded::new(config);
        assert_banned(&guarded.offend(CLIENT, agent, SECOND));
        assert!(guarded.lookup(SECOND).is_none());
    }
}

#[test]
fn offenses_that_do_not_ban_request_no_lookup() {
    let guarded = Guarded::new("crawlers = ['google']");
    let offend = |path| {
        let attribution = Attribution::Forgeable { path };
        guarded.offend_by(CLIENT, GOOGLEBOT, attribution, SECOND)
    };
    for path in [1, 2] {
        assert!(matches!(offend(path), BanOutcome::Suspected { .. }));
        assert!(guarded.lookup(SECOND).is_none());
    }
    assert_withheld(&offend(3), "not verified yet");
    assert!(guarded.lookup(SECOND).is_some());
}

#[test]
fn flood_of_fake_crawlers_fills_a_bounded_queue_and_is_looked_up_at_a_bounded_rate() {
    let guarded = Guarded::new("crawlers = ['google']\nmost_per_minute = 60");
    let addr = |number: usize| format!("198.18.{}.{}", number / 250, number % 250 + 1);
    let most = BanArbiter::MAX_PENDING;
    for number in 0..most * 3 {
        let outcome = guarded.offend(&addr(number), GOOGLEBOT, SECOND);
        let words = if number < most {
            "not verified yet"
        } else {
            "too many addresses"
        };
        assert_withheld(&outcome, words);
    }
    let mut looked_up = Vec::new();
    let mut now = SECOND;
    // Without findings, within the time of the first repetition.
    for _ in 0..200 {
        let in_second = std::iter::from_fn(|| guarded.lookup(now)).count();
        assert!(in_second <= usize::try_from(BanArbiter::LOOKUPS_PER_SECOND).unwrap());
        looked_up.push(in_second);
        now += SECOND;
    }
    assert_eq!(looked_up.iter().sum::<usize>(), most, "each once");
    assert_eq!(looked_up[0], 10);
    // There is room again once they are overdue, and a verified crawler was never banned.
    let end = SECOND + BanArbiter::PENDING_FOR;
    assert!(guarded.lookup(end).is_none());
    assert_withheld(&guarded.offend(CLIENT, GOOGLEBOT, end), "not verified yet");
}

#[test]
fn network_with_a_crawler_is_not_banned_as_a_whole() {
    let config = "crawlers = ['google']\n[neighbors]\nclients = 2\nmode = 'enforce'";
    for finding in [
        None,
        Some(CrawlerFinding::Verified),
        Some(CrawlerFinding::Refuted),
    ] {
        let guarded = Guarded::new(config);
        guarded.offend("203.0.113.1", GOOGLEBOT, SECOND);
        if let Some(finding) = finding {
            let lookup = guarded.lookup(SECOND).unwrap();
            guarded.arbiter.record_crawler(&lookup, finding, at(SECOND));
        }
        for host in 2..6 {
            guarded.offend(&format!("203.0.113.{host}"), "curl/8", SECOND);
        }
        let is_banned = guarded.is_banned("203.0.113.99", SECOND);
        assert_eq!(
            is_banned,
            finding == Some(CrawlerFinding::Refuted),
            "{finding:?}"
        );
    }
}

#[test]
fn ipv6_crawler_is_verified_by_its_prefix() {
    let guarded = Guarded::new("crawlers = ['google']");
    guarded.offend("2001:db8:1:2::1", GOOGLEBOT, SECOND);
    let lookup = guarded.lookup(SECOND).unwrap();
    assert_eq!(lookup.addr().to_string(), "2001:db8:1:2::1");
    let finding = CrawlerFinding::Verified;
    guarded.arbiter.record_crawler(&lookup, finding, at(SECOND));
    let same_prefix = guarded.offend("2001:db8:1:2::7", GOOGLEBOT, SECOND);
    assert_withheld(&same_prefix, "that of the crawler");
    let other_prefix = guarded.offend("2001:db8:1:3::1", GOOGLEBOT, SECOND);
    assert_withheld(&other_prefix, "not verified yet");
}

#[test]
fn other_crawlers_in_a_new_policy_invalidate_findings() {
    let mut guarded = Guarded::new("crawlers = ['google']");
    guarded.offend(CLIENT, GOOGLEBOT, SECOND);
    let lookup = guarded.lookup(SECOND).unwrap();
    let record =
        |guarded: &Guarded, finding| guarded.arbiter.record_crawler(&lookup, finding, at(SECOND));
    record(&guarded, CrawlerFinding::Verified);
    guarded.ban = Guarded::configure(&guarded.arbiter, "first = '1m'\ncrawlers = ['google']");
    assert_withheld(
        &guarded.offend(CLIENT, GOOGLEBOT, SECOND),
        "that of the crawler",
    );

    let domains = "crawlers = [{ agent = 'googlebot', domains = ['bots.example.org'] }]";
    guarded.ban = Guarded::configure(&guarded.arbiter, domains);
    assert_withheld(
        &guarded.offend(CLIENT, GOOGLEBOT, SECOND),
        "not verified yet",
    );
    // The lookup is for names that no longer count.
    assert!(record(&guarded, CrawlerFinding::Refuted).is_none());
    assert!(record(&guarded, CrawlerFinding::Verified).is_none());
    assert_withheld(
        &guarded.offend(CLIENT, GOOGLEBOT, SECOND),
        "not verified yet",
    );
    assert!(
        !guarded
            .lookup(SECOND)
            .unwrap()
            .accepts("crawl.googlebot.com")
    );

    guarded.ban = Guarded::configure(&guarded.arbiter, "");
    assert_banned(&guarded.offend(CLIENT, GOOGLEBOT, SECOND));
}

#[test]
fn forgotten_client_is_verified_again() {
    let guarded = Guarded::new("crawlers = ['google']");
    guarded.offend(CLIENT, GOOGLEBOT, SECOND);
    let lookup = guarded.lookup(SECOND).unwrap();
    let finding = CrawlerFinding::Verified;
    guarded.arbiter.record_crawler(&lookup, finding, at(SECOND));
    let client: ClientIp = client_at(CLIENT);
    let origin = UpdateOrigin::Operator;
    guarded.arbiter.forget(client.network(), origin);
    assert_withheld(
        &guarded.offend(CLIENT, GOOGLEBOT, SECOND),
        "not verified yet",
    );
}

#[test]
fn invalid_crawlers_are_refused_with_the_reason() {
    for (crawlers, words) in [
        ("'gogle'", "unknown variant `gogle`"),
        ("{ agent = 'MyBot' }", "missing field `domains`"),
        ("{ agent = 'MyBot', domains = [] }", "no domain"),
        (
            "{ agent = 'MyBot', domains = ['com'] }",
            "at least two labels",
        ),
        (
            "{ agent = 'MyBot', domains = ['.example.org'] }",
            "at least two labels",
        ),
        (
            "{ agent = 'MyBot', domains = ['*.example.org'] }",
            "at least two labels",
        ),
        (
            "{ agent = 'My', domains = ['example.org'] }",
            "invalid agent `My`",
        ),
        (
            "{ agent = 'MyBot', domain = ['example.org'] }",
            "unknown field `domain`",
        ),
        ("7", "the name of a crawler, or a table"),
    ] {
        let config = format!("crawlers = [{crawlers}]");
        let error = toml::from_str::<BanConfig>(&config)
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
    }
}
