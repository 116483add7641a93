//! The crawlers that a `User-Agent` names.

use std::sync::Arc;

use aho_corasick::AhoCorasick;
use gabion_core::Facts;

use super::{CrawlerConfig, crawler::Crawler};
use crate::{
    Problem,
    agent::{self, Gate},
};

/// Finds the crawler that a `User-Agent` names.
///
/// # Cost
///
/// One vectorized search of the `User-Agent` per request.
#[derive(Debug)]
pub(crate) struct CrawlerAgents {
    automaton: AhoCorasick,
    /// `None` if there are too many texts.
    gate: Option<Gate>,
    /// The crawler of each pattern.
    crawler_of: Vec<Arc<Crawler>>,
}

/// The largest number of crawlers.
const MAX_CRAWLERS: usize = 256;

// === impl CrawlerAgents ===

impl CrawlerAgents {
    /// Returns `None` without a crawler.
    pub(crate) fn new(crawlers: &[CrawlerConfig]) -> Result<Option<Self>, Problem> {
        if crawlers.is_empty() {
            return Ok(None);
        }
        Problem::at_most("crawlers", crawlers.len(), MAX_CRAWLERS)?;
        let texts = || crawlers.iter().flat_map(CrawlerConfig::agents);
        let mut builder = AhoCorasick::builder();
        let builder = builder.ascii_case_insensitive(true);
        let automaton = builder.build(texts()).map_err(|error| Problem::Regex {
            pattern: "all agents of `crawlers` together".into(),
            why: error.to_string(),
        })?;
        let crawler_of = crawlers.iter().flat_map(|config| {
            let crawler = Arc::new(Crawler::new(config));
            config.agents().map(move |_| Arc::clone(&crawler))
        });
        Ok(Some(Self {
            automaton,
            gate: Gate::new(texts()),
            crawler_of: crawler_of.collect(),
        }))
    }

    /// Returns the crawler that the request names as its sender.
    pub(crate) fn find(&self, facts: &Facts<'_>) -> Option<&Arc<Crawler>> {
        agent::lines(facts).find_map(|line| {
            if self.gate.as_ref().is_some_and(|gate| !gate.may_open(line)) {
                return None;
            }
            let found = self.automaton.find(line)?;
            self.crawler_of.get(found.pattern().as_usize())
        })
    }
}

#[cfg(test)]
mod tests {
    use gabion_core::ClientRules;
    use gabion_testkit::OwnedHead;

    use super::*;
    use crate::{BanConfig, KnownCrawler};

    #[test]
    fn each_agent_of_a_crawler_names_it_in_any_case() {
        let config = "crawlers = ['apple', 'bing', 'google', 'yandex', \
                      { agent = 'MyBot', domains = ['bots.example.org'] }]";
        let config = toml::from_str::<BanConfig>(config).unwrap();
        let agents = CrawlerAgents::new(&config.crawlers).unwrap().unwrap();
        let named = |agent: &str| {
            let head = OwnedHead::get("/").header("user-agent", agent);
            let rules = ClientRules::default();
            let found = agents.find(&head.facts(&rules));
            found.map(|crawler| crawler.name().to_owned())
        };
        for known in KnownCrawler::ALL {
            for agent in known.agents() {
                for agent in [agent.to_uppercase(), agent.to_lowercase()] {
                    let line = format!("Mozilla/5.0 (compatible; {agent}/2.1)");
                    assert_eq!(named(&line).as_deref(), Some(known.name()), "{line}");
                }
            }
        }
        assert_eq!(named("mybot/1").as_deref(), Some("MyBot"));
        for other in ["", "Mozilla/5.0 (X11; Linux x86_64)", "curl/8", "Google"] {
            assert_eq!(named(other), None, "{other}");
        }
    }
}
