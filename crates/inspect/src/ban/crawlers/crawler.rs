//! A crawler, and the names that verify it.

use super::CrawlerConfig;

/// A crawler of the policy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Crawler {
    name: String,
    domains: Vec<String>,
}

// === impl Crawler ===

impl Crawler {
    pub(crate) fn new(config: &CrawlerConfig) -> Self {
        Self {
            name: config.name().to_owned(),
            domains: config.domains().map(str::to_owned).collect(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns `true` if the DNS name is one of its domains or below one. Names of other characters than those of
    /// hosts are not: a label could contain a dot.
    pub(crate) fn owns(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        name.bytes().all(is_plain) && self.domains.iter().any(|domain| is_below(name, domain))
    }
}

/// Returns `true` if `name` is `domain`, or ends in it at the border of a label.
fn is_below(name: &str, domain: &str) -> bool {
    let at = name.len().checked_sub(domain.len());
    let split = at.and_then(|at| name.split_at_checked(at));
    split.is_some_and(|(host, end)| {
        end.eq_ignore_ascii_case(domain) && (host.is_empty() || host.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KnownCrawler;

    #[test]
    fn name_verifies_a_crawler_only_if_it_ends_in_a_domain_at_the_border_of_a_label() {
        let google = Crawler::new(&CrawlerConfig::Known(KnownCrawler::Google));
        for (name, expected) in [
            ("crawl-66-249-66-1.googlebot.com", true),
            ("crawl-66-249-66-1.googlebot.com.", true),
            ("CRAWL.GoogleBot.COM", true),
            ("googlebot.com", true),
            ("evilgooglebot.com", false),
            ("evil-googlebot.com", false),
            ("googlebot.com.evil.example", false),
            ("crawl.googlebot.com.evil.example", false),
            ("crawl.googlebot.com..", false),
            ("ogleb", false),
            ("", false),
            (".", false),
            ("com", false),
            // A single label with a dot, as resolvers escape it, and other bytes.
            ("crawl\\.googlebot.com", false),
            ("crawl\\046googlebot.com", false),
            ("crawl .googlebot.com", false),
            ("crawl\n.googlebot.com", false),
            ("ä.googlebot.com", false),
            // The networks of customers.
            ("1.2.3.4.bc.googleusercontent.com", false),
            // Google's proxies, through which anyone can send requests.
            ("google-proxy-66-249-81-1.google.com", false),
        ] {
            assert_eq!(google.owns(name), expected, "{name:?}");
        }
    }
}
