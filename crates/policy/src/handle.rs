//! The current policy and its atomic replacement.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use arc_swap::ArcSwap;
use gabion_core::{ChangeListener, ChangeListeners, Event, PolicyEvent, PolicySource, Snapshot};

use crate::{
    Diagnostic, Document, PolicyError, PolicyOptions, Report, Severity, ShrinkGuard, State,
    compile::{CompileInput, LoadedDocument},
    diagnostic::SourceText,
    files,
    inventory::PolicyInventory,
    known_file::KnownFile,
};

/// A shared handle to the current policy, with atomic replacement. Clones share the policy.
///
/// Loading the current [`Snapshot`] ([`PolicySource::current`]) takes no lock, and a request is
/// judged to its end by the snapshot that it started with. A request that waits for its response holds it
/// weakly: the last four replaced policies are kept for such requests, and the response to one that was
/// judged by an older policy is not inspected. Replacements
/// ([`PolicyHandle::replace`], [`PolicyHandle::reload`], [`Watch`](crate::Watch)) are serialized;
/// one that fails leaves the previous policy in force and records an event to the [`PolicyOptions`]'
/// sink.
///
/// # Examples
///
/// ```
/// # use std::{sync::Arc, time::{Duration, SystemTime}};
/// # use gabion_core::{Event, Now, PolicySource, Sink};
/// use gabion_policy::{PolicyHandle, PolicyOptions, SampleRequest, explain};
/// # struct NoEvents;
/// # impl Sink for NoEvents {
/// #     fn record(&self, _: &Event) {}
/// # }
///
/// let deny = |name: &str| format!("version = 1\n[[deny]]\nid = 'x'\nnames = '{name}'\n");
/// let options = PolicyOptions::new(Arc::new(NoEvents));
/// let policy = PolicyHandle::from_document(&deny(".env"), "policy.toml", options)?;
/// let denies = |request| {
///     let now = Now::new(Duration::ZERO, SystemTime::UNIX_EPOCH);
///     explain(&policy.current(), &SampleRequest::new(request).unwrap(), now).verdict.refuses()
/// };
/// assert!(denies("/.env") && !denies("/.git"));
///
/// assert_eq!(policy.replace(&deny(".git"))?.generation, 1);
/// assert!(denies("/.git") && !denies("/.env"));
///
/// policy.replace("version = 2").unwrap_err();
/// assert!(denies("/.git"), "the previous policy stays in force");
/// # Ok::<(), gabion_policy::PolicyError>(())
/// ```
#[derive(Clone)]
pub struct PolicyHandle(Arc<Inner>);

/// A summary of the policy that [`PolicyHandle::replace`] or [`PolicyHandle::reload`] has put in
/// force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replaced {
    /// The number of policies that were in force before it.
    pub generation: u64,
    /// The number of its deny rules, those of [packs](crate::Pack) included.
    pub rules: usize,
}

