//! Takes up a policy's files when they change.
//!
//! What editors and mounted config maps do to a file has no common shape: they write in place,
//! rename over it, swap a symlink two directories away. So any event beside any of the files is a
//! hint and no more: once events have been quiet for a while, the files are read, and their
//! content says whether there is anything new. Polling finds what no event told, as on network
//! file systems.
//!
//! A change is taken up when:
//! 1. nothing beside the files has moved for [`WatchOptions::quiet`], or a poll is due;
//! 2. the content of document and lists is neither what is in force nor what was tried last, so
//!    that a bad document is told once;
//! 3. it compiles: see [`crate::PolicyHandle::replace`].

use std::{
    collections::BTreeSet,
    fs, io, iter,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};

use crate::{PolicyHandle, budget::CompileBudget};

/// Watches the files of a [`PolicyHandle`] until it is dropped.
#[derive(Debug)]
pub struct Watch {
    bell: Bell,
    thread: Option<thread::JoinHandle<()>>,
}

/// How a [`Watch`] watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchOptions {
    /// How long no event may come before files are read: 250 ms.
    pub quiet: Duration,
    /// How often files are read although no event came: 30 s.
    pub poll: Duration,
}

/// Rings for whoever watches; a bell that rings already rings no louder.
#[derive(Clone, Debug)]
struct Bell {
    ring: SyncSender<()>,
    orders: Arc<Orders>,
}

#[derive(Debug, Default)]
struct Orders {
    reload: AtomicBool,
    stop: AtomicBool,
}

/// The thread that watches.
struct Watchman {
    live: PolicyHandle,
    options: WatchOptions,
    ear: Receiver<()>,
    bell: Bell,
    eyes: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
}

/// How many times [`WatchOptions::quiet`] a place that never is quiet is waited for.
const PATIENCE: u32 = 20;

/// How many links from one file to the next are followed: a ring of links has no end.
const MAX_LINKS: usize = 16;

// === impl Watch ===

impl Watch {
    /// Begins to watch the files of `live`.
    ///
    /// # Errors
    ///
    /// When `live` did not come from a file, or the system has no room for another watch or
    /// thread.
    pub fn spawn(live: PolicyHandle, options: WatchOptions) -> io::Result<Self> {
        if live.files().is_empty() {
            let why = "a policy that is not a file cannot be watched";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let (ring, ear) = sync_channel(1);
        let orders = Arc::default();
        let bell = Bell { ring, orders };
        let hint = bell.clone();
        let eyes = notify::recommended_watcher(move |event| {
            if is_hint(&event) {
                hint.ring();
            }
        });
        let mut watchman = Watchman {
            live,
            options,
            ear,
            bell: bell.clone(),
            eyes: eyes.map_err(io::Error::other)?,
            watched: BTreeSet::new(),
        };
        watchman.look_around().map_err(io::Error::other)?;
        let thread = thread::Builder::new().name("gabion-watch".into());
        let thread = Some(thread.spawn(move || watchman.watch())?);
        Ok(Self { bell, thread })
    }

    /// Reloads now, changed or not, without waiting for quiet: what SIGHUP asks for.
    pub fn poke(&self) {
        self.bell.orders.reload.store(true, Ordering::Release);
        self.bell.ring();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.bell.orders.stop.store(true, Ordering::Release);
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been told by the panic hook.
            let _ = thread.join();
        }
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

// === impl Bell ===

impl Bell {
    fn ring(&self) {
        // Full: it rings already. Closed: nobody is left to hear it.
        let _ = self.ring.try_send(());
    }
}

// === impl Watchman ===

impl Watchman {
    fn watch(mut self) {
        loop {
            match self.ear.recv_timeout(self.options.poll) {
                Ok(()) => self.wait_for_quiet(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.bell.orders.stop.load(Ordering::Acquire) {
                return;
            }
            if self.bell.orders.reload.swap(false, Ordering::AcqRel) || self.live.has_news() {
                // Both outcomes are told to the sink.
                let _ = self.live.reload();
            }
            // A directory that cannot be watched is polled; the next look tries again.
            let _ = self.look_around();
        }
    }

    fn wait_for_quiet(&self) {
        let ordered = |order: &AtomicBool| order.load(Ordering::Acquire);
        let patience = CompileBudget::start(self.options.quiet.saturating_mul(PATIENCE));
        while !patience.is_spent()
            && !ordered(&self.bell.orders.stop)
            && !ordered(&self.bell.orders.reload)
            && self.ear.recv_timeout(self.options.quiet).is_ok()
        {}
    }

    /// Watches the directories in which the files and what they link to stand now.
    ///
    /// A directory is watched again even if it is watched already: another one may have taken its
    /// place. One that was not yet watched may have changed unseen, which rings the bell.
    fn look_around(&mut self) -> notify::Result<()> {
        let files = self.live.files();
        let wanted: BTreeSet<_> = files.iter().flat_map(|file| places(file)).collect();
        for stale in self.watched.difference(&wanted) {
            // It may be gone, and its watch with it.
            let _ = self.eyes.unwatch(stale);
        }
        if wanted != self.watched {
            self.bell.ring();
            self.watched.clone_from(&wanted);
        }
        let watch = |dir: &PathBuf| self.eyes.watch(dir, RecursiveMode::NonRecursive);
        let attempts: Vec<_> = wanted.iter().map(watch).collect();
        attempts.into_iter().collect()
    }
}

/// The directories of `file`, and of each link on the way to what it stands for.
fn places(file: &Path) -> impl Iterator<Item = PathBuf> {
    let next = |link: &PathBuf| Some(link.parent()?.join(fs::read_link(link).ok()?));
    let links = iter::successors(Some(file.to_owned()), next).take(MAX_LINKS);
    links.filter_map(|file| match file.parent()? {
        here if here.as_os_str().is_empty() => Some(PathBuf::from(".")),
        dir => Some(dir.to_owned()),
    })
}

/// Whether an event may mean a change: all but those that reading a file makes, or each look would
/// be the hint for the next.
fn is_hint(event: &notify::Result<Event>) -> bool {
    match event {
        Ok(event) => match event.kind {
            EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
            _ => true,
        },
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, ModifyKind};

    use super::*;

    #[test]
    fn reading_is_no_hint_and_all_else_is() {
        let hint = |kind| is_hint(&Ok(Event::new(kind)));
        for mode in [AccessMode::Any, AccessMode::Read] {
            assert!(!hint(EventKind::Access(AccessKind::Open(mode))));
            assert!(!hint(EventKind::Access(AccessKind::Close(mode))));
        }
        for kind in [
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            EventKind::Create(CreateKind::Any),
            EventKind::Modify(ModifyKind::Any),
            EventKind::Other,
        ] {
            assert!(hint(kind), "{kind:?}");
        }
        assert!(is_hint(&Err(notify::Error::generic("lost"))));
    }
}
