//! The policy in force, and how it is replaced.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use arc_swap::ArcSwap;
use gabion_core::{ChangeListener, ChangeListeners, Event, PolicyEvent, PolicySource, Snapshot};

use crate::{
    Diagnostic, Document, PolicyError, PolicyOptions, ShrinkGuard, State,
    compile::{CompileInput, LoadedDocument},
    diagnostic::SourceText,
    files,
    inventory::PolicyInventory,
};

/// The policy in force. Clones share it.
///
/// Readers ([`PolicySource::current`]) never wait: a request is judged to its end by the policy it began
/// with. Replacements wait for each other; one that fails leaves the old policy in force.
#[derive(Clone)]
pub struct PolicyHandle(Arc<Inner>);

/// What [`PolicyHandle::replace`] or [`PolicyHandle::reload`] has put in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replaced {
    /// How many policies were in force before it.
    pub generation: u64,
    /// How many deny rules it holds.
    pub rules: usize,
}

struct Inner {
    current: ArcSwap<Snapshot>,
    reload_state: Mutex<ReloadState>,
    origin: Origin,
    options: PolicyOptions,
    listeners: ChangeListeners,
}

/// Where documents come from.
#[derive(Debug)]
struct Origin {
    name: String,
    path: Option<PathBuf>,
}

/// What whoever replaces the policy needs to know of the last attempts.
struct ReloadState {
    document: Arc<Document>,
    warnings: Vec<Diagnostic>,
    inventory: PolicyInventory,
    lists: Vec<PathBuf>,
    /// The content of the files that was tried last, whatever came of it.
    tried: u64,
    /// The content of the files that came into force last.
    taken: u64,
    /// Policies that some request may still be judged by.
    retired: Vec<Arc<Snapshot>>,
}

// === impl Live ===

impl PolicyHandle {
    /// Puts the document at `path` in force, with the lists that it names beside it.
    pub fn open(path: impl Into<PathBuf>, options: PolicyOptions) -> Result<Self, PolicyError> {
        let path = path.into();
        let origin = Origin {
            name: path.display().to_string(),
            path: Some(path),
        };
        let text = origin.text()?;
        Self::begin(&text, origin, options)
    }

    /// Puts a document that is not a file in force; errors call it `name`.
    pub fn from_document(
        text: &str,
        name: &str,
        options: PolicyOptions,
    ) -> Result<Self, PolicyError> {
        let name = name.to_owned();
        Self::begin(text, Origin { name, path: None }, options)
    }

    fn begin(text: &str, origin: Origin, options: PolicyOptions) -> Result<Self, PolicyError> {
        let reading = origin.read(text, &options);
        let digest = reading.digest();
        let lists = reading.lists();
        let compiled = reading.compile(&CompileInput {
            state: &options.state,
            custom: &options.custom,
            held: None,
        })?;
        options.state.arbiter().set_budget(&compiled.document.ban);
        let reload_state = ReloadState {
            document: Arc::new(compiled.document),
            warnings: compiled.warnings,
            inventory: compiled.inventory,
            lists,
            tried: digest,
            taken: digest,
            retired: Vec::new(),
        };
        Ok(Self(Arc::new(Inner {
            current: ArcSwap::from_pointee(compiled.snapshot),
            reload_state: Mutex::new(reload_state),
            origin,
            options,
            listeners: ChangeListeners::default(),
        })))
    }

    /// Puts `text` in force, whole, for every request from now on.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it; the old policy stays in force, and an event says so.
    pub fn replace(&self, text: &str) -> Result<Replaced, PolicyError> {
        let mut reload_state = self.0.reload_state();
        let reading = self.0.origin.read(text, &self.0.options);
        let outcome = self.0.put_in_force(&mut reload_state, reading);
        drop(reload_state);
        self.0.tell(&outcome);
        outcome
    }

    /// Reads the document and its lists again, and puts them in force.
    ///
    /// # Errors
    ///
    /// As [`PolicyHandle::replace`], and when the policy did not come from a file.
    pub fn reload(&self) -> Result<Replaced, PolicyError> {
        let outcome = self.0.reread(&mut self.0.reload_state());
        self.0.tell(&outcome);
        outcome
    }

    /// Tells `listener` of each policy that comes into force from now on, as long as it lives.
    pub fn subscribe(&self, listener: Weak<dyn ChangeListener>) {
        self.0.listeners.subscribe(listener);
    }

    /// Frees policies that nobody is judged by any more, where nobody replaces one just now. To be
    /// called now and then: the next replacement does it else.
    pub fn maintain(&self) {
        if let Ok(mut reload_state) = self.0.reload_state.try_lock() {
            reload_state.let_go();
        }
    }

