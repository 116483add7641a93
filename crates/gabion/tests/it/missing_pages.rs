//! A client that searches for pages the service does not have is stopped within twenty of them, however
//! it orders its requests. Honest clients that request missing pages are not.

use std::sync::atomic::{AtomicBool, Ordering};

use gabion_testkit::TestRequest;

use crate::support::site::{Site, browser, disguised, program};

const POLICY: &str = "version = 1\n[scan]\n";

/// The most missing pages that a search may reach.
const MOST: u32 = 20;

/// Forty pages that a list of guesses contains.
fn guesses() -> impl Iterator<Item = String> {
    const WORDS: [&str; 10] = [
        "admin", "backup", "console", "data", "export", "files", "login", "old", "report", "test",
    ];
    (0..40).map(|at| format!("/{}{}", WORDS[at % 10], ["", "-new", ".txt", "2"][at / 10]))
}

/// A page of its own for each target.
fn page(target: &str) -> (u16, String) {
    let length = target.bytes().fold(7_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    (
        200,
        "x".repeat(usize::try_from(length % 5_000 + 100).unwrap()),
    )
}

/// A small site: 404 for what it does not have.
fn site(target: &str) -> (u16, String) {
    let has = ["/page", "/api/items/hit", "/img/there"];
    match target {
        "/" | "/about" | "/shop" | "/team" => page(target),
        _ if has.iter().any(|start| target.starts_with(start)) => page(target),
        _ => (404, "not found".into()),
    }
}

/// A single-page application: the same page for any path.
fn application(target: &str) -> (u16, String) {
    match target.rsplit_once('.') {
        Some((_, "js" | "css")) => (200, format!("asset {target}")),
        _ if target.starts_with("/api/") => (200, format!("{{\"of\":\"{target}\"}}")),
        _ => (200, "<!doctype html><div id=app></div>".into()),
    }
}

#[test]
fn search_reaches_twenty_pages_at_most() {
    type Client = fn(&str) -> TestRequest;
    let clients: [(&str, Client); 3] = [
        ("browser", browser),
        ("disguised", disguised),
        ("library", |target| program(target, "python-requests/2.32")),
    ];
    for (what, client) in clients {
        let found = Site::new(POLICY, site);
        let reached = found.reached(guesses().map(|guess| client(&guess)));
        assert!(reached <= MOST, "{what}: {reached}");
        assert!(found.has_ban(), "{what}");
    }
    let found = Site::new(POLICY, application);
    let words = guesses().chain(guesses().map(|guess| format!("{guess}-1")));
    let reached = found.reached(words.map(|guess| browser(&guess)));
    assert!(reached < 70, "browser, single page: {reached}");
    assert!(found.has_ban(), "browser, single page");
    for (what, client) in &clients[1..] {
        let found = Site::new(POLICY, application);
        let reached = found.reached(guesses().map(|guess| client(&guess)));
        assert!(reached <= MOST + 3, "{what}, single page: {reached}");
        assert!(found.has_ban(), "{what}, single page");
    }
}

#[test]
fn search_by_head_is_like_one_by_get() {
    for (what, answers) in [
        ("site", site as fn(&str) -> _),
        ("single page", application),
    ] {
        let found = Site::new(POLICY, answers);
        let by_head = guesses().map(|guess| disguised(&guess).method("HEAD"));
        let reached = found.reached(by_head);
        assert!(reached <= MOST + 3, "{what}: {reached}");
        assert!(found.has_ban(), "{what}");
    }
    // Nor do answers without content give good standing.
    let found = Site::new(POLICY, |_| (200, String::new()));
    found.reached(guesses().map(|guess| disguised(&guess).method("HEAD")));
    found.reached((0..10).map(|at| disguised(&format!("/{at}/.env"))));
    assert!(found.has_ban(), "in good standing");
}

#[test]
fn answers_without_content_make_no_page_known() {
    // A service that answers every HEAD with 200.
    static IS_HEAD: AtomicBool = AtomicBool::new(true);
    let found = Site::new(POLICY, |_| {
        if IS_HEAD.load(Ordering::Relaxed) {
            (200, String::new())
        } else {
            (404, "not found".into())
        }
    });
    found.reached(guesses().map(|guess| disguised(&guess).method("HEAD").from("198.51.100.7")));
    IS_HEAD.store(false, Ordering::Relaxed);
    let reached = found.reached(guesses().map(|guess| disguised(&guess)));
    assert!(reached <= MOST, "{reached}");
    assert!(found.has_ban());
}

#[test]
fn real_pages_before_or_between_the_guesses_do_not_help() {
    let pages = || (0..12).map(|page| disguised(&format!("/page{page}")));
    let found = Site::new(POLICY, site);
    found.reached(pages());
    let reached = found.reached(guesses().map(|guess| disguised(&guess)));
    assert!(reached <= MOST, "after a crawl: {reached}");
    assert!(!found.has_ban(), "it is in good standing");
    assert_eq!(found.send(disguised("/page3")).status, 200);

    let found = Site::new(POLICY, site);
    let claims = |target: &str| disguised(target).header("sec-fetch-site", "same-origin");
    found.reached((0..12).map(|page| claims(&format!("/page{page}"))));
    let reached = found.reached(guesses().map(|guess| claims(&guess)));
    assert!(reached <= MOST, "with claims of the same site: {reached}");

    let found = Site::new(POLICY, site);
    let between = guesses().zip(0..).flat_map(|(guess, at)| {
        let real = [2 * at, 2 * at + 1].map(|page| disguised(&format!("/page{page}")));
        real.into_iter().chain([disguised(&guess)])
    });
    let reached = found.reached(between);
    assert!(reached <= MOST * 3 + 40, "interleaved: {reached}");
    let guesses = found.reached(guesses().map(|guess| disguised(&format!("{guess}.bak"))));
    assert_eq!(guesses, 0);
}

#[test]
fn queries_are_different_targets() {
    let found = Site::new(POLICY, |target| match target {
        "/" => (200, "home".into()),
        _ => (404, String::new()),
    });
    let authors = (1..=40).map(|id| disguised(&format!("/?author={id}")));
    let reached = found.reached(authors);
    assert!(found.has_ban(), "{reached} reached");
}

/// Requests that the service receives all, and that ban no client.
#[track_caller]
fn assert_honest(what: &str, found: &Site, requests: impl IntoIterator<Item = TestRequest>) {
    let requests: Vec<_> = requests.into_iter().collect();
    let sent = u32::try_from(requests.len()).unwrap();
    assert_eq!(found.reached(requests), sent, "{what}");
    assert!(!found.has_ban(), "{what}");
}

#[test]
fn honest_clients_that_miss_pages_are_not_stopped() {
    let honest = |what, requests: Vec<TestRequest>| {
        assert_honest(what, &Site::new(POLICY, site), requests);
    };
    let crawler = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    let moved = |at| program(&format!("/blog{at}/moved-{at}"), crawler);
    honest("crawler of moved pages", (0..20).map(moved).collect());
    let checker = |at| program(&format!("/link{at}"), "LinkChecker/10").method("HEAD");
    honest("checker of links", (0..12).map(checker).collect());
    let id = |at| program(&format!("/api/items/{at}"), "inventory/2.1");
    honest("client that looks up ids", (0..200).map(id).collect());
    let uuid = |at: u32| {
        program(
            &format!("/api/{at:08x}-5b1d-4c1e-9c1a"),
            "python-requests/2",
        )
    };
    honest("client that looks up UUIDs", (1..200).map(uuid).collect());
    let sync = (0..60).map(|at| match at % 2 {
        0 => program(&format!("/api/items/hit-{at}"), "app/1.0 okhttp/4.12"),
        _ => program(&format!("/api/items/name-{at}"), "app/1.0 okhttp/4.12"),
    });
    honest("sync that alternates hit and miss", sync.collect());
    let broken = (0..200).map(|at| browser(&format!("/img/{at}/missing.png")));
    honest("page with broken images", broken.collect());
}

#[test]
fn people_behind_one_address_are_not_stopped() {
    let page = |at: u32| browser(&format!("/page{at}"));
    let requests = (0..1_000).map(|at| match at % 25 {
        24 => browser(&format!("/gone{at}")),
        _ => page(at),
    });
    assert_honest("company", &Site::new(POLICY, site), requests);
}

#[test]
fn pages_that_others_were_served_are_not_missing() {
    // A new version of the service lost its pages.
    static ARE_GONE: AtomicBool = AtomicBool::new(false);
    let found = Site::new(POLICY, |target| {
        if ARE_GONE.load(Ordering::Relaxed) {
            (404, String::new())
        } else {
            page(target)
        }
    });
    let words = || guesses().map(|word| disguised(&word));
    found.reached(words().map(|request| request.from("198.51.100.7")));
    ARE_GONE.store(true, Ordering::Relaxed);
    assert_honest("visitor", &found, words());
}

#[test]
fn people_and_crawlers_open_any_page_of_a_single_page_application() {
    let person = guesses().map(|page| browser(&page));
    assert_honest("person", &Site::new(POLICY, application), person);
    let tickets = (0..300).map(|at| browser(&format!("/tickets/SHOP-{at}")));
    assert_honest("support", &Site::new(POLICY, application), tickets);
    let crawler = "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)";
    let pages = guesses().map(|page| program(&page, crawler));
    assert_honest("crawler", &Site::new(POLICY, application), pages);
    // An old browser, or one behind a proxy that removes headers, loads the assets.
    let pages = guesses().zip(0..).flat_map(|(page, at)| {
        [page, format!("/app{at}.js"), format!("/style{at}.css")].map(|target| disguised(&target))
    });
    assert_honest(
        "browser without headers",
        &Site::new(POLICY, application),
        pages,
    );
}

/// Small answers, of which many have the same length.
fn small_answers(target: &str) -> (u16, String) {
    let (_, page) = page(target);
    (200, "x".repeat(30 + page.len() % 20))
}

#[test]
fn program_that_gets_small_answers_is_not_stopped() {
    let library = |target: String| program(&target, "python-requests/2.32");
    let words = guesses().chain(guesses().map(|guess| format!("{guess}-1")));
    let targets: Vec<_> = words.map(|word| format!("{word}/state")).collect();
    let twice = targets.iter().chain(&targets).cloned().map(library);
    assert_honest("library", &Site::new(POLICY, small_answers), twice);
}
