//! Compilation of `[[limit]]` rules.

use std::{
    hash::{BuildHasher as _, RandomState},
    num::NonZeroU32,
    sync::Arc,
};

use gabion_core::{Mode, RuleId, Slot, append_stable_hash, stable_hash};
use http::{Method, StatusCode};

use super::{
    Limit, LimitAction, LimitRule, LimitSharing,
    gcra::Gcra,
    key::Key,
    rule::{LimitBan, Rule, RuleQuota},
    scope::Scope,
    sharing::{SharedId, SharedQuota},
};
use crate::{
    ConfigError, ConfigErrors, ConfigPath, Context, HostAllowlist, Problem, ServerConfig,
    config::rule_compiler::{self, RuleCompiler, invalid_value},
    deny::canonical_path,
};

/// The largest number of limits. Each is evaluated for every request.
const MAX_RULES: usize = 256;

/// The largest burst.
const MAX_BURST: u32 = 1_000_000;

/// The largest ceiling.
const MAX_CEILING: u32 = 100;

pub(super) fn compile(rules: &[LimitRule], context: &Context) -> Result<Limit, ConfigErrors> {
    let found = rules.len();
    if found > MAX_RULES {
        let (what, most) = ("rules", MAX_RULES);
        let problem = Problem::TooMany { what, found, most };
        return Err(ConfigPath::new("limit", "").error(problem).into());
    }
    let table = Arc::clone(context.state().limits());
    let compile_rule =
        |rule_compiler: &mut RuleCompiler<'_, LimitRule>| rule_compiler.rule(table.seed(), context);
    let rules = rule_compiler::compile("limit", rules, |rule| &rule.id, compile_rule)?;
    if !rules.is_empty() {
        table.allocate();
    }
    let shared: Arc<[SharedQuota]> = rules.iter().flat_map(shared_quotas).collect();
    if !shared.is_empty() {
        table.sharing().register(Arc::downgrade(&shared));
    }
    Ok(Limit {
        rules,
        table,
        _shared: shared,
    })
}

/// Returns the quotas of a rule that are shared with other instances.
fn shared_quotas(rule: &Rule) -> impl Iterator<Item = SharedQuota> {
    let ban = rule.ban.as_ref().map(|ban| &ban.quota);
    let quotas = [&rule.quota, &rule.ceiling].into_iter().chain(ban);
    quotas.filter_map(|quota| {
        let (id, gcra) = (quota.shared?.quota, quota.gcra);
        Some(SharedQuota { id, gcra })
    })
}

