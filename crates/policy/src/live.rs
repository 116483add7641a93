//! The policy in force, and how it is replaced.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use arc_swap::ArcSwap;
use gabion_core::{Event, Heed, Heeders, PolicyEvent, Snapshot, Source};

use crate::{
    Diagnostic, Document, Options, PolicyError, Shrink, State,
    compile::{Purpose, Reading},
    diagnostic::Source as Text,
    files,
    shrink::Holdings,
};

/// The policy in force. Clones share it.
///
/// Readers ([`Source::current`]) never wait: a request is judged to its end by the policy it began
/// with. Replacements wait for each other; one that fails leaves the old policy in force.
#[derive(Clone)]
pub struct Live(Arc<Inner>);

/// What [`Live::replace`] or [`Live::reload`] has put in force.
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
    desk: Mutex<Desk>,
    origin: Origin,
    options: Options,
    heeders: Heeders,
}

/// Where documents come from.
#[derive(Debug)]
struct Origin {
    name: String,
    path: Option<PathBuf>,
}

/// What whoever replaces the policy needs to know of the last attempts.
struct Desk {
    document: Arc<Document>,
    warnings: Vec<Diagnostic>,
    holdings: Holdings,
    lists: Vec<PathBuf>,
    /// The content of the files that was tried last, whatever came of it.
    tried: u64,
    /// The content of the files that came into force last.
    taken: u64,
    /// Policies that some request may still be judged by.
    retired: Vec<Arc<Snapshot>>,
}

// === impl Live ===

impl Live {
    /// Puts the document at `path` in force, with the lists that it names beside it.
    pub fn open(path: impl Into<PathBuf>, options: Options) -> Result<Self, PolicyError> {
        let path = path.into();
        let origin = Origin {
            name: path.display().to_string(),
            path: Some(path),
        };
        let text = origin.text()?;
        Self::begin(&text, origin, options)
    }

    /// Puts a document that is not a file in force; errors call it `name`.
    pub fn from_document(text: &str, name: &str, options: Options) -> Result<Self, PolicyError> {
        let name = name.to_owned();
        Self::begin(text, Origin { name, path: None }, options)
    }

    fn begin(text: &str, origin: Origin, options: Options) -> Result<Self, PolicyError> {
        let reading = origin.read(text, &options);
        let digest = reading.digest();
        let lists = reading.lists();
        let compiled = reading.compile(&Purpose {
            state: &options.state,
            own: &options.own,
            held: None,
        })?;
        options.state.court().set_budget(&compiled.document.ban);
        let desk = Desk {
            document: Arc::new(compiled.document),
            warnings: compiled.warnings,
            holdings: compiled.holdings,
            lists,
            tried: digest,
            taken: digest,
            retired: Vec::new(),
        };
        Ok(Self(Arc::new(Inner {
            current: ArcSwap::from_pointee(compiled.snapshot),
            desk: Mutex::new(desk),
            origin,
            options,
            heeders: Heeders::default(),
        })))
    }

    /// Puts `text` in force, whole, for every request from now on.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it; the old policy stays in force, and an event says so.
    pub fn replace(&self, text: &str) -> Result<Replaced, PolicyError> {
        let mut desk = self.0.desk();
        let reading = self.0.origin.read(text, &self.0.options);
        let outcome = self.0.put_in_force(&mut desk, reading);
        drop(desk);
        self.0.tell(&outcome);
        outcome
    }

    /// Reads the document and its lists again, and puts them in force.
    ///
    /// # Errors
    ///
    /// As [`Live::replace`], and when the policy did not come from a file.
    pub fn reload(&self) -> Result<Replaced, PolicyError> {
        let outcome = self.0.reread(&mut self.0.desk());
        self.0.tell(&outcome);
        outcome
    }

    /// Tells `heeder` of each policy that comes into force from now on, as long as it lives.
    pub fn tell(&self, heeder: Weak<dyn Heed>) {
        self.0.heeders.add(heeder);
    }

    /// Frees policies that nobody is judged by any more, where nobody replaces one just now. To be
    /// called now and then: the next replacement does it else.
    pub fn keep_house(&self) {
        if let Ok(mut desk) = self.0.desk.try_lock() {
            desk.let_go();
        }
    }

    /// The document in force.
    pub fn document(&self) -> Arc<Document> {
        Arc::clone(&self.0.desk().document)
    }

    /// What in the document in force works, but perhaps not as meant.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        self.0.desk().warnings.clone()
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
        let mut desk = self.0.desk();
        let news = found != desk.tried && found != desk.taken;
        if !news {
            desk.tried = found;
        }
        news
    }

    /// The files that the policy is made of: the document first, then the lists that it named when
    /// it was last read.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let lists = self.0.desk().lists.clone();
        self.0.origin.path.iter().cloned().chain(lists).collect()
    }
}

impl Source for Live {
    fn current(&self) -> Arc<Snapshot> {
        self.0.current.load_full()
    }
}

impl fmt::Debug for Live {
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
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reread(&self, desk: &mut Desk) -> Result<Replaced, PolicyError> {
        let text = self
            .origin
            .text()
            .inspect_err(|error| desk.tried = digest(error))?;
        let reading = self.origin.read(&text, &self.options);
        desk.tried = reading.digest();
        desk.lists = reading.lists();
        let replaced = self.put_in_force(desk, reading)?;
        desk.taken = desk.tried;
        Ok(replaced)
    }

    fn put_in_force(&self, desk: &mut Desk, reading: Reading<'_>) -> Result<Replaced, PolicyError> {
        let compiled = reading.compile(&Purpose {
            state: &self.options.state,
            own: &self.options.own,
            held: (self.options.shrink == Shrink::Refuse).then_some(&desk.holdings),
        })?;
        let replaced = Replaced {
            generation: self.current.load().generation + 1,
            rules: compiled.document.deny_rules().len(),
        };
        let snapshot = compiled.snapshot.with_generation(replaced.generation);
        let court = self.options.state.court();
        court.set_budget(&compiled.document.ban);
        desk.document = Arc::new(compiled.document);
        desk.warnings = compiled.warnings;
        desk.holdings = compiled.holdings;
        desk.retired.push(self.current.swap(Arc::new(snapshot)));
        desk.let_go();
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
            self.heeders.tell(|heeder| heeder.replaced());
        }
    }
}

// === impl Desk ===

impl Desk {
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
            None => Err(Text {
                name: &self.name,
                text: "",
            }
            .refuse("this policy is not a file")),
        }
    }

    fn read<'t>(&'t self, text: &'t str, options: &Options) -> Reading<'t> {
        let base = self.path.as_deref().and_then(Path::parent);
        Reading::of(text, &self.name, base, options.budget)
    }
}

fn digest(error: &PolicyError) -> u64 {
    files::digest(&error.to_string(), &[])
}
