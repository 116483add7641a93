//! Reloads a policy, or another file, when files change.
//!
//! Editors and mounted config maps change files in different ways: they write in place, rename over
//! the file, or swap a symlink two directories away. An event about the name of one of the files, or of a symlink
//! or directory on the way to it, is therefore only a hint: after a period without such events the files are read
//! and their content is compared. Polling finds changes for which no event is delivered, as on network file systems.
//! Events about other files in the same directory, such as a log, are ignored.
//!
//! The policy is replaced if:
//! 1. there was no event about the files for [`WatchOptions::quiet`], or a poll is due;
//! 2. the content of document and lists is neither what is in force nor what was last read, so that
//!    an invalid document is reported once;
//! 3. it compiles: see [`PolicyHandle::replace`].

use std::{
    io, mem,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use crate::{PolicyHandle, budget::CompileBudget, watched_paths::WatchedPaths};

/// A background thread that reloads a [`PolicyHandle`], or another file ([`Watch::of_file`]), when its files change,
/// until it is dropped.
///
/// Dropping it stops the thread and waits for a reload that is running. Every reload, valid or not,
/// is recorded as an event to the sink of the handle's [`PolicyOptions`](crate::PolicyOptions).
///
/// # Examples
///
/// ```
/// # use std::sync::Arc;
/// # use gabion_core::{Event, Sink};
/// use gabion_policy::{PolicyHandle, PolicyOptions, WatchOptions};
/// # struct NoEvents;
/// # impl Sink for NoEvents {
/// #     fn record(&self, _: &Event) {}
/// # }
///
/// # let directory = std::env::temp_dir().join(format!("gabion-watch-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("policy.toml");
/// std::fs::write(&path, "version = 1\n")?;
/// let policy = PolicyHandle::open(path, PolicyOptions::new(Arc::new(NoEvents)))?;
/// let watch = policy.watch(WatchOptions::default())?;
/// drop(watch);
///
/// // A policy without a file cannot be watched.
/// let options = PolicyOptions::new(Arc::new(NoEvents));
/// let policy = PolicyHandle::from_document("version = 1\n", "policy.toml", options)?;
/// assert!(policy.watch(WatchOptions::default()).is_err());
/// # std::fs::remove_dir_all(directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "the files are watched only until this handle is dropped"]
pub struct Watch {
    waker: Waker,
    thread: Option<thread::JoinHandle<()>>,
}

/// The timing of a [`Watch`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use gabion_policy::WatchOptions;
///
/// let options = WatchOptions::default().with_poll(Duration::from_secs(5));
/// assert_eq!((options.quiet, options.poll), (Duration::from_millis(250), Duration::from_secs(5)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchOptions {
    /// The time without events about the files after which they are read: 250 ms by default. With
    /// continuous events the files are read after 20 times this time.
    pub quiet: Duration,
    /// The interval at which the files are read without an event: 30 s by default.
    pub poll: Duration,
}

/// The reason why a [`Watch::of_file`] calls its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a file changes, or a person asks")]
pub enum WatchTrigger {
    /// The file may have changed, or a poll is due.
    MayHaveChanged,
    /// [`Watch::reload_now`] was called.
    Requested,
}

/// What the thread reads again.
trait Target: Send {
    /// The files to watch.
    fn files(&self) -> Vec<PathBuf>;

    /// Reads the files, and applies them if they changed or if that is requested.
    fn reload(&mut self, trigger: WatchTrigger, accepts_shrink: bool);
}

/// A file that is not a policy.
struct WatchedFile<F> {
    path: PathBuf,
    on_change: F,
}

/// Wakes the thread. Its channel holds one message, so that wake-ups coalesce.
#[derive(Clone, Debug)]
struct Waker {
    sender: SyncSender<()>,
    requests: Arc<Requests>,
}

#[derive(Debug, Default)]
struct Requests {
    reload: AtomicBool,
    /// The next reload accepts removed entries.
    accept_shrink: AtomicBool,
    stop: AtomicBool,
}

