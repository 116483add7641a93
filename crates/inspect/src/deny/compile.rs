//! Compilation of `[[deny]]` rules.

use std::collections::HashSet;

use gabion_core::{Mode, PathPrefixes, PathViews, RuleId};
use http::StatusCode;

use super::{Action, Deny, DenyRule, Rule, agent::Agents, hidden::HiddenNames, matcher::Matcher};
use crate::{ConfigError, ConfigErrors, ConfigPath, Context, OneOrMany, Problem, expression};

/// The largest number of rules.
const MAX_RULES: usize = 50_000;

/// The largest number of expressions. With more, a combined search takes too much memory per
/// request.
const MAX_REGEX: usize = 1_000;

/// The largest length of a name, prefix or path in a rule, in bytes.
const MAX_LEN: usize = 512;

/// The rules compiled so far, and the errors.
#[derive(Default)]
struct Compiler {
    enforced: RulesOfMode,
    observed: RulesOfMode,
    errors: Vec<ConfigError>,
}

/// The rules of one mode.
#[derive(Default)]
struct RulesOfMode {
    matcher: Matcher,
    patterns: Vec<String>,
    rule_of: Vec<usize>,
}

pub(super) fn compile(rules: &[DenyRule], context: &Context) -> Result<Deny, ConfigErrors> {
    let too_many = |what, found, most| {
        ConfigPath::new("deny", "").error(Problem::TooMany { what, found, most })
    };
    if rules.len() > MAX_RULES {
        return Err(too_many("rules", rules.len(), MAX_RULES).into());
    }
    let expressions = rules.iter().map(|rule| rule.regex.len()).sum();
    if expressions > MAX_REGEX {
        return Err(too_many("expressions", expressions, MAX_REGEX).into());
    }

    let mut compiler = Compiler::default();
    let mut ids = HashSet::with_capacity(rules.len());
    let mut compiled_rules = Vec::with_capacity(rules.len());
    for (index, rule) in rules.iter().enumerate() {
        compiled_rules.extend(compiler.rule(index, rule, context, &mut ids));
    }
    ConfigErrors::check(compiler.errors)?;
    Ok(Deny {
        rules: compiled_rules,
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
        ids: &mut HashSet<&'r str>,
    ) -> Option<Rule> {
        let path = |key| ConfigPath::new("deny", key).rule(index);
        if !ids.insert(&rule.id) {
            let problem = Problem::DuplicateId(rule.id.clone());
            self.errors.push(path("id").error(problem));
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
            self.errors.push(path("").error(problem));
        }
        let mode = rule.mode.unwrap_or_else(|| context.mode());
        self.parts(index, rule, mode);
        let (status, ban_for) = match rule.then {
            Action::Forbid => (StatusCode::FORBIDDEN, None),
            Action::NotFound => (StatusCode::NOT_FOUND, None),
            Action::Ban(period) => (
                StatusCode::FORBIDDEN,
                Some(period.map_or_else(|| context.ban_for(), |period| period.0)),
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
                self.errors.push(path("id").error(error));
                None
            }
        }
    }

    fn parts(&mut self, index: usize, rule: &DenyRule, mode: Mode) {
        let target = match mode {
            Mode::Enforce => &mut self.enforced,
            Mode::Observe => &mut self.observed,
        };
        let errors = &mut self.errors;
        let mut for_each =
            |key, texts: &OneOrMany, add: &mut dyn FnMut(&str) -> Result<(), Problem>| {
                for (entry, text) in texts.iter().enumerate() {
                    if let Err(problem) = add(text) {
                        errors.push(
                            ConfigPath::new("deny", key)
                                .rule(index)
                                .entry(entry)
                                .error(problem),
                        );
                    }
                }
            };
        let matcher = &mut target.matcher;
        for_each("exact", &rule.exact, &mut |text| {
            matcher.exact.add(&path(text)?, index);
            Ok(())
        });
        for_each("prefix", &rule.prefix, &mut |text| {
            matcher.prefix.add(&path(text)?, index);
            Ok(())
        });
        for_each("names", &rule.names, &mut |text| {
            let bytes = name(text)?;
            match HiddenNames::stem(text) {
                Some(stem) => matcher.hidden.add(stem, index),
                None if text.contains('*') => {
                    let why = "`*` stands only at the end of a hidden name, as in `.env.*`";
                    let name = text.to_owned();
                    return Err(Problem::Name { name, why });
                }
                None => matcher.names.add(bytes, index),
            }
            Ok(())
        });
        for_each("extensions", &rule.extensions, &mut |text| {
            let bare = text.strip_prefix('.').unwrap_or(text);
            let extensions = if rule.in_urls {
                &mut matcher.extensions
            } else {
                &mut matcher.own_extensions
            };
            extensions.add(name(bare)?, index);
            Ok(())
        });
        for_each("agents", &rule.agents, &mut |text| {
            if text.len() < Agents::MIN_LEN {
                return Err(Problem::Agent(text.to_owned()));
            }
            matcher.agents.add(text, index);
            Ok(())
        });
        for_each("regex", &rule.regex, &mut |text| {
            expression::check(text)?;
            target.patterns.push(text.to_owned());
            target.rule_of.push(index);
            Ok(())
        });
    }
}

impl RulesOfMode {
    fn finish(self) -> Result<Matcher, ConfigErrors> {
        let mut matcher = self.matcher;
        matcher.close_gate();
        matcher.agents.finish().map_err(|error| {
            ConfigPath::new("deny", "").error(Problem::Regex {
                pattern: "all `agents` together".into(),
                why: error.to_string(),
            })
        })?;
        if !self.patterns.is_empty() {
            let regex = expression::all(&self.patterns, "expressions");
            let regex = regex.map_err(|problem| ConfigPath::new("deny", "").error(problem))?;
            matcher.regex = Some((regex, self.rule_of));
        }
        Ok(matcher)
    }
}

/// Parses a path of a rule into its comparable form. It must be written in canonical form, so that
/// a rule matches what it shows.
pub(crate) fn path(text: &str) -> Result<Box<[u8]>, Problem> {
    let invalid = |why| Problem::Path {
        path: text.to_owned(),
        why,
    };
    if !text.starts_with('/') {
        return Err(invalid("it must begin with `/`"));
    }
    let views = PathViews::new(text.as_bytes());
    if views.malformed().is_some() || views.iter().any(|view| view.path != text.as_bytes()) {
        return Err(invalid(
            "write it in canonical form, without escapes, `;` parameters, `\\`, `?`, `#`, `//` or dot segments",
        ));
    }
    if text.len() > MAX_LEN {
        return Err(invalid("longer than 512 bytes"));
    }
    Ok(PathPrefixes::fold(text.as_bytes()))
}

fn name(text: &str) -> Result<&[u8], Problem> {
    let invalid = |why| Problem::Name {
        name: text.to_owned(),
        why,
    };
    if text.is_empty() || text.len() > MAX_LEN {
        return Err(invalid("write 1 to 512 bytes"));
    }
    if text.contains(|c: char| "/\\%;:?#".contains(c) || c.is_control()) {
        return Err(invalid("it contains a character that ends a name"));
    }
    if text.ends_with(['.', ' ']) {
        return Err(invalid(
            "remove the dots and blanks at the end, which are ignored",
        ));
    }
    Ok(text.as_bytes())
}
