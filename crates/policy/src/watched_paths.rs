//! The directories that a [`Watch`](crate::Watch) observes, and the names in them that matter.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs, iter,
    path::{Component, Path, PathBuf},
};

use notify::{
    Event, EventKind,
    event::{AccessKind, AccessMode},
};

/// The paths of the watched files, and of the symlinks on the way to their targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WatchedPaths {
    /// The directory of each file and of each symlink.
    pub(crate) directories: BTreeSet<PathBuf>,
    /// The name of each step of these paths. A symlink can be any of them: in a mounted config map,
    /// `policy.toml` leads to `..data/policy.toml`, and an update replaces the symlink `..data`.
    names: BTreeSet<OsString>,
}

/// The maximum number of symlinks followed from one file, so that a cycle ends.
const MAX_LINKS: usize = 16;

// === impl WatchedPaths ===

impl WatchedPaths {
    /// Follows the symlinks of `files`, which need not exist.
    pub(crate) fn new(files: &[PathBuf]) -> Self {
        let mut paths = Self::default();
        for path in files.iter().flat_map(|file| links(file)) {
            let names = path.components().filter_map(|component| match component {
                Component::Normal(name) => Some(name.to_owned()),
                _ => None,
            });
            paths.names.extend(names);
            paths.directories.extend(match path.parent() {
                Some(directory) if directory.as_os_str().is_empty() => Some(PathBuf::from(".")),
                directory => directory.map(Path::to_owned),
            });
        }
        paths
    }

    /// Returns `true` if an event may mean a change of one of the files: if it is about a watched name, about no
    /// name, or reports that events were lost.
    pub(crate) fn may_be_changed_by(&self, event: &notify::Result<Event>) -> bool {
        let Ok(event) = event else { return true };
        let is_about = |path: &PathBuf| {
            let name = path.file_name();
            name.is_none_or(|name| self.names.contains(name))
        };
        let is_known = event.paths.is_empty() || event.paths.iter().any(is_about);
        may_be_change(event.kind) && (is_known || event.need_rescan())
    }
}

/// Returns `file`, and the target of each symlink on the way to its own.
fn links(file: &Path) -> impl Iterator<Item = PathBuf> {
    let next = |link: &PathBuf| Some(link.parent()?.join(fs::read_link(link).ok()?));
    iter::successors(Some(file.to_owned()), next).take(MAX_LINKS)
}

/// Returns `true` if an event of this kind may mean a change. Events of reading a file are excluded, because each
/// reload would otherwise trigger the next.
fn may_be_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, Flag, ModifyKind};

    use super::*;

    fn paths(files: &[&str]) -> WatchedPaths {
        WatchedPaths::new(&files.iter().map(PathBuf::from).collect::<Vec<_>>())
    }

    #[test]
    fn every_event_except_reading_may_be_a_change() {
        let paths = paths(&["policy.toml"]);
        let may_be_changed_by = |kind| paths.may_be_changed_by(&Ok(Event::new(kind)));
        for mode in [AccessMode::Any, AccessMode::Read] {
            for kind in [AccessKind::Open(mode), AccessKind::Close(mode)] {
                assert!(!may_be_changed_by(EventKind::Access(kind)), "{kind:?}");
            }
        }
        for kind in [
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            EventKind::Create(CreateKind::Any),
            EventKind::Modify(ModifyKind::Any),
            EventKind::Other,
        ] {
            assert!(may_be_changed_by(kind), "{kind:?}");
        }
        assert!(paths.may_be_changed_by(&Err(notify::Error::generic("lost"))));
    }

    #[test]
    fn only_events_of_watched_names_may_be_a_change() {
        let paths = paths(&["/etc/guard/..data/policy.toml", "lists/drop"]);
        let event = |path: &str| {
            let event = Event::new(EventKind::Modify(ModifyKind::Any));
            event.add_path(PathBuf::from(path))
        };
        for (path, expected) in [
            ("/etc/guard/..data/policy.toml", true),
            ("/etc/guard/..data", true),
            ("/etc/guard", true),
            ("lists/drop", true),
            (".", true),
            ("/etc/guard/..data/access.log", false),
            ("/etc/guard/..data_tmp", false),
            ("lists/drop.part", false),
        ] {
            assert_eq!(
                paths.may_be_changed_by(&Ok(event(path))),
                expected,
                "{path}"
            );
        }
        let moved = event("lists/drop.part").add_path(PathBuf::from("lists/drop"));
        assert!(paths.may_be_changed_by(&Ok(moved)));
        let overflow = event("lists/drop.part").set_flag(Flag::Rescan);
        assert!(paths.may_be_changed_by(&Ok(overflow)));
        let directories = ["/etc/guard/..data", "lists"].map(PathBuf::from);
        assert_eq!(paths.directories, BTreeSet::from(directories));
    }
}