/// The state of the background thread.
struct WatchThread {
    target: Box<dyn Target>,
    options: WatchOptions,
    receiver: Receiver<()>,
    waker: Waker,
    watcher: RecommendedWatcher,
    watched: SharedPaths,
}

/// What is watched, for the thread that changes it and the one that receives the events.
#[derive(Clone, Debug, Default)]
struct SharedPaths(Arc<Mutex<WatchedPaths>>);

/// The maximum wait for a quiet period, as a multiple of [`WatchOptions::quiet`].
const MAX_QUIET_PERIODS: u32 = 20;

// === impl PolicyHandle ===

impl PolicyHandle {
    /// Watches the files of the policy, and reloads it when one changes, until the returned handle is dropped.
    ///
    /// # Errors
    ///
    /// If the policy did not come from a file, or the operating system refuses another file watch or thread.
    pub fn watch(&self, options: WatchOptions) -> io::Result<Watch> {
        if self.files().is_empty() {
            let message = "cannot watch a policy that was not loaded from a file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Watch::spawn(Box::new(self.clone()), options)
    }
}

impl Target for PolicyHandle {
    fn files(&self) -> Vec<PathBuf> {
        Self::files(self)
    }

    fn reload(&mut self, trigger: WatchTrigger, accepts_shrink: bool) {
        // The handle records both outcomes to its sink.
        if accepts_shrink {
            let _ = self.reload_accepting_shrink();
        } else if trigger == WatchTrigger::Requested || self.files_changed() {
            let _ = Self::reload(self);
        }
    }
}

// === impl WatchedFile ===

impl<F: FnMut(WatchTrigger) + Send> Target for WatchedFile<F> {
    fn files(&self) -> Vec<PathBuf> {
        vec![self.path.clone()]
    }

    fn reload(&mut self, trigger: WatchTrigger, _accepts_shrink: bool) {
        (self.on_change)(trigger);
    }
}

// === impl Watch ===

impl Watch {
    /// Watches one file that is not a policy, by the same means: calls `on_change` on the background thread at once,
    /// when the file may have changed, at each poll, and on [`Self::reload_now`]. The function reads the file and
    /// compares it.
    ///
    /// # Errors
    ///
    /// Fails if the system's limit of file watches or threads is reached.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// use gabion_policy::{Watch, WatchOptions, WatchTrigger};
    ///
    /// let (sender, triggers) = mpsc::channel();
    /// let watch = Watch::of_file("app.toml", WatchOptions::default(), move |trigger| {
    ///     sender.send(trigger).unwrap();
    /// })?;
    /// watch.reload_now();
    /// while triggers.recv().unwrap() != WatchTrigger::Requested {}
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn of_file(
        path: impl Into<PathBuf>,
        options: WatchOptions,
        on_change: impl FnMut(WatchTrigger) + Send + 'static,
    ) -> io::Result<Self> {
        let path = path.into();
        Self::spawn(Box::new(WatchedFile { path, on_change }), options)
    }

    /// Starts the thread.
    fn spawn(target: Box<dyn Target>, options: WatchOptions) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(1);
        let requests = Arc::default();
        let waker = Waker { sender, requests };
        let on_event = waker.clone();
        let paths = SharedPaths::default();
        let of_events = paths.clone();
        let watcher = notify::recommended_watcher(move |event| {
            if of_events.lock().may_be_changed_by(&event) {
                on_event.wake();
            }
        });
        let mut state = WatchThread {
            target,
            options,
            receiver,
            waker: waker.clone(),
            watcher: watcher.map_err(io::Error::other)?,
            watched: paths,
        };
        state.watch_directories().map_err(io::Error::other)?;
        let thread = thread::Builder::new().name("gabion-watch".into());
        let thread = Some(thread.spawn(move || state.run())?);
        Ok(Self { waker, thread })
    }

