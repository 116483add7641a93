//! Compiles a document and its lists to a [`Snapshot`].

use std::{iter, path::Path, sync::Arc, time::Duration};

use gabion_core::{Mode, Snapshot};
use gabion_inspect::{BanSettings, Config as _, Context, DenyRule, PlainHttpHint};

use crate::{
    Chain, Diagnostic, Document, PolicyError, SampleRequest, Severity, State,
    budget::{self, CompileBudget},
    chain::{Inspectors, MessageChain},
    expect_runner,
    files::{self, ListFile},
    inventory::PolicyInventory,
    issue::Issue,
    known_file::KnownFile,
    list_check,
    options::CustomRules,
    packs,
    read::DocumentErrors,
    warn, websocket,
};

/// A parsed document and the text of its lists, read at one time.
#[derive(Debug)]
pub(crate) struct LoadedDocument<'t> {
    /// The part of the document that could be read.
    document: Document,
    errors: DocumentErrors<'t>,
    lists: Vec<ListFile>,
    budget: CompileBudget,
}

/// The inputs of a compilation, apart from the document.
pub(crate) struct CompileInput<'s> {
    pub(crate) state: &'s State,
    pub(crate) custom: &'s CustomRules,
    /// The policy in force, if the new one must not lose too much of it: a loss is an error or a
    /// warning.
    pub(crate) previous: Option<(&'s PolicyInventory, Severity)>,
}

/// The result of a successful compilation.
#[derive(Debug)]
pub(crate) struct CompiledPolicy {
    pub(crate) snapshot: Snapshot,
    pub(crate) document: Document,
    pub(crate) ban_settings: BanSettings,
    /// The number of deny rules, those of packs included.
    pub(crate) deny_rules: usize,
    pub(crate) inventory: PolicyInventory,
    pub(crate) warnings: Vec<Diagnostic>,
    /// `true` if warnings are losses since the previous policy.
    pub(crate) shrinks: bool,
}

// === impl LoadedDocument ===

impl<'t> LoadedDocument<'t> {
    /// Parses `text`, whose file name in errors is `name`, and reads its lists relative to `base`.
    pub(crate) fn read(text: &'t str, name: &'t str, base: Option<&Path>, limit: Duration) -> Self {
        let budget = CompileBudget::start(limit);
        let (document, mut errors) = DocumentErrors::read::<Document>(text, name);
        errors.report(budget::oversize(&document));
        errors.report(packs::duplicates(&document.packs, &document.observe));
        let named = document.ban.files.iter().take(budget::LISTS);
        let lists = files::lists(named, base);
        Self {
            document,
            errors,
            lists,
            budget,
        }
    }

    /// The files that a reload reads: that of the document, then those of its lists. Empty if the
    /// document is not from a file.
    pub(crate) fn files(&self, document: Option<KnownFile>) -> Arc<[KnownFile]> {
        let lists = self.lists.iter().filter_map(|list| list.file.clone());
        document.map_or_else(Arc::default, |document| {
            iter::once(document).chain(lists).collect()
        })
    }

    /// Compiles the document and runs its `[[expect]]` tests. On failure returns every error found.
    ///
    /// Checks of the document as a whole (entries lost since the previous policy, failing tests) run
    /// only if there are no errors so far, because their result would be wrong for a document that
    /// was read in part.
    pub(crate) fn compile(self, input: &CompileInput<'_>) -> Result<CompiledPolicy, PolicyError> {
        let Self {
            document,
            mut errors,
            lists,
            budget,
        } = self;
        let (lists, list_errors, mut warnings) = files::parse(&lists);
        errors.report(list_errors);
        if let Some(timeout) = budget.timeout_issue("reading the policy") {
            errors.report([timeout]);
            return Err(errors.into_error());
        }
        let deny = document.all_deny_rules();
        let inventory = PolicyInventory::new(&document, &deny, &lists);
        let previous = input.previous.filter(|_| errors.is_empty());
        let losses = previous.map(|(previous, severity)| (previous.losses(&inventory), severity));
        let context = Context::new(input.state)
            .with_mode(document.mode())
            .with_ban_for(document.ban.first.0)
            .with_lists(lists);
        let snapshot = compile_sections(&document, &deny, &context, input.custom);
        let snapshot = snapshot.map_err(|issues| errors.report(issues));
        let ban_settings =
            BanSettings::new(&document.ban, context.lists()).unwrap_or_else(|error| {
                errors.report([error.into()]);
                BanSettings::default()
            });
        errors.report(budget.timeout_issue("compiling the policy"));
        match expect_runner::requests(&document) {
            Ok(requests) if errors.is_empty() && !requests.is_empty() => {
                errors.report(failed_tests(&document, &deny, context, &requests, &budget));
            }
            Ok(_) => {}
            Err(issues) => errors.report(issues),
        }
        let shrinks = losses
            .as_ref()
            .is_some_and(|(losses, _)| !losses.is_empty());
        // After the tests, which they do not affect.
        match losses {
            Some((losses, Severity::Error)) => errors.report(losses),
            Some((losses, Severity::Warning)) => warnings.extend(losses),
            None => {}
        }
        let deny_rules = deny.len();
        drop(deny);
        match snapshot {
            Ok(snapshot) if errors.is_empty() => Ok(CompiledPolicy {
                snapshot,
                warnings: {
                    warnings.extend(warn::issues(&document));
                    errors.warnings(warnings)
                },
                document,
                ban_settings,
                deny_rules,
                inventory,
                shrinks,
            }),
            _ => Err(errors.into_error()),
        }
    }
}