impl RuleCompiler<'_, LimitRule> {
    fn rule(&mut self, seed: &RandomState, context: &Context) -> Option<Rule> {
        let rule = self.rule;
        let id = RuleId::new(&rule.id).map_err(|error| self.report("id", error));
        let keys = self.parse_each("key", &rule.key, |text| {
            text.parse().map_err(|why| invalid_value(text, why))
        });
        if rule.key.is_empty() {
            let why = "name at least one part, or `global` for one quota for all clients";
            self.report("key", invalid_value("[]", why));
        }
        self.check_sharing();
        let scope = self.scope();
        let quotas = self.quotas();
        let (quota, ceiling) = quotas?;
        let ban = self.ban(&keys, quota, seed, context);
        let (sharing, own_id) = (rule.shared, self.shared_id(&rule.key.join("\n"), quota));
        Some(Rule {
            id: id.ok()?,
            mode: rule.mode.unwrap_or(Mode::Observe),
            scope,
            is_client_chosen: keys.iter().any(Key::is_client_chosen),
            quota: RuleQuota {
                hash: seed.hash_one((&rule.id, &keys)),
                by: rule.key.join(" + ").into(),
                gcra: quota,
                shared: (sharing == LimitSharing::Approximate).then_some(own_id),
            },
            ceiling: RuleQuota {
                hash: seed.hash_one((&rule.id, "ceiling")),
                by: "address".into(),
                gcra: ceiling,
                shared: (sharing != LimitSharing::Off)
                    .then(|| self.shared_id("ceiling\n", ceiling)),
            },
            keys,
            cost: rule.cost,
            exact: (sharing == LimitSharing::Exact).then_some(own_id),
            show: rule.show,
            slot: self.slot(context),
            ban,
        })
    }

    /// Compiles the ban of the rule, with `quota` for the requests that are held against their client.
    fn ban(
        &mut self,
        keys: &[Key],
        quota: Gcra,
        seed: &RandomState,
        context: &Context,
    ) -> Option<LimitBan> {
        let ban_for = match self.rule.then {
            LimitAction::Refuse => return None,
            LimitAction::Ban(period) => period.map_or_else(|| context.ban_for(), |period| period.0),
        };
        if keys.iter().any(|key| *key != Key::Client) {
            let why = "a limit with `then = \"ban\"` counts by `client` alone";
            self.report("key", invalid_value(&self.rule.key.join(" + "), why));
        }
        Some(LimitBan {
            ban_for,
            quota: RuleQuota {
                hash: seed.hash_one((&self.rule.id, "attributable")),
                by: "client".into(),
                gcra: quota,
                shared: (self.rule.shared != LimitSharing::Off)
                    .then(|| self.shared_id("attributable\n", quota)),
            },
            slot: self.slot(context),
        })
    }

    /// Returns the id of a quota in all instances. No part of `by` contains a newline.
    fn shared_id(&self, by: &str, gcra: Gcra) -> SharedId {
        let key = stable_hash(format!("{}\n{by}", self.rule.id).as_bytes());
        let (burst, window) = (gcra.limit(), gcra.window().as_nanos());
        let rate = format!("{burst} {window}");
        SharedId {
            key,
            quota: append_stable_hash(key, rate.as_bytes()),
        }
    }

    /// Refuses what a limit that is shared so cannot do.
    fn check_sharing(&mut self) {
        if self.rule.shared == LimitSharing::Exact && !self.rule.statuses.is_empty() {
            let why = "a limit with `statuses` counts after the response: write `approximate`";
            self.report("shared", invalid_value("exact", why));
        }
    }

    /// Assigns a slot if the limit counts responses.
    fn slot(&self, context: &Context) -> Option<Slot> {
        let counts_responses = !self.rule.statuses.is_empty();
        counts_responses.then(|| context.assign_slot())
    }

    fn scope(&mut self) -> Scope {
        let rule = self.rule;
        Scope {
            methods: self.parse_each("methods", &rule.methods, |text| {
                Method::from_bytes(text.as_bytes())
                    .map_err(|_| invalid_value(text, "not an HTTP method"))
            }),
            paths: self
                .parse_each("paths", &rule.paths, canonical_path)
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
        let path = self.path("hosts");
        let in_this_rule = |error: ConfigError| ConfigError {
            path: ConfigPath {
                entry: error.path.entry,
                ..path
            },
            ..error
        };
        HostAllowlist::from_config(&config, Mode::Enforce)
            .map_err(|errors| self.errors.extend(errors.into_iter().map(in_this_rule)))
            .ok()
    }

    fn statuses(&mut self) -> Vec<StatusCode> {
        let mut statuses = Vec::new();
        for (entry, &status) in self.rule.statuses.iter().enumerate() {
            match StatusCode::from_u16(status) {
                Ok(known) if (200..600).contains(&status) => statuses.push(known),
                _ => {
                    let path = self.path("statuses").entry(entry);
                    let problem = invalid_value(
                        &status.to_string(),
                        "write a response status from 200 to 599",
                    );
                    self.errors.push(path.error(problem));
                }
            }
        }
        statuses
    }

    /// Compiles the quota of the rule, and its ceiling per address.
    fn quotas(&mut self) -> Option<(Gcra, Gcra)> {
        let LimitRule {
            rate,
            ceiling,
            cost,
            ..
        } = *self.rule;
        let burst = self.rule.burst.unwrap_or_else(|| rate.count());
        let mut fits = true;
        let mut require = |holds: bool, key, found: NonZeroU32, why| {
            if !holds {
                fits = false;
                self.report(key, invalid_value(&found.to_string(), why));
            }
        };
        require(
            burst.get() <= MAX_BURST,
            "burst",
            burst,
            "at most 1000000 is supported",
        );
        require(
            cost <= burst,
            "cost",
            cost,
            "more than the burst, so that no request would pass",
        );
        require(
            ceiling.get() <= MAX_CEILING,
            "ceiling",
            ceiling,
            "at most 100 is supported",
        );
        if !fits {
            return None;
        }
        let higher = burst.saturating_mul(ceiling);
        let ceiling = Gcra::new(higher, rate.interval() / ceiling.get());
        let quotas = Gcra::new(burst, rate.interval()).zip(ceiling);
        if quotas.is_none() {
            let rule = self.rule.id.clone();
            self.report("burst", Problem::Refill { rule, burst });
        }
        quotas
    }
}
