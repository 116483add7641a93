//! From a document to a policy that can be put in force.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gabion_core::{Inspect, Mode, Snapshot};
use gabion_inspect::{Config as _, Context, PlainHttpHint};

use crate::{
    Chain, Diagnostic, Document, PolicyError, State,
    budget::{self, CompileBudget},
    expect,
    files::{self, ListFile},
    inventory::PolicyInventory,
    issue::Issue,
    list_check,
    observe_only::ObserveOnly,
    packs,
    read::ParsedDocument,
    warn, websocket,
};

/// A document and its lists, as they were read together.
#[derive(Debug)]
pub(crate) struct LoadedDocument<'t> {
    parsed: ParsedDocument<'t>,
    lists: Vec<ListFile>,
    digest: u64,
    budget: CompileBudget,
}

/// What a policy is compiled for.
pub(crate) struct CompileInput<'s> {
    pub(crate) state: &'s State,
    pub(crate) custom: &'s [Arc<dyn Inspect>],
    /// What must not be lost.
    pub(crate) held: Option<&'s PolicyInventory>,
}

/// A policy that can be put in force.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) snapshot: Snapshot,
    pub(crate) document: Document,
    pub(crate) inventory: PolicyInventory,
    pub(crate) warnings: Vec<Diagnostic>,
}

// === impl Reading ===

impl<'t> LoadedDocument<'t> {
    /// Reads `text`, which errors call `name`, and the lists that it names from `base`.
    pub(crate) fn read(text: &'t str, name: &'t str, base: Option<&Path>, limit: Duration) -> Self {
        let budget = CompileBudget::start(limit);
        let mut parsed = ParsedDocument::read(text, name);
        parsed.blame(budget::oversize(&parsed.document));
        parsed.blame(packs::doubled(&parsed.document));
        let named = parsed.document.ban.files.iter().take(budget::LISTS);
        let lists = files::lists(named, base);
        Self {
            digest: files::digest(text, &lists),
            parsed,
            lists,
            budget,
        }
    }

    /// Stands for the content of the document and its lists.
    pub(crate) const fn digest(&self) -> u64 {
        self.digest
    }

    /// Where the lists are.
    pub(crate) fn lists(&self) -> Vec<PathBuf> {
        self.lists.iter().map(|list| list.path.clone()).collect()
    }

    /// Compiles the document, holds it to its own cases, and tells everything that is wrong.
    ///
    /// What is said of a document as a whole (what it would lose, which cases fail) is said of a
    /// sound one only: it would be wrong of one that was read in part.
    pub(crate) fn compile(mut self, purpose: &CompileInput<'_>) -> Result<Compiled, PolicyError> {
        let (lists, unread) = files::parse(&self.lists);
        self.parsed.blame(unread);
        if let Some(overrun) = self.budget.overrun("reading") {
            self.parsed.blame([overrun]);
            return Err(self.parsed.refuse());
        }
        let inventory = PolicyInventory::new(&self.parsed.document, &lists);
        if let Some(held) = purpose.held.filter(|_| self.parsed.is_sound()) {
            self.parsed.blame(held.losses(&inventory));
        }
        let document = &self.parsed.document;
        let context = Context::new(purpose.state)
            .with_mode(document.mode())
            .with_ban_for(document.ban.first.0)
            .with_lists(lists);
        let snapshot = compile_sections(document, &context, purpose.custom);
        let snapshot = snapshot.map_err(|issues| self.parsed.blame(issues));
        self.parsed.blame(self.budget.overrun("compiling"));
        self.run_expectations(context);
        match snapshot {
            Ok(snapshot) if self.parsed.is_sound() => Ok(Compiled {
                snapshot,
                warnings: warn::warnings(&self.parsed),
                document: self.parsed.document,
                inventory,
            }),
            _ => Err(self.parsed.refuse()),
        }
    }

    /// Judges the `[[expect]]` cases by a compilation of their own: on scratch state, in enforce mode.
    fn run_expectations(&mut self, context: Context) {
        let cases = &self.parsed.document.expect;
        let probes = match expect::probes(&self.parsed.document) {
            Ok(probes) if probes.is_empty() || !self.parsed.is_sound() => return,
            Ok(probes) => probes,
            Err(issues) => return self.parsed.blame(issues),
        };
        let scratch = context
            .with_state(State::scratch())
            .with_mode(Mode::Enforce);
        let issues = match compile_sections(&self.parsed.document, &scratch, &[]) {
            Ok(snapshot) => expect::broken(cases, &probes, &snapshot, &self.budget),
            Err(issues) => issues,
        };
        self.parsed.blame(issues);
    }
}

/// Compiles every section; on failure returns the issues of all of them.
fn compile_sections(
    document: &Document,
    context: &Context,
    custom: &[Arc<dyn Inspect>],
) -> Result<Snapshot, Vec<Issue>> {
    let mut issues = Vec::new();
    let client = sound(document.client.compile(), &mut issues);
    let protocol = sound(document.protocol.compile(context), &mut issues);
    let server = sound(document.server.compile(context), &mut issues);
    let allow = sound(document.allow.compile(context), &mut issues);
    if let Some(client) = &client {
        issues.extend(list_check::check(document, client, context.lists()));
    }
    let ban = sound(document.ban.compile(context), &mut issues);
    let deny = sound(document.deny_rules().compile(context), &mut issues);
    let limit = sound(document.limit.compile(context), &mut issues);
    let scan = document.scan.as_ref().map(|scan| scan.compile(context));
    let scan = sound(scan.transpose(), &mut issues);
    let sockets = sound(websocket::compile(document, context, custom), &mut issues);
    let (Some(client), Some((hosts, quirks)), Some(protocol), Some(allow)) =
        (client, server, protocol, allow)
    else {
        return Err(issues);
    };
    let (Some(ban), Some(deny), Some(limit), Some(scan)) = (ban, deny, limit, scan) else {
        return Err(issues);
    };
    let Some(sockets) = sockets else {
        return Err(issues);
    };
    if !issues.is_empty() {
        return Err(issues);
    }
    let limit = (!limit.is_empty()).then(|| -> Arc<dyn Inspect> { Arc::new(limit) });
    let scan = scan.map(|scan| -> Arc<dyn Inspect> { Arc::new(scan) });
    let counting = limit.into_iter().chain(scan).collect();
    let custom = custom.iter().cloned().map(|rule| match context.mode() {
        Mode::Enforce => rule,
        Mode::Observe => Arc::new(ObserveOnly(rule)),
    });
    let chain = Chain {
        protocol,
        quirks,
        allow,
        ban,
        hosts,
        custom: custom.collect(),
        deny,
        handshake: sockets.handshake,
        messages: sockets.messages,
        plain_http_hint: PlainHttpHint::new(Arc::clone(context.state().websocket_paths())),
        counting,
    };
    Ok(Snapshot::new(client, Arc::new(chain))
        .with_on_fault(document.on_fault)
        .with_forward(document.server.forward)
        .with_route_limits(sockets.routes))
}

/// What was compiled, or nothing and the faults told.
fn sound<T, E>(made: Result<T, E>, issues: &mut Vec<Issue>) -> Option<T>
where
    E: IntoIterator<Item: Into<Issue>>,
{
    made.map_err(|errors| issues.extend(errors.into_iter().map(Into::into)))
        .ok()
}