/// A document to check against the policy in force ([`PolicyHandle::check`]).
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a document is named, or given")]
pub enum Candidate<'d> {
    /// The file of the policy in force, as a reload reads it.
    OwnFile,
    /// Another file. The lists that it names are relative to its folder.
    File(&'d Path),
    /// A text. The lists that it names are relative to the folder of the policy in force.
    Text(&'d str),
}

struct Inner {
    current: ArcSwap<Snapshot>,
    reload_state: Mutex<ReloadState>,
    source: DocumentSource,
    options: PolicyOptions,
    listeners: ChangeListeners,
}

/// The file name in errors, and the path of the document if it is a file.
#[derive(Debug)]
struct DocumentSource {
    name: String,
    path: Option<PathBuf>,
}

/// The state of replacements: the document in force and the outcome of the last attempts.
struct ReloadState {
    document: Arc<Document>,
    warnings: Vec<Diagnostic>,
    inventory: PolicyInventory,
    /// The files that were last read, valid or not: the document, then its lists.
    last_read: Arc<[KnownFile]>,
    /// The files that last came into force.
    in_force: Arc<[KnownFile]>,
    /// Previous policies that may still judge a request or its response.
    previous: Vec<Arc<Snapshot>>,
}

/// The number of previous policies that are kept for requests without a response. A client decides how
/// long an upload takes, and a large policy takes megabytes.
const MAX_WAITED_FOR: usize = 4;

// === impl PolicyHandle ===

impl PolicyHandle {
    /// Compiles the document at `path`, with the lists that it names relative to its directory.
    ///
    /// # Errors
    ///
    /// Every error of the document and its lists, or the error of reading the file.
    pub fn open(path: impl Into<PathBuf>, options: PolicyOptions) -> Result<Self, PolicyError> {
        let path = path.into();
        let source = DocumentSource {
            name: path.display().to_string(),
            path: Some(path),
        };
        let (file, text) = source.read();
        Self::compile(&text?, file, source, options)
    }

    /// Compiles a document that is not a file. `name` is its file name in errors.
    ///
    /// # Errors
    ///
    /// Every error of the document. Lists with relative paths are errors, because there is no
    /// directory to resolve them against.
    pub fn from_document(
        text: &str,
        name: &str,
        options: PolicyOptions,
    ) -> Result<Self, PolicyError> {
        let name = name.to_owned();
        Self::compile(text, None, DocumentSource { name, path: None }, options)
    }

    fn compile(
        text: &str,
        file: Option<KnownFile>,
        source: DocumentSource,
        options: PolicyOptions,
    ) -> Result<Self, PolicyError> {
        let loaded = source.load(text, &options);
        let files = loaded.files(file);
        let compiled = loaded.compile(&CompileInput {
            state: &options.state,
            custom: &options.custom,
            previous: None,
        })?;
        options.state.configure_bans(compiled.ban_settings);
        let reload_state = ReloadState {
            document: Arc::new(compiled.document),
            warnings: compiled.warnings,
            inventory: compiled.inventory,
            last_read: Arc::clone(&files),
            in_force: files,
            previous: Vec::new(),
        };
        Ok(Self(Arc::new(Inner {
            current: ArcSwap::from_pointee(compiled.snapshot),
            reload_state: Mutex::new(reload_state),
            source,
            options,
            listeners: ChangeListeners::default(),
        })))
    }

    /// Compiles `text` and puts it in force for every request that begins afterwards.
    ///
    /// # Errors
    ///
    /// Every error of the document. The previous policy then stays in force, and an event
    /// ([`PolicyEvent::Kept`]) with the errors is recorded.
    pub fn replace(&self, text: &str) -> Result<Replaced, PolicyError> {
        let mut reload_state = self.0.reload_state();
        let loaded = self.0.source.load(text, &self.0.options);
        let shrink = self.0.options.shrink;
        let outcome = self.0.put_in_force(&mut reload_state, loaded, shrink);
        drop(reload_state);
        self.0.notify(&outcome);
        outcome
    }

    /// Reads the document and its lists from disk, and puts them in force.
    ///
    /// # Errors
    ///
    /// As [`PolicyHandle::replace`]; and an error if the policy was not loaded from a file.
    pub fn reload(&self) -> Result<Replaced, PolicyError> {
        self.reload_with(self.0.options.shrink)
    }

    /// Like [`PolicyHandle::reload`], and accepts entries that the new document removes
    /// ([`ShrinkGuard::Accept`]), once. guard calls this on SIGUSR2.
    ///
    /// # Errors
    ///
    /// As [`PolicyHandle::reload`], except for removed entries.
    pub fn reload_accepting_shrink(&self) -> Result<Replaced, PolicyError> {
        self.reload_with(ShrinkGuard::Accept)
    }

    fn reload_with(&self, shrink: ShrinkGuard) -> Result<Replaced, PolicyError> {
        let outcome = self.0.reread(&mut self.0.reload_state(), shrink);
        self.0.notify(&outcome);
        outcome
    }

    /// Compiles a document as a reload of this policy would, without putting it in force. What a reload would
    /// refuse to lose is among the warnings ([`Report::shrinks`]). No event is recorded.
    ///
    /// # Errors
    ///
    /// As [`PolicyHandle::replace`], or the error of reading the file.
    ///
    /// # Cost
    ///
    /// That of a reload; other reloads can run meanwhile.
    pub fn check(&self, candidate: Candidate<'_>) -> Result<Report, PolicyError> {
        let given;
        let source = match candidate {
            Candidate::File(path) => {
                given = DocumentSource {
                    name: path.display().to_string(),
                    path: Some(path.to_owned()),
                };
                &given
            }
            Candidate::OwnFile | Candidate::Text(_) => &self.0.source,
        };
        let read;
        let text = match candidate {
            Candidate::Text(text) => text,
            Candidate::OwnFile | Candidate::File(_) => {
                read = source.read().1?;
                &read
            }
        };
        let inventory = self.0.reload_state().inventory.clone();
        let options = &self.0.options;
        let compiled = source.load(text, options).compile(&CompileInput {
            // The tables of the policy in force are not touched.
            state: &State::with_capacity(1),
            custom: &options.custom,
            previous: Some((&inventory, Severity::Warning)),
        })?;
        let mut report = Report::new(compiled);
        report.shrinks &= options.shrink == ShrinkGuard::Refuse;
        Ok(report)
    }

    /// Compiles `text` in place of the document in force, with its lists, on scratch state.
    pub(crate) fn compile_scratch(&self, text: &str) -> Result<Snapshot, PolicyError> {
        let options = &self.0.options;
        let compiled = self.0.source.load(text, options).compile(&CompileInput {
            state: &State::scratch(),
            custom: &options.custom,
            previous: None,
        })?;
        Ok(compiled.snapshot)
    }

    /// Registers a listener whose [`ChangeListener::on_policy_replaced`] is called after each
    /// replacement. It is held weakly, so that dropping it unregisters it.
    pub fn subscribe(&self, listener: Weak<dyn ChangeListener>) {
        self.0.listeners.subscribe(listener);
    }

    /// Frees previous policies that no longer judge any request.
    ///
    /// Call it periodically, or they are freed by the next replacement only. It does nothing while a
    /// replacement is running.
    pub fn maintain(&self) {
        if let Ok(mut reload_state) = self.0.reload_state.try_lock() {
            reload_state.free_unused();
        }
    }

    /// The path of the policy's file, or the name that was given for its text.
    pub fn name(&self) -> &str {
        &self.0.source.name
    }

    /// The document in force.
    pub fn document(&self) -> Arc<Document> {
        Arc::clone(&self.0.reload_state().document)
    }

    /// The warnings of the document in force.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        self.0.reload_state().warnings.clone()
    }

    /// The state that all policies of this handle share: bans, limits, scores.
    pub fn state(&self) -> &State {
        &self.0.options.state
    }

    /// Returns `true` if the content of the files is neither what was last read nor what is in force.
    /// Records an event if it is what is in force, after a rejected content.
    pub(crate) fn files_changed(&self) -> bool {
        let reload_state = self.0.reload_state();
        let last_read = Arc::clone(&reload_state.last_read);
        let in_force = Arc::clone(&reload_state.in_force);
        // Not held while files are read.
        drop(reload_state);
        let are_unchanged = |files: &[KnownFile]| files.iter().all(KnownFile::is_unchanged);
        if are_unchanged(&last_read) {
            return false;
        }
        let is_restored = last_read != in_force && are_unchanged(&in_force);
        if is_restored {
            self.0.reload_state().last_read = in_force;
            let generation = self.0.current.load().generation;
            let event = PolicyEvent::Restored { generation };
            self.0.options.sink.record(&Event::Policy(event));
        }
        !is_restored
    }

    /// The document's path, then the paths of the lists that it named when it was last read. Empty if
    /// the policy was not loaded from a file.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let files = Arc::clone(&self.0.reload_state().last_read);
        files.iter().map(|file| file.path().to_owned()).collect()
    }
}

