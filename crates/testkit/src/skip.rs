//! What may be missing.

use std::{
    env,
    path::{Path, PathBuf},
};

/// A file of the shared data beside the repository; `None`, aloud, where there is none.
pub fn shared(path: &str) -> Option<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared")
        .join(path);
    if file.exists() {
        return Some(file);
    }
    eprintln!("SKIPPED: shared/{path} is not beside this repository");
    None
}

/// A program of this machine; `None`, aloud, where it is not installed.
///
/// # Panics
///
/// Where it is not installed and `GABION_REQUIRE_SERVERS` is set.
#[expect(
    clippy::disallowed_methods,
    reason = "tests ask the machine what it has"
)]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Servers lie where only root looks.
    let found = env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    or_aloud(found, name)
}

/// What a package of this machine put at `path`; `None`, aloud, where it is not installed.
///
/// # Panics
///
/// Where it is not installed and `GABION_REQUIRE_SERVERS` is set.
pub fn installed(path: &str) -> Option<PathBuf> {
    let found = PathBuf::from(path);
    or_aloud(found.exists().then_some(found), path)
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests ask the machine what it has"
)]
fn or_aloud(found: Option<PathBuf>, name: &str) -> Option<PathBuf> {
    let required = env::var_os("GABION_REQUIRE_SERVERS").is_some();
    assert!(
        found.is_some() || !required,
        "{name} is required here and not installed"
    );
    if found.is_none() {
        eprintln!("SKIPPED: {name} is not installed");
    }
    found
}
