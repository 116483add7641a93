//! Compilation of `[[message]]` rules.

use std::cell::Cell;

use gabion_core::{PathPrefixes, RuleId};
use regex_automata::meta::Regex;

use super::{
    Kinds, MessageAction, MessageRule, Rule,
    literals::{Literal, LiteralSet},
    matcher::{Condition, Matcher, RuleSet},
    required,
};
use crate::{
    ConfigErrors, ConfigPath, Context, Problem,
    config::rule_compiler::{self, RuleCompiler, invalid_value},
    deny::canonical_path,
    expression::{self, Checked},
};

/// The largest number of rules.
const MAX_RULES: usize = 1_000;

/// The largest number of literals and expressions over all rules.
const MAX_PARTS: usize = 10_000;

/// The largest size of all literals, in bytes. Their automaton takes up to 20 times as much.
const MAX_LITERAL_BYTES: usize = 1 << 20;

/// The largest size of all compiled expressions, in bytes.
const MAX_EXPRESSION_BYTES: usize = 64 << 20;

/// The largest `json_depth`.
const MAX_DEPTH: u16 = 1000;

const _: () = assert!(
    MAX_RULES <= RuleSet::CAPACITY,
    "each rule has an index in a set"
);

/// A rule, and its conditions that are searched together with those of other rules.
struct Compiled<'r> {
    rule: Rule,
    literals: Vec<Literal<Condition>>,
    /// The expressions that require no literal.
    unfiltered: Vec<Checked<'r>>,
}

/// The total size of a part of all rules compiled so far, in bytes.
#[derive(Debug)]
struct Size {
    what: &'static str,
    found: Cell<usize>,
    most: usize,
}

pub(super) fn compile(
    rules: &[MessageRule],
    context: &Context,
) -> Result<(Vec<Rule>, Matcher), ConfigErrors> {
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
    let literals = Size::new("bytes of literals", MAX_LITERAL_BYTES);
    let expressions = Size::new("bytes of compiled expressions", MAX_EXPRESSION_BYTES);
    let compiled = rule_compiler::compile(
        "message",
        rules,
        |rule| &rule.id,
        |rule_compiler| rule_compiler.rule(context, &literals, &expressions),
    )?;
    let matcher = Matcher::build(&compiled);
    let matcher = matcher.map_err(|problem| ConfigPath::new("message", "").error(problem))?;
    Ok((
        compiled.into_iter().map(|compiled| compiled.rule).collect(),
        matcher,
    ))
}

// === impl Matcher ===

impl Matcher {
    fn build(compiled: &[Compiled<'_>]) -> Result<Self, Problem> {
        let rules = || compiled.iter().map(|compiled| &compiled.rule);
        let literals = compiled.iter().enumerate().flat_map(|(index, compiled)| {
            let literals = compiled.literals.iter().cloned();
            literals.map(move |literal| literal.map(|condition| (index, condition)))
        });
        let literals = LiteralSet::build(literals).map_err(|error| Problem::Regex {
            pattern: "all literals together".into(),
            why: error.to_string(),
        })?;
        let unfiltered = compiled.iter().enumerate().flat_map(|(index, compiled)| {
            compiled
                .unfiltered
                .iter()
                .map(move |expression| (index, *expression))
        });
        let (indexes, expressions): (Vec<_>, Vec<_>) = unfiltered.unzip();
        let mut indexes = indexes.into_iter();
        let unfiltered = expression::groups(&expressions)?.into_iter();
        let depths = || rules().filter_map(|rule| rule.json_depth);
        Ok(Self {
            kinds: rules().fold(Kinds::default(), |kinds, rule| kinds.union(rule.kinds)),
            literals,
            unfiltered: unfiltered
                .map(|(regex, count)| (regex, indexes.by_ref().take(count).collect()))
                .collect(),
            longer_than: rules()
                .filter_map(|rule| rule.longer_than)
                .map(|size| size.0)
                .min(),
            json_depth: depths().min().zip(depths().max()),
        })
    }
}

// === impl Size ===

impl Size {
    const fn new(what: &'static str, most: usize) -> Self {
        let found = Cell::new(0);
        Self { what, found, most }
    }

    /// Adds `bytes`. Returns an error if they are the first that exceed the largest size.
    fn add(&self, bytes: usize) -> Result<(), Problem> {
        let found = self.found.get().saturating_add(bytes);
        let is_first = !self.is_exceeded();
        self.found.set(found);
        let (what, most) = (self.what, self.most);
        if is_first && found > most {
            return Err(Problem::TooMany { what, found, most });
        }
        Ok(())
    }