impl PolicySource for PolicyHandle {
    fn current(&self) -> Arc<Snapshot> {
        self.0.current.load_full()
    }
}

impl fmt::Debug for PolicyHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyHandle")
            .field("source", &self.0.source)
            .field("current", &self.0.current)
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

// === impl Inner ===

impl Inner {
    /// Locks the state. A poisoned lock is used, because each field is valid by itself.
    fn reload_state(&self) -> MutexGuard<'_, ReloadState> {
        self.reload_state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn reread(
        &self,
        reload_state: &mut ReloadState,
        shrink: ShrinkGuard,
    ) -> Result<Replaced, PolicyError> {
        let (file, text) = self.source.read();
        reload_state.last_read = file.iter().cloned().collect();
        let text = text?;
        let loaded = self.source.load(&text, &self.options);
        reload_state.last_read = loaded.files(file);
        let replaced = self.put_in_force(reload_state, loaded, shrink)?;
        reload_state.in_force = Arc::clone(&reload_state.last_read);
        Ok(replaced)
    }

    fn put_in_force(
        &self,
        reload_state: &mut ReloadState,
        loaded: LoadedDocument<'_>,
        shrink: ShrinkGuard,
    ) -> Result<Replaced, PolicyError> {
        let guarded = shrink == ShrinkGuard::Refuse;
        let compiled = loaded.compile(&CompileInput {
            state: &self.options.state,
            custom: &self.options.custom,
            previous: guarded.then_some((&reload_state.inventory, Severity::Error)),
        })?;
        let replaced = Replaced {
            generation: self.current.load().generation + 1,
            rules: compiled.deny_rules,
        };
        let snapshot = compiled.snapshot.with_generation(replaced.generation);
        self.options.state.configure_bans(compiled.ban_settings);
        reload_state.document = Arc::new(compiled.document);
        reload_state.warnings = compiled.warnings;
        reload_state.inventory = compiled.inventory;
        reload_state
            .previous
            .push(self.current.swap(Arc::new(snapshot)));
        reload_state.free_unused();
        Ok(replaced)
    }

