//! From a document to a policy that can be put in force.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gabion_core::{Inspect, Mode, Snapshot};
use gabion_inspect::{
    Allow, Astray, Ban, Behind, Deny, Hosts, Limit, LimitTable, List, Sanity, Scan,
};

use crate::{
    Chain, Diagnostic, Document, PolicyError, State,
    budget::{self, Budget},
    expect,
    fault::Fault,
    files::{self, ListFile},
    observed::Observed,
    packs,
    read::Draft,
    sense,
    shrink::Holdings,
    sockets, warn,
};

/// A document and its lists, as they were read together.
#[derive(Debug)]
pub(crate) struct Reading<'t> {
    draft: Draft<'t>,
    lists: Vec<ListFile>,
    digest: u64,
    budget: Budget,
}

/// What a policy is compiled for.
pub(crate) struct Purpose<'s> {
    pub(crate) state: &'s State,
    pub(crate) own: &'s [Arc<dyn Inspect>],
    /// What must not be lost.
    pub(crate) held: Option<&'s Holdings>,
}

/// A policy that can be put in force.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) snapshot: Snapshot,
    pub(crate) document: Document,
    pub(crate) holdings: Holdings,
    pub(crate) warnings: Vec<Diagnostic>,
}

// === impl Reading ===

impl<'t> Reading<'t> {
    /// Reads `text`, which errors call `name`, and the lists that it names from `base`.
    pub(crate) fn of(text: &'t str, name: &'t str, base: Option<&Path>, limit: Duration) -> Self {
        let budget = Budget::start(limit);
        let mut draft = Draft::read(text, name);
        draft.blame(budget::oversize(&draft.document));
        draft.blame(packs::doubled(&draft.document));
        let named = draft.document.ban.files.iter().take(budget::LISTS);
        let lists = files::lists(named, base);
        Self {
            digest: files::digest(text, &lists),
            draft,
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
    pub(crate) fn compile(mut self, purpose: &Purpose<'_>) -> Result<Compiled, PolicyError> {
        let (lists, unread) = files::parse(&self.lists);
        self.draft.blame(unread);
        if let Some(overrun) = self.budget.overrun("reading") {
            self.draft.blame([overrun]);
            return Err(self.draft.refuse());
        }
        let holdings = Holdings::of(&self.draft.document, &lists);
        if let Some(held) = purpose.held.filter(|_| self.draft.is_sound()) {
            self.draft.blame(held.losses(&holdings));
        }
        let mode = self.draft.document.mode();
        let (document, state) = (&self.draft.document, purpose.state);
        let snapshot = policy(document, lists.clone(), state, mode, purpose.own);
        let snapshot = snapshot.map_err(|faults| self.draft.blame(faults));
        self.draft.blame(self.budget.overrun("compiling"));
        self.hold_to_cases(lists);
        match snapshot {
            Ok(snapshot) if self.draft.is_sound() => Ok(Compiled {
                snapshot,
                warnings: warn::of(&self.draft),
                document: self.draft.document,
                holdings,
            }),
            _ => Err(self.draft.refuse()),
        }
    }

    /// Judges the cases by a policy of their own, whose state is blank and which enforces.
    fn hold_to_cases(&mut self, lists: Vec<List>) {
        let cases = &self.draft.document.expect;
        let probes = match expect::probes(&self.draft.document) {
            Ok(probes) if probes.is_empty() || !self.draft.is_sound() => return,
            Ok(probes) => probes,
            Err(faults) => return self.draft.blame(faults),
        };
        let blank = State::with_capacity(1).with_limits(LimitTable::blank());
        let document = &self.draft.document;
        let faults = match policy(document, lists, &blank, Mode::Enforce, &[]) {
            Ok(snapshot) => expect::broken(cases, &probes, &snapshot, &self.budget),
            Err(faults) => faults,
        };
        self.draft.blame(faults);
    }
}

/// Compiles every section, or tells what is wrong with any.
fn policy(
    document: &Document,
    lists: Vec<List>,
    state: &State,
    mode: Mode,
    own: &[Arc<dyn Inspect>],
) -> Result<Snapshot, Vec<Fault>> {
    let mut faults = Vec::new();
    let client = sound(document.client.compile(), &mut faults);
    let hosts = sound(Hosts::compile(&document.server, mode), &mut faults);
    let sanity = sound(Sanity::compile(&document.sanity, mode), &mut faults);
    let allow = sound(Allow::compile(&document.allow), &mut faults);
    let first = document.ban.first.0;
    if let Some(client) = &client {
        faults.extend(sense::of(document, client, &lists));
    }
    let bans = Arc::clone(state.bans());
    let ban = sound(Ban::compile(&document.ban, lists, mode, bans), &mut faults);
    let deny = sound(
        Deny::compile(&document.deny_rules(), mode, first),
        &mut faults,
    );
    let limits = Arc::clone(state.limits());
    let limit = sound(Limit::compile(&document.limit, limits), &mut faults);
    let scan = document.scan.as_ref().map(|scan| {
        let scores = Arc::clone(state.scores());
        let scan = Scan::compile(scan, mode, first, scores).map_err(Vec::from_iter);
        scan.map(|scan| -> Arc<dyn Inspect> { Arc::new(scan) })
    });
    let scan = sound(scan.transpose(), &mut faults);
    let sockets = sound(sockets::compile(document, mode, state, own), &mut faults);
    let (Some(client), Some(hosts), Some(sanity), Some(allow)) = (client, hosts, sanity, allow)
    else {
        return Err(faults);
    };
    let (Some(ban), Some(deny), Some(limit), Some(scan)) = (ban, deny, limit, scan) else {
        return Err(faults);
    };
    let Some(sockets) = sockets else {
        return Err(faults);
    };
    if !faults.is_empty() {
        return Err(faults);
    }
    let limit = (!limit.is_empty()).then(|| -> Arc<dyn Inspect> { Arc::new(limit) });
    let counting = limit.into_iter().chain(scan).collect();
    let own = own.iter().cloned().map(|rule| match mode {
        Mode::Enforce => rule,
        Mode::Observe => Arc::new(Observed(rule)),
    });
    let chain = Chain {
        sanity,
        behind: Behind::new(document.server.behind, mode),
        allow,
        ban: ban.with_court(Arc::clone(state.court())),
        hosts,
        own: own.collect(),
        deny,
        handshake: sockets.handshake,
        messages: sockets.messages,
        astray: Astray::new(Arc::clone(state.opened())),
        counting,
    };
    Ok(Snapshot::new(client, Arc::new(chain))
        .with_on_fault(document.on_fault)
        .with_forward(document.server.forward)
        .with_routes(sockets.routes))
}

/// What was compiled, or nothing and the faults told.
fn sound<T, E>(made: Result<T, E>, faults: &mut Vec<Fault>) -> Option<T>
where
    E: IntoIterator<Item: Into<Fault>>,
{
    made.map_err(|errors| faults.extend(errors.into_iter().map(Into::into)))
        .ok()
}