    const fn is_exceeded(&self) -> bool {
        self.found.get() > self.most
    }
}

// === impl RuleCompiler ===

impl<'r> RuleCompiler<'r, MessageRule> {
    fn rule(
        &mut self,
        context: &Context,
        literals: &Size,
        expressions: &Size,
    ) -> Option<Compiled<'r>> {
        let rule = self.rule;
        let id = RuleId::new(&rule.id).map_err(|error| self.report("id", error));
        let has_content_condition = !rule.contains.is_empty() || !rule.matches.is_empty();
        if !has_content_condition && rule.longer_than.is_none() && rule.json_depth.is_none() {
            let parts = "contains, matches, longer_than or json_depth";
            let rule = rule.id.clone();
            self.report("", Problem::NothingToMatch { rule, parts });
        }
        let kinds = self.kinds();
        let paths = self.paths();
        let mut literals = self.literals(literals);
        let checked = self.parse_each("matches", &rule.matches, expression::check);
        let unfiltered = self.unfiltered(&checked, &mut literals);
        let rule = Rule {
            mode: rule.mode.unwrap_or_else(|| context.mode()),
            ban_for: match rule.then {
                MessageAction::Close => None,
                MessageAction::Ban(period) => {
                    Some(period.map_or_else(|| context.ban_for(), |period| period.0))
                }
            },
            paths,
            kinds,
            expressions: self.expressions(&checked, expressions),
            longer_than: rule.longer_than,
            json_depth: self.json_depth(),
            id: id.ok()?,
        };
        Some(Compiled {
            rule,
            literals,
            unfiltered,
        })
    }

    fn kinds(&mut self) -> Kinds {
        let kinds = &self.rule.kinds;
        self.parse_each("kinds", kinds, |kind| match kind {
            "text" | "binary" => Ok(()),
            _ => Err(invalid_value(kind, "write `text` or `binary`")),
        });
        if kinds.is_empty() {
            self.report("kinds", invalid_value("[]", "name at least one kind"));
        }
        let has = |kind| kinds.iter().any(|name| name == kind);
        Kinds {
            texts: has("text"),
            binaries: has("binary"),
        }
    }

    fn paths(&mut self) -> PathPrefixes {
        let paths = self.parse_each("paths", &self.rule.paths, canonical_path);
        // The empty path contains every path.
        let everywhere = self.rule.paths.is_empty().then(Box::default);
        paths.into_iter().chain(everywhere).collect()
    }

    fn literals(&mut self, size: &Size) -> Vec<Literal<Condition>> {
        let rule = self.rule;
        let literals = self.parse_each("contains", &rule.contains, |literal| match literal {
            "" => Err(invalid_value("", "an empty string matches every message")),
            _ => Ok(Literal {
                text: literal.as_bytes().into(),
                ignore_case: rule.ignore_case,
                target: Condition::Contains,
            }),
        });
        let bytes = rule.contains.iter().map(String::len).sum();
        if let Err(problem) = size.add(bytes) {
            self.report("contains", problem);
        }
        literals
    }

    /// Adds the literals that expressions require, and returns the expressions that require none.
    fn unfiltered(
        &mut self,
        checked: &[Checked<'r>],
        literals: &mut Vec<Literal<Condition>>,
    ) -> Vec<Checked<'r>> {
        let mut unfiltered = Vec::new();
        for expression in checked {
            match required::literals(expression.pattern) {
                Ok(Some(required)) => literals.extend(required.into_iter().map(|text| Literal {
                    text,
                    ignore_case: true,
                    target: Condition::Matches,
                })),
                Ok(None) => unfiltered.push(*expression),
                Err(problem) => self.report("matches", problem),
            }
        }
        unfiltered
    }

    fn expressions(&mut self, checked: &[Checked<'_>], size: &Size) -> Vec<Regex> {
        let compiled = if size.is_exceeded() {
            Ok(Vec::new())
        } else {
            expression::groups(checked)
        };
        let compiled = compiled.and_then(|compiled| {
            size.add(compiled.iter().map(|(regex, _)| regex.memory_usage()).sum())?;
            Ok(compiled)
        });
        let compiled = compiled.map_err(|problem| self.report("matches", problem));
        compiled
            .into_iter()
            .flatten()
            .map(|(regex, _)| regex)
            .collect()
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
