//! A page that makes its visitor's browser send every request that could look like a scan, in Chromium.
//! The visitor keeps access, without a hop and through nginx in three configurations. A scanner with the
//! same paths is banned.

mod page;
mod way;

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use gabion::event::{BanChange, Event, RequestEventKind};
use gabion_testkit::{dump_dom, eventually, program};

use page::{IMAGES, Names, TRICKS};
use way::{Chain, Way};

/// The name of a site that Chromium does not trust without TLS.
const PLAIN: &str = "site.example";

/// The tricks that Chromium leaves out where the site is not trustworthy.
const NEEDS_TRUST: [&str; 2] = ["speculated-page", "speculation"];

/// The number of requests by trick.
#[derive(Debug, Default)]
struct Counts {
    arrived: BTreeMap<String, usize>,
    denied: BTreeMap<String, usize>,
    placed: Vec<String>,
}

/// The name of a trick, or `image`, in a target: the longest, since some contain others.
fn trick(target: &[u8]) -> String {
    let target = String::from_utf8_lossy(target);
    let names = TRICKS.iter().map(|(name, _)| *name).chain(["image"]);
    let found = names.filter(|name| target.contains(name));
    found
        .max_by_key(|name| name.len())
        .unwrap_or("other")
        .to_owned()
}

// === impl Counts ===

impl Counts {
    fn add(&mut self, chain: &Chain) {
        for event in chain.events.take() {
            match event {
                Event::Request(event) => {
                    if let RequestEventKind::Denied(_) = event.kind {
                        let name = trick(&event.target);
                        *self.arrived.entry(name.clone()).or_default() += 1;
                        *self.denied.entry(name).or_default() += 1;
                    }
                }
                // hyper refused it.
                Event::Unparsable(event) => {
                    let name = trick(&event.line);
                    *self.arrived.entry(name.clone()).or_default() += 1;
                    *self.denied.entry(name).or_default() += 1;
                }
                Event::Ban(event) if event.change == BanChange::Placed => {
                    self.placed.push(event.to_string());
                }
                _ => {}
            }
        }
        for seen in chain.backend.take() {
            *self
                .arrived
                .entry(trick(seen.target.as_bytes()))
                .or_default() += 1;
        }
    }

    fn cell(&self, name: &str) -> String {
        let of = |counts: &BTreeMap<_, usize>| counts.get(name).copied().unwrap_or_default();
        format!("{} / {}", of(&self.arrived), of(&self.denied))
    }
}

/// Visits the page, and then the site, in one browser after the other.
async fn visit(chromium: &Path, chain: &Chain, names: &Names) -> Counts {
    let site = names.site(chain.addr());
    let page = page::serve(&site, names.referrer).await;
    let url = format!("http://{}:{}/", names.page, page.addr().port());
    let shown = dump_dom(chromium, url).await;
    assert!(shown.contains("all requested"), "{shown}");
    let mut counts = Counts::default();
    let all_images = || {
        counts.add(chain);
        (counts.arrived.get("image") >= Some(&IMAGES)).then_some(())
    };
    eventually(all_images).await.expect("all images");
    counts
}

/// The table in the form of the guide.
fn table(ways: &[(Way, Counts)]) -> String {
    let header: Vec<_> = ways.iter().map(|(way, _)| way.name()).collect();
    let mut table = format!("| trick | {} |\n|---|", header.join(" | "));
    table += &"---|".repeat(ways.len());
    let names = TRICKS.iter().map(|(name, _)| *name).chain(["image"]);
    for name in names {
        let cells: Vec<_> = ways.iter().map(|(_, counts)| counts.cell(name)).collect();
        write!(table, "\n| {name} | {} |", cells.join(" | ")).unwrap();
    }
    let placed: Vec<_> = ways
        .iter()
        .map(|(_, counts)| counts.placed.len().to_string())
        .collect();
    table + &format!("\n| bans | {} |\n", placed.join(" | "))
}

async fn assert_visitor_keeps_access(name: &str, names: &Names) {
    let (Some(chromium), Some(nginx)) = (program("chromium"), program("nginx")) else {
        return;
    };
    let mut ways = Vec::new();
    let mut shut_out = Vec::new();
    for way in Way::ALL {
        let chain = way.start(&nginx, name).await;
        let counts = visit(&chromium, &chain, names).await;
        let home = dump_dom(&chromium, format!("http://{}/", names.site(chain.addr()))).await;
        if !home.contains("ok") || !counts.placed.is_empty() {
            shut_out.push(format!("{}: {:?}, {home}", way.name(), counts.placed));
        }
        ways.push((way, counts));

        // The same paths without a page: the client itself is responsible.
        let chain = way.start(&nginx, &format!("{name}-scanner")).await;
        for path in ["/image/1/.env", "/img/.env", "/iframe/.env"] {
            assert_eq!(chain.status(path).await, 403, "{way:?}");
        }
        assert_eq!(chain.status("/").await, 403, "{way:?}: banned");
    }
    println!("{name}: arrived / denied\n{}", table(&ways));
    assert_eq!(shut_out, [""; 0]);
    for (way, counts) in ways {
        let count = |counts: &BTreeMap<_, _>, name: &str| counts.get(name).copied();
        let names_of = |is: &dyn Fn(&str) -> bool| -> Vec<_> {
            let names = TRICKS.iter().map(|(name, _)| *name);
            names.filter(|name| is(name)).collect()
        };
        let is_missing = |name: &str| count(&counts.arrived, name).is_none();
        let left_out: &[&str] = match names.site {
            PLAIN => &NEEDS_TRUST,
            _ => &[],
        };
        assert_eq!(names_of(&is_missing), left_out, "{way:?}: not sent");
        let passes = |name: &str| count(&counts.arrived, name) != count(&counts.denied, name);
        assert_eq!(names_of(&passes), [""; 0], "{way:?}: not denied");
    }
}

/// Chromium sends `Sec-Fetch-Site` to a site on loopback, as to one with TLS.
#[tokio::test(flavor = "multi_thread")]
async fn visitor_of_a_page_of_another_site_keeps_access() {
    let names = Names {
        page: "localhost",
        site: "127.0.0.1",
        referrer: "no-referrer",
    };
    assert_visitor_keeps_access("cross-site", &names).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn visitor_of_a_page_of_another_origin_of_the_site_keeps_access() {
    let names = Names {
        page: "127.0.0.1",
        site: "127.0.0.1",
        referrer: "no-referrer-when-downgrade",
    };
    assert_visitor_keeps_access("same-site", &names).await;
}

/// Chromium sends neither `Sec-Fetch-Site` nor, for this page, `Referer`.
#[tokio::test(flavor = "multi_thread")]
async fn visitor_of_a_site_without_tls_keeps_access() {
    let names = Names {
        page: "evil.example",
        site: PLAIN,
        referrer: "no-referrer",
    };
    assert_visitor_keeps_access("plain-http", &names).await;
}