/// Runs the `[[expect]]` tests on a second compilation: with scratch state, in enforce mode.
fn failed_tests(
    document: &Document,
    deny: &[DenyRule],
    context: Context,
    requests: &[SampleRequest],
    budget: &CompileBudget,
) -> Vec<Issue> {
    let scratch = context
        .with_state(State::scratch())
        .with_mode(Mode::Enforce);
    match compile_sections(document, deny, &scratch, &CustomRules::default()) {
        Ok(snapshot) => expect_runner::failures(&document.expect, requests, &snapshot, budget),
        Err(issues) => issues,
    }
}

/// Compiles every section. On failure returns the issues of all of them.
fn compile_sections(
    document: &Document,
    deny: &[DenyRule],
    context: &Context,
    custom: &CustomRules,
) -> Result<Snapshot, Vec<Issue>> {
    let mut issues = Vec::new();
    let client = collect(document.client.compile(), &mut issues);
    let protocol = collect(document.protocol.compile(context), &mut issues);
    let server = collect(document.server.compile(context), &mut issues);
    let allow = collect(document.allow.compile(context), &mut issues);
    if let Some(client) = &client {
        issues.extend(list_check::check(document, client, context.lists()));
    }
    let ban = collect(document.ban.compile(context), &mut issues);
    let deny = collect(deny.compile(context), &mut issues);
    let limit = collect(document.limit.compile(context), &mut issues);
    let scan = document.scan.as_ref().map(|scan| scan.compile(context));
    let scan = collect(scan.transpose(), &mut issues);
    let websocket = websocket::compile(document, context, custom);
    let websocket = collect(websocket, &mut issues);
    let (Some(client), Some((hosts, quirks)), Some(protocol), Some(allow)) =
        (client, server, protocol, allow)
    else {
        return Err(issues);
    };
    let (Some(ban), Some(deny), Some(limit), Some(scan)) = (ban, deny, limit, scan) else {
        return Err(issues);
    };
    let Some(websocket) = websocket else {
        return Err(issues);
    };
    if !issues.is_empty() {
        return Err(issues);
    }
    let (allow, hosts) = (Arc::new(allow), Arc::new(hosts));
    let messages = MessageChain {
        allow: Arc::clone(&allow),
        custom: custom.clone(),
        mode: context.mode(),
        messages: websocket.messages,
    };
    let chain = Chain::new(Inspectors {
        protocol,
        quirks,
        allow,
        ban,
        handshake: websocket.handshake.with_hosts(Arc::clone(&hosts)),
        hosts,
        custom: custom.clone(),
        mode: context.mode(),
        deny,
        limit,
        scan,
        plain_http_hint: PlainHttpHint::new(Arc::clone(context.state().websocket_paths())),
    });
    Ok(Snapshot::new(client, Arc::new(chain))
        .with_messages(Arc::new(messages))
        .with_on_fault(document.on_fault)
        .with_forward(document.server.forward)
        .with_route_limits(websocket.routes))
}

/// Returns the compiled value, or appends the errors to `issues`.
fn collect<T, E>(result: Result<T, E>, issues: &mut Vec<Issue>) -> Option<T>
where
    E: IntoIterator<Item: Into<Issue>>,
{
    result
        .map_err(|errors| issues.extend(errors.into_iter().map(Into::into)))
        .ok()
}