    /// Records an event about an attempt, and calls the listeners if it succeeded.
    fn notify(&self, outcome: &Result<Replaced, PolicyError>) {
        let event = match outcome {
            Ok(Replaced { generation, rules }) => PolicyEvent::Replaced {
                generation: *generation,
                rules: *rules,
            },
            Err(error) => PolicyEvent::kept(self.current.load().generation, &error.to_string()),
        };
        self.options.sink.record(&Event::Policy(event));
        if let Ok(Replaced { generation, .. }) = outcome {
            let warnings = self.reload_state().warnings.clone();
            if !warnings.is_empty() {
                let why: Vec<_> = warnings.iter().map(ToString::to_string).collect();
                let event = PolicyEvent::warned(*generation, &why.join("\n"));
                self.options.sink.record(&Event::Policy(event));
            }
            self.listeners
                .notify(|listener| listener.on_policy_replaced());
        }
    }
}

// === impl ReloadState ===

impl ReloadState {
    /// Frees previous policies that judge no request now and, except for the newest [`MAX_WAITED_FOR`], those
    /// that requests without a response refer to weakly. Freeing a large policy takes milliseconds, which
    /// the last request that uses it must not spend.
    fn free_unused(&mut self) {
        let in_use = |old: &Arc<_>| Arc::strong_count(old) > 1 || Arc::weak_count(old) > 0;
        self.previous.retain(in_use);
        let mut excess = self.previous.len().saturating_sub(MAX_WAITED_FOR);
        self.previous.retain(|old| {
            let is_excess = excess > 0;
            excess = excess.saturating_sub(1);
            !is_excess || Arc::strong_count(old) > 1
        });
    }
}

// === impl DocumentSource ===

impl DocumentSource {
    /// Reads the document.
    fn read(&self) -> (Option<KnownFile>, Result<String, PolicyError>) {
        if let Some(path) = &self.path {
            let (file, text) = files::document(path, &self.name);
            return (Some(file), text);
        }
        let source = SourceText {
            name: &self.name,
            text: "",
        };
        let message = "cannot reload: the policy was not loaded from a file";
        (None, Err(source.file_error(message)))
    }

    fn load<'t>(&'t self, text: &'t str, options: &PolicyOptions) -> LoadedDocument<'t> {
        let base = self.path.as_deref().and_then(Path::parent);
        LoadedDocument::read(text, &self.name, base, options.budget)
    }
}
