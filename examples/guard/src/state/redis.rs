//! Command-line options of the connection to Redis.

use std::{error::Error, fs, path::PathBuf};

use clap::Args;
use gabion_store::SharedOptions;

/// Options of bans and limits shared between instances.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Shared bans")]
pub(crate) struct RedisArgs {
    #[arg(
        long,
        value_name = "FILE",
        help = "Share bans and limits with other guards by Redis or Valkey: file with its URL, \
                redis://[user][:password@]host[:port][/db]; without this option, the variable GUARD_REDIS_URL"
    )]
    pub(crate) redis_url_file: Option<PathBuf>,
    /// Prefix of the keys in Redis; guards with the same prefix share their bans and limits
    #[arg(long, value_name = "PREFIX", default_value = "gabion")]
    pub(crate) redis_prefix: String,
}

/// The environment variable with the URL.
const VARIABLE: &str = "GUARD_REDIS_URL";

// === impl RedisArgs ===

impl RedisArgs {
    /// Returns the options of the connection; `None` if no URL is given.
    pub(super) fn options(&self) -> Result<Option<SharedOptions>, Box<dyn Error>> {
        let Some(url) = self.url()? else {
            return Ok(None);
        };
        let options = SharedOptions::new(url.trim())?;
        Ok(Some(options.with_prefix(&self.redis_prefix)))
    }

    /// Returns `true` if a URL is given.
    #[expect(
        clippy::disallowed_methods,
        reason = "the usual way in which a secret is passed to a process"
    )]
    pub(crate) fn is_given(&self) -> bool {
        self.redis_url_file.is_some() || std::env::var_os(VARIABLE).is_some()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "once, at the start: the usual two ways in which a secret is passed to a process"
    )]
    fn url(&self) -> Result<Option<String>, Box<dyn Error>> {
        let Some(path) = &self.redis_url_file else {
            return Ok(std::env::var(VARIABLE).ok());
        };
        let text = fs::read_to_string(path);
        let error = |error| {
            format!(
                "cannot read the URL of Redis in {}: {error}",
                path.display()
            )
        };
        Ok(Some(text.map_err(error)?))
    }
}
