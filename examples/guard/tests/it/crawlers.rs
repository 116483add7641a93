//! Clients that claim to be crawlers are verified by DNS: here by a server on loopback, never by another one.

use std::path::Path;

use gabion_testkit::{Backend, DnsServer, TempFolder, eventually};

use crate::support::Guard;

const POLICY: &str = r#"
version = 1
[client]
trusted_proxies = ["127.0.0.1"]
[ban]
crawlers = ["google", { agent = "MyBot", domains = ["bots.example.org"] }]
[[deny]]
id = "dotfiles"
names = [".env"]
then = "ban"
"#;
/// The rule of [`POLICY`].
const RULE: &str = r#"[[deny]]
id = "dotfiles"
names = [".env"]
then = "ban"
"#;
const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

/// A guard behind a trusted proxy, with a DNS server.
struct Site {
    guard: Guard,
    dns: DnsServer,
    _behind: Backend,
    _folder: TempFolder,
}

impl Site {
    async fn start(name: &str) -> Self {
        let (behind, dns, folder) = (
            Backend::start().await,
            DnsServer::start().await,
            TempFolder::new(name),
        );
        let policy = folder.write("policy.toml", POLICY);
        let guard = Guard::start(&[
            "--upstream",
            &behind.url(),
            "--policy",
            &policy,
            "--dns-server",
            &dns.addr().to_string(),
        ])
        .await;
        Self {
            guard,
            dns,
            _behind: behind,
            _folder: folder,
        }
    }

    /// Starts a guard by a configuration file, in which a rule of the route `/api` bans, and the main policy names the
    /// crawlers.
    async fn start_with_route(name: &str) -> Self {
        let (behind, dns, folder) = (
            Backend::start().await,
            DnsServer::start().await,
            TempFolder::new(name),
        );
        folder.write("policy.toml", &POLICY.replace(RULE, ""));
        folder.write("api.toml", &format!("version = 1\n{RULE}"));
        let config = format!(
            "version = 1\npolicy = 'policy.toml'\ndns_server = '{}'\n\
             [listen]\naddress = '127.0.0.1:0'\n\
             [[upstream]]\nname = 'app'\nservers = [{{ url = '{}' }}]\n\
             [[route]]\npath = '/api'\nupstream = 'app'\npolicy = 'api.toml'\n",
            dns.addr(),
            behind.url()
        );
        let config = folder.write("guard.toml", &config);
        Self {
            guard: Guard::start_configured(Path::new(&config)).await,
            dns,
            _behind: behind,
            _folder: folder,
        }
    }

    async fn status(&self, request: &str, client: &str, agent: &str) -> u16 {
        let mut connection = self.guard.connect().await;
        let (method, _) = request.split_once(' ').unwrap();
        let head = format!(
            "{request} HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: {client}\r\nUser-Agent: {agent}\r\n\
             Connection: close\r\n\r\n"
        );
        connection.send(head).await;
        let response = connection.response(method).await.expect("a response");
        response.status.as_u16()
    }

    /// Sends a request that a rule denies and bans for.
    async fn probe(&self, client: &str, agent: &str) {
        assert_eq!(self.status("PUT /.env", client, agent).await, 403);
    }

    async fn visit(&self, client: &str, agent: &str) -> u16 {
        self.status("GET /", client, agent).await
    }
}

#[tokio::test]
async fn verified_crawler_that_probes_is_denied_and_never_banned() {
    let site = Site::start("crawlers-verified").await;
    for (client, agent, name) in [
        ("203.0.113.9", GOOGLEBOT, "crawl-1.googlebot.com"),
        ("2001:db8::9", GOOGLEBOT, "crawl-6.googlebot.com"),
        ("203.0.113.10", "MyBot/1.0", "one.bots.example.org"),
    ] {
        site.dns.add_pointer(client, name);
        site.dns.add_addr(name, client);
        site.probe(client, agent).await;
        assert_eq!(site.visit(client, agent).await, 200, "while it is pending");
        site.guard.logged([client, "is the crawler", name]).await;
        for _ in 0..4 {
            site.probe(client, agent).await;
        }
        assert_eq!(site.visit(client, agent).await, 200, "{client}");
    }
    // One lookup for each, however often it probes.
    let asked = site.dns.asked();
    let reverse = asked.iter().filter(|name| name.ends_with("arpa"));
    assert_eq!(reverse.count(), 3, "{asked:?}");
}

