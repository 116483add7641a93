//! From a document to a policy that can be put in force.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gabion_core::{Inspect, Mode, Snapshot};
use gabion_inspect::{
    Allow, Ban, Deny, HostAllowlist, Limit, LimitTable, List, PlainHttpHint, ProtocolRules, Scan,
    ServerQuirks,
};

use crate::{
    Chain, Diagnostic, Document, PolicyError, State,
    budget::{self, CompileBudget},
    expect,
    files::{self, ListFile},
    inventory::PolicyInventory,
    issue::Issue,
    list_check,
    observed::Observed,
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
    pub(crate) own: &'s [Arc<dyn Inspect>],
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
        let mode = self.parsed.document.mode();
        let (document, state) = (&self.parsed.document, purpose.state);
        let snapshot = policy(document, lists.clone(), state, mode, purpose.own);
        let snapshot = snapshot.map_err(|issues| self.parsed.blame(issues));
        self.parsed.blame(self.budget.overrun("compiling"));
        self.hold_to_cases(lists);
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

    /// Judges the cases by a policy of their own, whose state is blank and which enforces.
    fn hold_to_cases(&mut self, lists: Vec<List>) {
        let cases = &self.parsed.document.expect;
        let probes = match expect::probes(&self.parsed.document) {
            Ok(probes) if probes.is_empty() || !self.parsed.is_sound() => return,
            Ok(probes) => probes,
            Err(issues) => return self.parsed.blame(issues),
        };
        let blank = State::with_capacity(1).with_limits(LimitTable::blank());
        let document = &self.parsed.document;
        let issues = match policy(document, lists, &blank, Mode::Enforce, &[]) {
            Ok(snapshot) => expect::broken(cases, &probes, &snapshot, &self.budget),
            Err(issues) => issues,
        };
        self.parsed.blame(issues);
    }
}

/// Compiles every section, or tells what is wrong with any.
fn policy(
    document: &Document,
    lists: Vec<List>,
    state: &State,
    mode: Mode,
    own: &[Arc<dyn Inspect>],
) -> Result<Snapshot, Vec<Issue>> {
    let mut issues = Vec::new();
    let client = sound(document.client.compile(), &mut issues);
    let hosts = sound(HostAllowlist::compile(&document.server, mode), &mut issues);
    let protocol = sound(
        ProtocolRules::compile(&document.protocol, mode),
        &mut issues,
    );
    let allow = sound(Allow::compile(&document.allow), &mut issues);
    let first = document.ban.first.0;
    if let Some(client) = &client {
        issues.extend(list_check::check(document, client, &lists));
    }
    let bans = Arc::clone(state.bans());
    let ban = sound(Ban::compile(&document.ban, lists, mode, bans), &mut issues);
    let deny = sound(
        Deny::compile(&document.deny_rules(), mode, first),
        &mut issues,
    );
    let limits = Arc::clone(state.limits());
    let limit = sound(Limit::compile(&document.limit, limits), &mut issues);
    let scan = document.scan.as_ref().map(|scan| {
        let scores = Arc::clone(state.scores());
        let scan = Scan::compile(scan, mode, first, scores).map_err(Vec::from_iter);
        scan.map(|scan| -> Arc<dyn Inspect> { Arc::new(scan) })
    });
    let scan = sound(scan.transpose(), &mut issues);
    let sockets = sound(websocket::compile(document, mode, state, own), &mut issues);
    let (Some(client), Some(hosts), Some(protocol), Some(allow)) = (client, hosts, protocol, allow)
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
    let counting = limit.into_iter().chain(scan).collect();
    let own = own.iter().cloned().map(|rule| match mode {
        Mode::Enforce => rule,
        Mode::Observe => Arc::new(Observed(rule)),
    });
    let chain = Chain {
        protocol,
        behind: ServerQuirks::new(document.server.behind, mode),
        allow,
        ban: ban.with_arbiter(Arc::clone(state.arbiter())),
        hosts,
        own: own.collect(),
        deny,
        handshake: sockets.handshake,
        messages: sockets.messages,
        astray: PlainHttpHint::new(Arc::clone(state.opened())),
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
