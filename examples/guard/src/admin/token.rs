//! The token of the admin API, for the server and for its callers.

use std::{error::Error, fs, os::unix::fs::PermissionsExt as _, path::Path};

use tracing::warn;

/// The environment variable with the token.
const VARIABLE: &str = "GUARD_ADMIN_TOKEN";

/// Reads the token from `file`, or without one from the environment.
#[expect(
    clippy::disallowed_methods,
    reason = "once, at the start: the usual two ways in which a secret is passed to a process"
)]
pub(crate) fn read_token(file: Option<&Path>) -> Result<Option<String>, Box<dyn Error>> {
    let Some(path) = file else {
        return Ok(std::env::var(VARIABLE)
            .ok()
            .map(|token| token.trim().to_owned()));
    };
    let shown = path.display();
    let error = |error| format!("cannot read the token in {shown}: {error}");
    let text = fs::read_to_string(path).map_err(error)?;
    let mode = fs::metadata(path).map_err(error)?.permissions().mode();
    if mode & 0o077 != 0 {
        warn!("other users may read the token of the admin API: `chmod 600 {shown}`");
    }
    Ok(Some(text.trim().to_owned()))
}