#[tokio::test]
async fn fake_crawler_is_banned_after_the_lookup() {
    let site = Site::start("crawlers-fake").await;
    for (client, name, addr) in [
        // The end of the name is not the domain of the crawler, though it leads back.
        (
            "198.51.100.9",
            "googlebot.com.evil.example",
            Some("198.51.100.9"),
        ),
        ("198.51.100.10", "evilgooglebot.com", Some("198.51.100.10")),
        // A name of the crawler, which has another address, or none.
        (
            "198.51.100.11",
            "crawl-1.googlebot.com",
            Some("203.0.113.77"),
        ),
        ("198.51.100.12", "crawl-2.googlebot.com", None),
        // The domain of another crawler.
        (
            "198.51.100.13",
            "one.bots.example.org",
            Some("198.51.100.13"),
        ),
        ("198.51.100.14", "", None),
    ] {
        if !name.is_empty() {
            site.dns.add_pointer(client, name);
        }
        if let Some(addr) = addr {
            site.dns.add_addr(name, addr);
        }
        site.probe(client, GOOGLEBOT).await;
        let line = site.guard.logged([client, "is not the crawler"]).await;
        assert!(line.contains(name), "{line}");
        site.guard
            .logged([client, "banned for 600 s by rule dotfiles"])
            .await;
        assert_eq!(site.visit(client, GOOGLEBOT).await, 403, "{client}");
        assert_eq!(site.visit(client, "curl/8").await, 403, "{client}");
    }
    // Names that are not the crawler's are not looked up.
    let asked = site.dns.asked();
    for name in ["googlebot.com.evil.example", "evilgooglebot.com"] {
        assert!(!asked.iter().any(|asked| asked == name), "{asked:?}");
    }
}

#[tokio::test]
async fn without_dns_no_crawler_is_banned_and_everything_else_goes_on() {
    let site = Site::start("crawlers-no-dns").await;
    site.dns.set_silent(true);
    site.probe("203.0.113.9", GOOGLEBOT).await;
    // A client that claims nothing is banned at once.
    site.probe("203.0.113.99", "curl/8").await;
    assert_eq!(site.visit("203.0.113.99", "curl/8").await, 403);
    assert_eq!(site.visit("203.0.113.98", "curl/8").await, 200);
    site.guard
        .logged(["cannot verify clients that claim to be crawlers"])
        .await;
    let asked = eventually(|| (!site.dns.asked().is_empty()).then_some(())).await;
    assert!(asked.is_some());
    for _ in 0..4 {
        site.probe("203.0.113.9", GOOGLEBOT).await;
    }
    assert_eq!(site.visit("203.0.113.9", GOOGLEBOT).await, 200);
}

#[tokio::test]
async fn crawlers_that_offend_a_rule_of_a_route_are_verified_too() {
    let site = Site::start_with_route("crawlers-of-a-route").await;
    let (crawler, fake) = ("203.0.113.9", "198.51.100.9");
    site.dns.add_pointer(crawler, "crawl-1.googlebot.com");
    site.dns.add_addr("crawl-1.googlebot.com", crawler);
    for client in [crawler, fake] {
        let status = site.status("PUT /api/.env", client, GOOGLEBOT).await;
        assert_eq!(status, 403, "{client}");
    }
    site.guard.logged([crawler, "is the crawler"]).await;
    site.guard.logged([fake, "banned for 600 s"]).await;
    for (client, status) in [(crawler, 200), (fake, 403)] {
        let request = "GET /api/items";
        assert_eq!(site.status(request, client, GOOGLEBOT).await, status);
    }
}

#[tokio::test]
async fn hostile_name_is_logged_escaped() {
    let site = Site::start("crawlers-hostile-name").await;
    let name = "\u{1b}[31mred\r\nforged\"`.evil.example";
    site.dns.add_pointer("198.51.100.9", name);
    site.probe("198.51.100.9", GOOGLEBOT).await;
    site.guard
        .logged(["198.51.100.9", "is not the crawler"])
        .await;
    site.guard
        .logged(["198.51.100.9", "banned for 600 s"])
        .await;
    let log = site.guard.log();
    assert!(!log.contains("\u{1b}[31mred"), "{log}");
    assert!(!log.lines().any(|line| line.starts_with("forged")), "{log}");
}