    /// Requests a reload on the background thread, without waiting for a quiet period, even if the
    /// files have not changed. guard calls this on SIGHUP.
    ///
    /// [`PolicyHandle::reload`] does the same on the calling thread, and returns the result.
    pub fn reload_now(&self) {
        self.waker.requests.reload.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Like [`Watch::reload_now`], and accepts entries that the new document removes. guard calls this
    /// on SIGUSR2.
    pub fn reload_now_accepting_shrink(&self) {
        let accept_shrink = &self.waker.requests.accept_shrink;
        accept_shrink.store(true, Ordering::Release);
        self.reload_now();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.waker.requests.stop.store(true, Ordering::Release);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            // The panic hook has reported a panic of the thread.
            let _ = thread.join();
        }
    }
}

// === impl WatchOptions ===

impl WatchOptions {
    /// Sets [`WatchOptions::quiet`].
    pub fn with_quiet(self, quiet: Duration) -> Self {
        Self { quiet, ..self }
    }

    /// Sets [`WatchOptions::poll`].
    pub fn with_poll(self, poll: Duration) -> Self {
        Self { poll, ..self }
    }
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(250),
            poll: Duration::from_secs(30),
        }
    }
}

// === impl Waker ===

impl Waker {
    fn wake(&self) {
        // Full: a wake-up is already pending. Disconnected: the thread has ended.
        let _ = self.sender.try_send(());
    }
}

// === impl WatchThread ===

impl WatchThread {
    fn run(mut self) {
        loop {
            match self.receiver.recv_timeout(self.options.poll) {
                Ok(()) => self.wait_for_quiet(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let requests = &self.waker.requests;
            if requests.stop.load(Ordering::Acquire) {
                return;
            }
            let is_requested = requests.reload.swap(false, Ordering::AcqRel);
            let accepts_shrink = requests.accept_shrink.swap(false, Ordering::AcqRel);
            let trigger = if is_requested {
                WatchTrigger::Requested
            } else {
                WatchTrigger::MayHaveChanged
            };
            self.target.reload(trigger, accepts_shrink);
            // A directory that cannot be watched is still polled; the next iteration tries again.
            let _ = self.watch_directories();
        }
    }

    fn wait_for_quiet(&self) {
        let is_set = |flag: &AtomicBool| flag.load(Ordering::Acquire);
        let requests = &self.waker.requests;
        let limit = self.options.quiet.saturating_mul(MAX_QUIET_PERIODS);
        let deadline = CompileBudget::start(limit);
        while !deadline.is_exceeded()
            && !is_set(&requests.stop)
            && !is_set(&requests.reload)
            && self.receiver.recv_timeout(self.options.quiet).is_ok()
        {}
    }

    /// Watches the directories that contain the files and the targets of their symlinks.
    ///
    /// A directory that is already watched is watched again, because it may have been replaced by
    /// another one of the same name. If the paths change, the thread is woken, because a file in a new
    /// directory, or of a new name, may have changed before it was watched.
    fn watch_directories(&mut self) -> notify::Result<()> {
        let wanted = WatchedPaths::new(&self.target.files());
        // Unlocked before the watcher is called, which may wait for the thread of the events.
        let old = mem::replace(&mut *self.watched.lock(), wanted.clone());
        for stale in old.directories.difference(&wanted.directories) {
            // Fails if the directory was removed, and its watch with it.
            let _ = self.watcher.unwatch(stale);
        }
        if wanted != old {
            self.waker.wake();
        }
        let watch = |dir: &PathBuf| self.watcher.watch(dir, RecursiveMode::NonRecursive);
        let attempts: Vec<_> = wanted.directories.iter().map(watch).collect();
        attempts.into_iter().collect()
    }
}

// === impl SharedPaths ===

impl SharedPaths {
    /// A panic under this lock could only come from an allocation, which leaves the paths consistent.
    fn lock(&self) -> MutexGuard<'_, WatchedPaths> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
