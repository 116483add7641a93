//! From rules as they are written to the engine.

use std::collections::HashSet;

use gabion_core::{Mode, PathViews, RuleId};
use http::StatusCode;

use super::{
    Action, Deny, DenyRule, Rule, agent::Agents, matcher::Matcher, name::MAX_LEN, table::fold_path,
};
use crate::{ConfigError, ConfigErrors, ConfigPath, Context, OneOrMany, Problem, expression};

/// How many rules are compiled at most.
const MAX_RULES: usize = 50_000;

/// How many expressions are compiled at most: beyond, a search in all of them at once costs more
/// memory than a request is worth.
const MAX_REGEX: usize = 1_000;

/// What is being compiled, and what was wrong so far.
#[derive(Default)]
struct Compiler {
    enforced: Side,
    observed: Side,
    errors: Vec<ConfigError>,
}

/// The rules of one mode.
#[derive(Default)]
struct Side {
    matcher: Matcher,
    patterns: Vec<String>,
    of_rule: Vec<usize>,
}

pub(super) fn compile(rules: &[DenyRule], context: &Context) -> Result<Deny, ConfigErrors> {
    let too_many = |what, found, most| {
        ConfigPath::new("deny", "").refuse(Problem::TooMany { what, found, most })
    };
    if rules.len() > MAX_RULES {
        return Err(too_many("rules", rules.len(), MAX_RULES).into());
    }
    let expressions = rules.iter().map(|rule| rule.regex.len()).sum();
    if expressions > MAX_REGEX {
        return Err(too_many("expressions", expressions, MAX_REGEX).into());
    }

    let mut compiler = Compiler::default();
    let mut names = HashSet::new();
    let mut finished = Vec::with_capacity(rules.len());
    for (index, rule) in rules.iter().enumerate() {
        finished.extend(compiler.rule(index, rule, context, &mut names));
    }
    ConfigErrors::any(compiler.errors)?;
    Ok(Deny {
        rules: finished,
        enforced: compiler.enforced.finish()?,
        observed: compiler.observed.finish()?,
    })
}

impl Compiler {
    fn rule<'r>(
        &mut self,
        index: usize,
        rule: &'r DenyRule,
        context: &Context,
        names: &mut HashSet<&'r str>,
    ) -> Option<Rule> {
        let place = |key| ConfigPath::new("deny", key).rule(index);
        if !names.insert(&rule.id) {
            let problem = Problem::DuplicateId(rule.id.clone());
            self.errors.push(place("id").refuse(problem));
        }
        let parts = [
            &rule.exact,
            &rule.prefix,
            &rule.names,
            &rule.extensions,
            &rule.regex,
            &rule.agents,
        ];
        if parts.iter().all(|part| part.is_empty()) {
            let rule = rule.id.clone();
            let parts = "exact, prefix, names, extensions, regex or agents";
            let problem = Problem::NothingToMatch { rule, parts };
            self.errors.push(place("").refuse(problem));
        }
        let mode = rule.mode.unwrap_or(context.mode());
        self.parts(index, rule, mode);
        let (status, ban_for) = match rule.then {
            Action::Forbid => (StatusCode::FORBIDDEN, None),
            Action::NotFound => (StatusCode::NOT_FOUND, None),
            Action::Ban(period) => (
                StatusCode::FORBIDDEN,
                Some(period.map_or(context.ban_for(), |period| period.0)),
            ),
        };
        match RuleId::new(&rule.id) {
            Ok(id) => Some(Rule {
                id,
                mode,
                status,
                ban_for,
            }),
            Err(error) => {
                self.errors.push(place("id").refuse(error));
                None
            }
        }
    }

    fn parts(&mut self, index: usize, rule: &DenyRule, mode: Mode) {
        let side = match mode {
            Mode::Enforce => &mut self.enforced,
            Mode::Observe => &mut self.observed,
        };
        let errors = &mut self.errors;
        let mut each =
            |key, texts: &OneOrMany, add: &mut dyn FnMut(&str) -> Result<(), Problem>| {
                for (entry, text) in texts.iter().enumerate() {
                    if let Err(problem) = add(text) {
                        errors.push(
                            ConfigPath::new("deny", key)
                                .rule(index)
                                .entry(entry)
                                .refuse(problem),
                        );
                    }
                }
            };
        let matcher = &mut side.matcher;
        each("exact", &rule.exact, &mut |text| {
            matcher.exact.add(path(text)?, index);
            Ok(())
        });
        each("prefix", &rule.prefix, &mut |text| {
            matcher.prefix.add(path(text)?, index);
            Ok(())
        });
        each("names", &rule.names, &mut |text| {
            matcher.names.add(name(text)?, index);
            Ok(())
        });
        each("extensions", &rule.extensions, &mut |text| {
            let bare = text.strip_prefix('.').unwrap_or(text);
            matcher.extensions.add(name(bare)?, index);
            Ok(())
        });
        each("agents", &rule.agents, &mut |text| {
            if text.len() < Agents::MIN_LEN {
                return Err(Problem::Agent(text.to_owned()));
            }
            matcher.agents.add(text, index);
            Ok(())
        });
        each("regex", &rule.regex, &mut |text| {
            expression::check(text)?;
            side.patterns.push(text.to_owned());
            side.of_rule.push(index);
            Ok(())
        });
    }
}

impl Side {
    fn finish(self) -> Result<Matcher, ConfigErrors> {
        let mut matcher = self.matcher;
        matcher.agents.finish().map_err(|error| {
            ConfigPath::new("deny", "").refuse(Problem::Regex {
                pattern: "all agents together".into(),
                why: error.to_string(),
            })
        })?;
        if !self.patterns.is_empty() {
            let regex = expression::all(&self.patterns, "expressions");
            let regex = regex.map_err(|problem| ConfigPath::new("deny", "").refuse(problem))?;
            matcher.regex = Some((regex, self.of_rule));
        }
        Ok(matcher)
    }
}

/// A path as rules hold it. It must be written plainly: what a rule says is what it matches.
pub(crate) fn path(text: &str) -> Result<Box<[u8]>, Problem> {
    let refuse = |why| Problem::Path {
        path: text.to_owned(),
        why,
    };
    if !text.starts_with('/') {
        return Err(refuse("it must begin with /"));
    }
    let views = PathViews::new(text.as_bytes());
    if views.malformed().is_some() || views.iter().any(|view| view.path != text.as_bytes()) {
        return Err(refuse(
            "write it plainly: no escapes, ;parameters, \\, // or dot segments",
        ));
    }
    if text.len() > MAX_LEN {
        return Err(refuse("it is longer than 512 bytes"));
    }
    Ok(fold_path(text.as_bytes()))
}

fn name(text: &str) -> Result<&[u8], Problem> {
    let refuse = |why| Problem::Name {
        name: text.to_owned(),
        why,
    };
    if text.is_empty() || text.len() > MAX_LEN {
        return Err(refuse("1 to 512 bytes are needed"));
    }
    if text.contains(|c: char| "/\\%;:?#".contains(c) || c.is_control()) {
        return Err(refuse("it holds a character that ends a name"));
    }
    if text.ends_with(['.', ' ']) {
        return Err(refuse(
            "dots and blanks at the end are ignored, so leave them out",
        ));
    }
    Ok(text.as_bytes())
}
