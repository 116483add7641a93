//! From limits as they are written to the engine.

use std::{
    hash::{BuildHasher as _, RandomState},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use gabion_core::{Mode, RequestState, RuleId};
use http::{Method, StatusCode};

use super::{Limit, LimitRule, LimitTable, Rule, gcra::Gcra, key::Key, scope::Scope};
use crate::{
    ConfigError, ConfigErrors, ConfigPath, HostAllowlist, Problem, ServerConfig,
    config::rule_compiler::{self, RuleCompiler, value},
    deny::plain_path,
};

/// How many limits are compiled at most: each is asked about every request.
const MAX_RULES: usize = 256;

/// The largest burst, and the largest ceiling, that are reckoned with.
const MAX_BURST: u32 = 1_000_000;
const MAX_CEILING: u32 = 100;

/// How long a budget may take to grow back.
const MAX_WINDOW: Duration = Duration::from_hours(366 * 24);

pub(super) fn compile(rules: &[LimitRule], table: Arc<LimitTable>) -> Result<Limit, ConfigErrors> {
    let too_many = |what, found, most| {
        let problem = Problem::TooMany { what, found, most };
        Err(ConfigPath::new("limit", "").refuse(problem).into())
    };
    if rules.len() > MAX_RULES {
        return too_many("rules", rules.len(), MAX_RULES);
    }
    let waiting = rules.iter().filter(|rule| !rule.statuses.is_empty());
    let (waiting, most) = (waiting.count(), RequestState::MAX_TICKETS);
    if waiting > most {
        return too_many("limits that count statuses", waiting, most);
    }
    let of = |rule_compiler: &mut RuleCompiler<'_, LimitRule>| rule_compiler.rule(table.seed());
    let rules = rule_compiler::compile("limit", rules, |rule| &rule.id, of)?;
    if !rules.is_empty() {
        table.make_room();
    }
    Ok(Limit { rules, table })
}

impl RuleCompiler<'_, LimitRule> {
    fn rule(&mut self, seed: &RandomState) -> Option<Rule> {
        let rule = self.rule;
        let id = RuleId::new(&rule.id).map_err(|error| self.refuse("id", error));
        let keys = self.each("key", &rule.key, |text| {
            text.parse().map_err(|why| value(text, why))
        });
        if rule.key.is_empty() {
            let why = "counts by nothing: write \"global\" for one budget for all";
            self.refuse("key", value("[]", why));
        }
        let scope = self.scope();
        let budgets = self.budgets();
        let [budget, ceiling] = budgets?;
        Some(Rule {
            id: id.ok()?,
            mode: rule.mode.unwrap_or(Mode::Observe),
            scope,
            by: rule.key.join(" + ").into(),
            by_address: "address".into(),
            hash: seed.hash_one((&rule.id, &keys)),
            ceiling_hash: seed.hash_one((&rule.id, "ceiling")),
            is_inventable: keys.iter().any(Key::is_written_by_client),
            keys,
            budget,
            ceiling,
            cost: rule.cost,
            show: rule.show,
        })
    }

    fn scope(&mut self) -> Scope {
        let rule = self.rule;
        Scope {
            methods: self.each("methods", &rule.methods, |text| {
                Method::from_bytes(text.as_bytes()).map_err(|_| value(text, "is no method"))
            }),
            paths: self
                .each("paths", &rule.paths, plain_path)
                .into_iter()
                .collect(),
            hosts: self.hosts(),
            statuses: self.statuses(),
        }
    }

    fn hosts(&mut self) -> Option<HostAllowlist> {
        let hosts = self.rule.hosts.clone();
        if hosts.is_empty() {
            return None;
        }
        let config = ServerConfig {
            hosts,
            ..ServerConfig::default()
        };
        let here = self.place("hosts");
        let moved = |error: ConfigError| ConfigError {
            place: ConfigPath {
                entry: error.place.entry,
                ..here
            },
            ..error
        };
        HostAllowlist::from_config(&config, Mode::Enforce)
            .map_err(|errors| self.errors.extend(errors.into_iter().map(moved)))
            .ok()
    }

    fn statuses(&mut self) -> Vec<StatusCode> {
        let mut statuses = Vec::new();
        for (entry, &status) in self.rule.statuses.iter().enumerate() {
            match StatusCode::from_u16(status) {
                Ok(known) if (200..600).contains(&status) => statuses.push(known),
                _ => {
                    let place = self.place("statuses").entry(entry);
                    let problem = value(&status.to_string(), "is no status of an answer");
                    self.errors.push(place.refuse(problem));
                }
            }
        }
        statuses
    }

    /// The rule's own budget, and the ceiling for one address.
    fn budgets(&mut self) -> Option<[Gcra; 2]> {
        let LimitRule {
            rate,
            ceiling,
            cost,
            ..
        } = *self.rule;
        let burst = self.rule.burst.unwrap_or_else(|| rate.count());
        let window = rate.interval().saturating_mul(burst.get());
        let mut fits = true;
        let mut hold = |holds: bool, key, found: NonZeroU32, why| {
            if !holds {
                fits = false;
                self.refuse(key, value(&found.to_string(), why));
            }
        };
        hold(
            burst.get() <= MAX_BURST,
            "burst",
            burst,
            "is beyond a million",
        );
        hold(
            window <= MAX_WINDOW,
            "burst",
            burst,
            "takes over a year to grow back",
        );
        hold(cost <= burst, "cost", cost, "is more than there ever is");
        hold(
            ceiling.get() <= MAX_CEILING,
            "ceiling",
            ceiling,
            "is beyond a hundred",
        );
        if !fits {
            return None;
        }
        let higher = burst.saturating_mul(ceiling);
        let budget = Gcra::new(burst, rate.interval())?;
        Some([budget, Gcra::new(higher, rate.interval() / ceiling.get())?])
    }
}