    /// The document in force.
    pub fn document(&self) -> Arc<Document> {
        Arc::clone(&self.0.reload_state().document)
    }

    /// What in the document in force works, but perhaps not as meant.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        self.0.reload_state().warnings.clone()
    }

    /// What outlives every policy.
    pub fn state(&self) -> &State {
        &self.0.options.state
    }

    /// Whether the files hold anything but what was tried last or is in force.
    pub(crate) fn has_news(&self) -> bool {
        let found = match self.0.origin.text() {
            Ok(text) => self.0.origin.read(&text, &self.0.options).digest(),
            Err(error) => digest(&error),
        };
        let mut reload_state = self.0.reload_state();
        let news = found != reload_state.tried && found != reload_state.taken;
        if !news {
            reload_state.tried = found;
        }
        news
    }

    /// The files that the policy is made of: the document first, then the lists that it named when
    /// it was last read.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let lists = self.0.reload_state().lists.clone();
        self.0.origin.path.iter().cloned().chain(lists).collect()
    }
}

impl PolicySource for PolicyHandle {
    fn current(&self) -> Arc<Snapshot> {
        self.0.current.load_full()
    }
}

impl fmt::Debug for PolicyHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("origin", &self.0.origin)
            .field("current", &self.0.current)
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

// === impl Inner ===

impl Inner {
    /// A desk that somebody left in a panic is still good: each of its fields is set at once.
    fn reload_state(&self) -> MutexGuard<'_, ReloadState> {
        self.reload_state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn reread(&self, reload_state: &mut ReloadState) -> Result<Replaced, PolicyError> {
        let text = self
            .origin
            .text()
            .inspect_err(|error| reload_state.tried = digest(error))?;
        let reading = self.origin.read(&text, &self.options);
        reload_state.tried = reading.digest();
        reload_state.lists = reading.lists();
        let replaced = self.put_in_force(reload_state, reading)?;
        reload_state.taken = reload_state.tried;
        Ok(replaced)
    }

    fn put_in_force(
        &self,
        reload_state: &mut ReloadState,
        reading: LoadedDocument<'_>,
    ) -> Result<Replaced, PolicyError> {
        let compiled = reading.compile(&CompileInput {
            state: &self.options.state,
            custom: &self.options.custom,
            held: (self.options.shrink == ShrinkGuard::Refuse).then_some(&reload_state.inventory),
        })?;
        let replaced = Replaced {
            generation: self.current.load().generation + 1,
            rules: compiled.document.deny_rules().len(),
        };
        let snapshot = compiled.snapshot.with_generation(replaced.generation);
        let arbiter = self.options.state.arbiter();
        arbiter.set_budget(&compiled.document.ban);
        reload_state.document = Arc::new(compiled.document);
        reload_state.warnings = compiled.warnings;
        reload_state.inventory = compiled.inventory;
        reload_state
            .retired
            .push(self.current.swap(Arc::new(snapshot)));
        reload_state.let_go();
        Ok(replaced)
    }

    /// Tells everyone what came of an attempt.
    fn tell(&self, outcome: &Result<Replaced, PolicyError>) {
        let event = match outcome {
            Ok(Replaced { generation, rules }) => PolicyEvent::Replaced {
                generation: *generation,
                rules: *rules,
            },
            Err(error) => PolicyEvent::Kept {
                generation: self.current.load().generation,
                why: error.to_string().into(),
            },
        };
        self.options.sink.record(&Event::Policy(event));
        if outcome.is_ok() {
            self.listeners
                .notify(|listener| listener.on_policy_replaced());
        }
    }
}

// === impl Desk ===

impl ReloadState {
    /// A large policy takes milliseconds to free. A request that was the last to be judged by it is
    /// spared them.
    fn let_go(&mut self) {
        self.retired.retain(|old| Arc::strong_count(old) > 1);
    }
}

// === impl Origin ===

impl Origin {
    fn text(&self) -> Result<String, PolicyError> {
        match &self.path {
            Some(path) => files::document(path, &self.name),
            None => Err(SourceText {
                name: &self.name,
                text: "",
            }
            .refuse("this policy is not a file")),
        }
    }

    fn read<'t>(&'t self, text: &'t str, options: &PolicyOptions) -> LoadedDocument<'t> {
        let base = self.path.as_deref().and_then(Path::parent);
        LoadedDocument::read(text, &self.name, base, options.budget)
    }
}

fn digest(error: &PolicyError) -> u64 {
    files::digest(&error.to_string(), &[])
}
