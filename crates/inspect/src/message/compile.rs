//! Compilation of `[[message]]` rules.

use aho_corasick::AhoCorasick;
use gabion_core::RuleId;
use regex_automata::meta::Regex;

use super::{MessageAction, MessageRule, Rule};
use crate::{
    ConfigErrors, ConfigPath, Context, Problem,
    config::rule_compiler::{self, RuleCompiler, invalid_value},
    deny::canonical_path,
    expression,
};

/// The largest number of rules. Each makes its own passes over a message.
const MAX_RULES: usize = 256;

/// The largest number of literals and expressions over all rules.
const MAX_PARTS: usize = 10_000;

/// The largest `json_depth`.
const MAX_DEPTH: u16 = 1000;

pub(super) fn compile(rules: &[MessageRule], context: &Context) -> Result<Vec<Rule>, ConfigErrors> {
    let parts = rules
        .iter()
        .map(|rule| rule.contains.len() + rule.matches.len());
    for (what, found, most) in [
        ("rules", rules.len(), MAX_RULES),
        ("literals and expressions", parts.sum(), MAX_PARTS),
    ] {
        if found > most {
            let problem = Problem::TooMany { what, found, most };
            return Err(ConfigPath::new("message", "").error(problem).into());
        }
    }
    rule_compiler::compile(
        "message",
        rules,
        |rule| &rule.id,
        |rule_compiler| rule_compiler.rule(context),
    )
}

impl RuleCompiler<'_, MessageRule> {
    fn rule(&mut self, context: &Context) -> Option<Rule> {
        let rule = self.rule;
        let id = RuleId::new(&rule.id).map_err(|error| self.report("id", error));
        let has_content_condition = !rule.contains.is_empty() || !rule.matches.is_empty();
        if !has_content_condition && rule.longer_than.is_none() && rule.json_depth.is_none() {
            let parts = "contains, matches, longer_than or json_depth";
            let rule = rule.id.clone();
            self.report("", Problem::NothingToMatch { rule, parts });
        }
        let (texts, binaries) = self.kinds();
        Some(Rule {
            mode: rule.mode.unwrap_or_else(|| context.mode()),
            ban_for: match rule.then {
                MessageAction::Close => None,
                MessageAction::Ban(period) => {
                    Some(period.map_or_else(|| context.ban_for(), |period| period.0))
                }
            },
            paths: self.paths(),
            texts,
            binaries,
            literals: self.literals(),
            regex: self.regex(),
            longer_than: rule.longer_than,
            json_depth: self.json_depth(),
            id: id.ok()?,
        })
    }

    fn kinds(&mut self) -> (bool, bool) {
        let kinds = &self.rule.kinds;
        self.parse_each("kinds", kinds, |kind| match kind {
            "text" | "binary" => Ok(()),
            _ => Err(invalid_value(kind, "write `text` or `binary`")),
        });
        if kinds.is_empty() {
            self.report("kinds", invalid_value("[]", "name at least one kind"));
        }
        let has = |kind| kinds.iter().any(|name| name == kind);
        (has("text"), has("binary"))
    }

    fn paths(&mut self) -> Vec<Box<[u8]>> {
        let paths = self.parse_each("paths", &self.rule.paths, canonical_path);
        let everywhere = self.rule.paths.is_empty().then(Box::default);
        paths.into_iter().chain(everywhere).collect()
    }

    fn literals(&mut self) -> Option<AhoCorasick> {
        let literals = &self.rule.contains;
        let valid = self.parse_each("contains", literals, |literal| match literal {
            "" => Err(invalid_value("", "an empty string matches every message")),
            _ => Ok(()),
        });
        if literals.is_empty() || valid.len() < literals.len() {
            return None;
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(self.rule.ignore_case)
            .build(literals.iter());
        // Literals have no syntax, so that only their total size can be an error.
        let automaton = automaton.map_err(|error| Problem::Regex {
            pattern: "all `contains` together".into(),
            why: error.to_string(),
        });
        automaton
            .map_err(|problem| self.report("contains", problem))
            .ok()
    }

    fn regex(&mut self) -> Option<Regex> {
        let patterns = &self.rule.matches;
        let valid = self.parse_each("matches", patterns, expression::check);
        if patterns.is_empty() || valid.len() < patterns.len() {
            return None;
        }
        let regex = expression::all(patterns, "expressions");
        regex
            .map_err(|problem| self.report("matches", problem))
            .ok()
    }

    fn json_depth(&mut self) -> Option<u32> {
        let depth = self.rule.json_depth?.get();
        if depth > MAX_DEPTH {
            let why = "at most 1000 is supported";
            self.report("json_depth", invalid_value(&depth.to_string(), why));
        }
        Some(depth.into())
    }
}
