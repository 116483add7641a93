//! From rules about messages as they are written to the engine.

use aho_corasick::AhoCorasick;
use gabion_core::RuleId;
use regex_automata::meta::Regex;

use super::{MessageAction, MessageRule, Rule};
use crate::{
    ConfigErrors, ConfigPath, Context, Problem,
    config::rule_compiler::{self, RuleCompiler, value},
    deny::plain_path,
    expression,
};

/// How many rules are compiled at most: each reads the message by itself.
const MAX_RULES: usize = 256;

/// How many literals and expressions are compiled at most, over all rules.
const MAX_PARTS: usize = 10_000;

/// The deepest JSON that a rule can ask about.
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
            return Err(ConfigPath::new("message", "").refuse(problem).into());
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
        let id = RuleId::new(&rule.id).map_err(|error| self.refuse("id", error));
        let says = !rule.contains.is_empty() || !rule.matches.is_empty();
        if !says && rule.longer_than.is_none() && rule.json_depth.is_none() {
            let parts = "contains, matches, longer_than or json_depth";
            let rule = rule.id.clone();
            self.refuse("", Problem::NothingToMatch { rule, parts });
        }
        let (texts, binaries) = self.kinds();
        Some(Rule {
            mode: rule.mode.unwrap_or(context.mode()),
            ban_for: match rule.then {
                MessageAction::Close => None,
                MessageAction::Ban(period) => {
                    Some(period.map_or(context.ban_for(), |period| period.0))
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
        self.each("kinds", kinds, |kind| match kind {
            "text" | "binary" => Ok(()),
            _ => Err(value(kind, "is neither \"text\" nor \"binary\"")),
        });
        if kinds.is_empty() {
            self.refuse("kinds", value("[]", "leaves no message to judge"));
        }
        let has = |kind| kinds.iter().any(|each| each == kind);
        (has("text"), has("binary"))
    }

    fn paths(&mut self) -> Vec<Box<[u8]>> {
        let paths = self.each("paths", &self.rule.paths, plain_path);
        let everywhere = self.rule.paths.is_empty().then(Box::default);
        paths.into_iter().chain(everywhere).collect()
    }

    fn literals(&mut self) -> Option<AhoCorasick> {
        let literals = &self.rule.contains;
        let sound = self.each("contains", literals, |literal| match literal {
            "" => Err(value("", "is in every message")),
            _ => Ok(()),
        });
        if literals.is_empty() || sound.len() < literals.len() {
            return None;
        }
        let engine = AhoCorasick::builder()
            .ascii_case_insensitive(self.rule.ignore_case)
            .build(literals.iter());
        // Literals are plain, so that only their sum can be too much.
        let engine = engine.map_err(|error| Problem::Regex {
            pattern: "all literals together".into(),
            why: error.to_string(),
        });
        engine
            .map_err(|problem| self.refuse("contains", problem))
            .ok()
    }

    fn regex(&mut self) -> Option<Regex> {
        let patterns = &self.rule.matches;
        let sound = self.each("matches", patterns, expression::check);
        if patterns.is_empty() || sound.len() < patterns.len() {
            return None;
        }
        let regex = expression::all(patterns, "expressions");
        regex
            .map_err(|problem| self.refuse("matches", problem))
            .ok()
    }

    fn json_depth(&mut self) -> Option<u32> {
        let depth = self.rule.json_depth?.get();
        if depth > MAX_DEPTH {
            let why = "is deeper than 1000, the most that is looked for";
            self.refuse("json_depth", value(&depth.to_string(), why));
        }
        Some(depth.into())
    }
}
