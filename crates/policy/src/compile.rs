//! From a document to a policy that can be put in force.

use std::{path::Path, sync::Arc, time::Duration};

use gabion_core::{ClientRules, Inspect, Mode, Snapshot};
use gabion_inspect::{Allow, Ban, BanTable, ConfigError, Deny, List, Place};

use crate::{
    Chain, Diagnostic, Document, PolicyError, State,
    budget::{self, Budget},
    expect,
    fault::Fault,
    files::{self, ListFile},
    read::Draft,
    shrink::Holdings,
    warn,
};

/// A document and its lists, as they were read together.
#[derive(Debug)]
pub(crate) struct Reading<'t> {
    pub(crate) draft: Draft<'t>,
    pub(crate) lists: Vec<ListFile>,
    pub(crate) digest: u64,
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
    /// Reads `text`, and the lists that it names from `base`.
    pub(crate) fn of(text: &'t str, name: &'t str, base: Option<&Path>, limit: Duration) -> Self {
        let budget = Budget::start(limit);
        let draft = Draft::read(text, name);
        let lists = files::lists(&draft.document.ban.files, base);
        Self {
            digest: files::digest(text, &lists),
            draft,
            lists,
            budget,
        }
    }

    /// Compiles, holds the policy to its own cases, and tells everything that is wrong.
    pub(crate) fn compile(mut self, purpose: &Purpose<'_>) -> Result<Compiled, PolicyError> {
        let document = self.draft.document.clone();
        let mut faults = budget::oversize(self.lists.len(), document.deny.len(), document.expect.len());
        if !faults.is_empty() {
            self.draft.blame(faults);
            return Err(self.draft.refuse());
        }
        let (lists, unread) = files::parse(&self.lists);
        faults.extend(unread);
        faults.extend(self.budget.spent("reading"));
        let holdings = Holdings::of(&document, &lists);
        faults.extend(purpose.held.into_iter().flat_map(|held| held.losses(&holdings)));
        let scratch = (!document.expect.is_empty()).then(|| lists.clone());
        let bans = Arc::clone(purpose.state.bans());
        let snapshot = policy(&document, lists, bans, document.mode(), purpose.own, &mut faults);
        faults.extend(self.budget.spent("compiling"));
        let probes = expect::probes(&document.expect).map_err(|broken| faults.extend(broken));
        self.draft.blame(faults);
        if self.draft.is_sound() && let (Some(lists), Ok(probes)) = (scratch, probes) {
            self.draft.blame(self.judge(&document, lists, &probes));
        }
        todo!()
    }
}
