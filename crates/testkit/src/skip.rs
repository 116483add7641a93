//! Programs and data that may be missing on this machine.

use std::{
    env,
    path::{Path, PathBuf},
};

/// A file in the folder `shared` next to the repository. If it is missing, prints `SKIPPED` and returns
/// `None`.
pub fn shared(path: &str) -> Option<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared")
        .join(path);
    if file.exists() {
        return Some(file);
    }
    eprintln!("SKIPPED: shared/{path} does not exist next to this repository");
    None
}

/// A program on the `PATH` or in `/usr/sbin`. If it is not installed, prints `SKIPPED` and returns
/// `None`.
///
/// # Panics
///
/// If it is not installed and `GABION_REQUIRE_SERVERS` is set.
#[expect(
    clippy::disallowed_methods,
    reason = "tests look for installed programs"
)]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian installs servers in `/usr/sbin`, which is on the `PATH` of root only.
    let found = env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    or_skip(found, name)
}

/// A file that a package installs at `path`. If it is missing, prints `SKIPPED` and returns `None`.
///
/// # Panics
///
/// If it is not installed and `GABION_REQUIRE_SERVERS` is set.
pub fn installed(path: &str) -> Option<PathBuf> {
    let found = PathBuf::from(path);
    or_skip(found.exists().then_some(found), path)
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests look for installed programs"
)]
fn or_skip(found: Option<PathBuf>, name: &str) -> Option<PathBuf> {
    let required = env::var_os("GABION_REQUIRE_SERVERS").is_some();
    assert!(
        found.is_some() || !required,
        "{name} is not installed, and GABION_REQUIRE_SERVERS is set"
    );
    if found.is_none() {
        eprintln!("SKIPPED: {name} is not installed");
    }
    found
}
